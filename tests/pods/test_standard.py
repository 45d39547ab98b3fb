"""Every pod of examples/ against Kubernetes' schemas and the restricted Pod Security Standard."""

import re

import kubernetes_validate
import pytest

import waitfor
from pods.cluster import EXAMPLES, documents, workload

BEFORE = "tutorial-loop.yaml"
PODS = sorted(
    str(path.relative_to(EXAMPLES))
    for path in EXAMPLES.rglob("*.yaml")
    if path.name != "compose.yaml"
)
SPECS = [
    pytest.param(object["spec"].get("template", object)["spec"], id=file)
    for file in PODS
    if file != BEFORE
    for object in [workload(file)]
]
CONTAINERS = [
    pytest.param(container, id=f"{spec.id}-{container['name']}")
    for spec in SPECS
    for container in [*spec.values[0].get("initContainers", []), *spec.values[0]["containers"]]
]


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("file", PODS)
def test_schema(file, version):
    """Kubernetes of today, and the oldest with native sidecars, know every field."""
    for document in documents(file):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("spec", SPECS)
def test_pod_is_restricted(spec):
    """A pod runs as a numbered user, not root, with the runtime's seccomp profile, apart."""
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    assert all(set(volume) <= {"name", *allowed} for volume in spec.get("volumes", []))


@pytest.mark.parametrize("container", CONTAINERS)
def test_container_is_restricted(container):
    """A container gains no privileges, has no capabilities, and writes nowhere."""
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not any("hostPort" in port for port in container.get("ports", []))


@pytest.mark.parametrize("container", CONTAINERS)
def test_container_has_bounds_and_last_words(container):
    """A container has requests and limits, and its log stands in for last words."""
    resources = container["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    if container["image"].startswith("waitfor:"):
        assert resources["limits"]["memory"] == "32Mi"
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_version():
    """The examples name the image of this version."""
    named = {
        found
        for path in EXAMPLES.rglob("*")
        if path.is_file() and path.suffix != ".py"
        for found in re.findall(r"\bwaitfor:(\d[\w.]*\d)", path.read_text())
    }
    assert named == {waitfor.__version__}

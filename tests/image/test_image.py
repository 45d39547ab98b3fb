"""The image that `make image` has built: what is in it, how large it is, as whom it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
ENVIRONMENT = dict(os.environ)
"""As it is before the tests' own is wiped: a build needs what it says of the engine."""
MOST = 5_500_000
"""Octets that the layers may have, compressed."""


def image_facts() -> dict[str, object]:
    """What the build has noted of its image."""
    found: dict[str, object] = json.loads((DIST / "image.json").read_text())
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The image as an OCI archive, unpacked: its configuration and its one layer."""
    folder = tmp_path_factory.mktemp("image")
    file = folder / "image.tar"
    name = image_facts()["image"]
    subprocess.run(["podman", "save", "-q", "--format=oci-archive", "-o", file, name], check=True)
    with tarfile.open(file) as tar:
        tar.extractall(folder, filter="data")

    def blob(described):
        return folder / "blobs" / "sha256" / described["digest"].partition(":")[2]

    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    return json.loads(blob(manifest["config"]).read_text()), [*map(blob, manifest["layers"])]


def test_size():
    """All layers together, CA bundle included, take at most 5.5 MB compressed."""
    assert 1_000_000 < int(str(image_facts()["size"])) <= MOST


def test_contents(archive):
    """The one file, the authorities, licence texts, and nothing else."""
    _, layers = archive
    names = set()
    for layer in layers:
        with tarfile.open(layer) as tar:
            names |= {member.name.lstrip("./") for member in tar if not member.isdir()}
    licences = {name for name in names if name.startswith("licenses/")}
    assert names - licences == {"waitfor", "etc/ssl/certs/ca-certificates.crt"}
    wanted = {"waitfor", "python", "libc6-dev", "libssl-dev", "zlib1g-dev", "ca-certificates"}
    assert wanted <= {name.removeprefix("licenses/") for name in licences}


def test_configuration(archive):
    """A user by number who is not root, the command in exec form, authorities named, labels."""
    configuration, _ = archive
    settings = configuration["config"]
    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["/waitfor"]
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in settings["Env"]
    labels = {name.removeprefix("org.opencontainers.image.") for name in settings["Labels"]}
    assert {"title", "description", "licenses", "version", "revision"} <= labels


def test_static():
    """The one file asks for no loader and no library (no PT_INTERP, no PT_DYNAMIC)."""
    octets = (DIST / "waitfor").read_bytes()
    start, size, number = (
        int.from_bytes(octets[at : at + width], "little")
        for at, width in ((32, 8), (54, 2), (56, 2))
    )
    types = [
        int.from_bytes(octets[start + i * size : start + i * size + 4], "little")
        for i in range(number)
    ]
    assert octets[:5] == b"\x7fELF\x02"
    assert 1 in types
    assert not {2, 3} & set(types)


def test_bill_of_materials():
    """The SBOM names the interpreter, OpenSSL, zlib, glibc and each package with its version."""
    bill = json.loads((DIST / "waitfor.cdx.json").read_text())
    versions = {part["name"]: part["version"] for part in bill["components"]}
    pinned = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "image/requirements.txt").read_text(), re.M)
    )
    assert bill["bomFormat"] == "CycloneDX"
    assert {"python3.13", "openssl", "zlib", "glibc", "ca-certificates"} <= versions.keys()
    assert pinned.items() <= versions.items()
    assert all(versions.values())


def test_nothing_is_imported_from_a_disk(tmp_path):
    """Modules that lie beside the one file, or that PYTHONPATH names, are not imported."""
    for name in ("click.py", "waitfor.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')")
    run = subprocess.run(
        [DIST / "waitfor", "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "click.py")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("waitfor ")


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("WAITFOR_BUILD_TWICE"), reason="takes minutes: CI does it")
def test_two_builds_have_one_digest():
    """Building the same commit again from nothing gives the same digest."""
    first = image_facts()
    flags = f"--no-cache {ENVIRONMENT.get('WAITFOR_IMAGE_FLAGS', '')}"
    subprocess.run(
        [ROOT / "image/build", "localhost/waitfor:again"],
        env={**ENVIRONMENT, "WAITFOR_IMAGE_FLAGS": flags},
        check=True,
    )
    again = image_facts()
    (DIST / "image.json").write_text(json.dumps(first))
    assert again["digest"] == first["digest"]


def test_pinned_like_the_project():
    """Each dependency of the project is pinned for the image, in a version the project allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    text = (ROOT / "image/requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE))
    for wanted in map(Requirement, project):
        assert wanted.specifier.contains(pins[wanted.name])


def test_no_engine(tmp_path):
    """Where no engine is, the build says in one line what is missing."""
    for program in ("sh", "dirname"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    run = subprocess.run(
        [ROOT / "image/build"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "apt-get install podman" in run.stderr


def test_no_architecture_is_hard_wired():
    """The Dockerfile names no architecture, and nothing that older builders lack."""
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search("amd64|x86|arm64|aarch64|linux-gnu|--platform|TARGETARCH", text)
    assert not re.search(r"<<|COPY --link|^# *syntax=", text, re.MULTILINE)

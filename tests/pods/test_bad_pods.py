"""A pod that cannot work says why in the first line of its log."""

import pytest

from pods.lab import RELEASE


@pytest.fixture
def pod(cluster):
    """The pod of myapp-sequence.yaml, that waits a second at most."""
    pod = cluster.example("myapp-sequence.yaml")
    pod["spec"]["initContainers"][0]["env"] = [{"name": "WAITFOR_TIMEOUT", "value": "1s"}]
    return pod


def first_line(cluster, pod, args, *, network="cluster"):
    """How the init container began to explain itself, and its exit code; the app never runs."""
    pod["spec"]["initContainers"][0]["args"] = args
    assert cluster.play(pod, network=network).wait(20) != 0
    assert cluster.state("myapp-pod-myapp-container").started == 0
    log = cluster.log("myapp-pod-wait").splitlines()
    words = cluster.termination_log("wait").read_text()
    return log[0], cluster.state("myapp-pod-wait").code, words


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("tpc://mydb:80", "unknown scheme 'tpc': did you mean tcp?"),
        ("tcp://mydb", "the port is missing"),
        ("http://mydb/#satus=200", "did you mean status?"),
        ("https://mydb/#ca=/etc/ca.crt", "ca '/etc/ca.crt' cannot be read: No such file"),
    ],
)
def test_misspelt_target(cluster, pod, target, why):
    """Nothing is waited for: exit 2, the word, and the nearest right one; also as last words."""
    line, code, words = first_line(cluster, pod, [target])
    assert why in line
    assert code == 2
    assert why in words


def test_ca_file_of_another_user(cluster, pod):
    """A CA file that the pod's user may not read is named."""
    (secret := cluster.dir / "ca.crt").write_text("")
    secret.chmod(0o600)
    cluster.mount(pod["spec"], pod["spec"]["initContainers"][0], "/etc/ca.crt", secret)
    line, code, _ = first_line(cluster, pod, ["https://mydb/#ca=/etc/ca.crt"])
    assert "ca '/etc/ca.crt' cannot be read: Permission denied" in line
    assert code == 2


@pytest.mark.parametrize("target", ["dns://mydb", "tcp://mydb:80", "http://mydb/"])
def test_empty_resolv_conf(cluster, pod, target):
    """Without a nameserver no name can be looked up, which is said at once."""
    (empty := cluster.dir / "resolv.conf").write_text("")
    cluster.mount(pod["spec"], pod["spec"]["initContainers"][0], "/etc/resolv.conf", empty)
    line, code, _ = first_line(cluster, pod, [target])
    assert "/etc/resolv.conf has no nameserver" in line
    assert code == 124


@pytest.mark.parametrize("target", ["dns://mydb", "tcp://mydb:80"])
def test_missing_resolv_conf(cluster, target):
    """The same where there is no such file; kube play always makes one, so "podman run"."""
    run = ("run", "--rm", "--dns=none", "--network=cluster", "--read-only", RELEASE)
    done = cluster.lab.podman(*run, "-t1s", target, check=False)
    assert done.returncode == 124
    assert "/etc/resolv.conf" in done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("tcp://10.96.0.1:443", "no route to 10.96.0.1:443"),
        ("http://10.96.0.1/", "no route to 10.96.0.1:80"),
        ("dns://10.96.0.10/mydb", "10.96.0.10"),
    ],
)
def test_no_network(cluster, pod, target, why):
    """A pod without a network says that nothing can be reached."""
    pod["spec"].pop("dnsConfig")
    pod["spec"].pop("dnsPolicy")
    line, code, _ = first_line(cluster, pod, [target], network="none")
    assert why in line
    assert code == 124

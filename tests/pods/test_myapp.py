"""The tutorial's pod, as it stands and rewritten, on cluster-like DNS."""

import signal
import socket
from pathlib import Path

import pytest
from support.servers import TcpServer

ADDRESSES = {"myservice": "10.96.1.1", "mydb": "10.96.1.2"}
LOOP = "tutorial-loop.yaml"
TWO = "myapp-two-init-containers.yaml"
ONE = "myapp-sequence.yaml"
APP = "myapp-pod-myapp-container"


@pytest.fixture
def come_up(cluster, request):
    """Brings a Service up: its name and, behind it, a server; gives the time."""

    def come_up(name):
        with cluster.lab.inside():
            server = TcpServer(host=ADDRESSES[name], port=80)
        server.__enter__()
        request.addfinalizer(lambda: server.__exit__(None, None, None))
        return cluster.name(name, ADDRESSES[name])

    return come_up


def first_of(file):
    """The init container that waits for myservice."""
    return "myapp-pod-wait" if file == ONE else "myapp-pod-init-myservice"


@pytest.mark.parametrize("file", [LOOP, TWO, ONE])
def test_app_starts_after_both_in_order(cluster, come_up, file):
    """Dependencies come up in the pod's order: the app starts once the last is there."""
    play = cluster.play(cluster.example(file))
    cluster.until(first_of(file), "running")
    come_up("myservice")
    if file == ONE:
        cluster.until_log(first_of(file), "tcp://myservice:80 is ready")
    else:
        cluster.until("myapp-pod-init-mydb", "running")
    last = come_up("mydb")
    assert play.wait(20) == 0
    assert "The app is running!" in cluster.until_log(APP, "running")
    assert last <= cluster.state(APP).started <= last + 4


@pytest.mark.parametrize("file", [LOOP, TWO, ONE])
def test_order_is_kept(cluster, come_up, file):
    """The second dependency is there first: the first is waited for all the same."""
    play = cluster.play(cluster.example(file))
    cluster.until(first_of(file), "running")
    come_up("mydb")
    if file == LOOP:
        cluster.until_log(first_of(file), "waiting for myservice")
    else:
        cluster.until_log(first_of(file), "tcp://myservice:80 is not ready")
    last = come_up("myservice")
    assert play.wait(20) == 0
    first = cluster.state(first_of(file))
    assert first.code == 0
    assert last <= first.finished <= cluster.state(APP).started
    if file == ONE:
        lines = cluster.log(first_of(file)).splitlines()
        ready = [line.split()[1] for line in lines if " is ready: " in line]
        assert ready == ["tcp://myservice:80", "tcp://mydb:80"]
    else:
        assert first.finished <= cluster.state("myapp-pod-init-mydb").started


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (False, "no such name: mydb.default.svc.cluster.local"),
        (True, "connection refused by 10.96.1.2:80"),
    ],
    ids=["no-name", "no-server"],
)
def test_dependency_that_never_comes(cluster, come_up, known, reason):
    """Time is up: exit 124, the reason in the log and in the last words, and no app."""
    pod = cluster.example(ONE)
    args = pod["spec"]["initContainers"][0]["args"]
    args[args.index("--timeout=5m")] = "--timeout=1s"
    come_up("myservice")
    if known:
        cluster.name("mydb", ADDRESSES["mydb"])
    assert cluster.play(pod).wait(20) != 0
    assert cluster.state("myapp-pod-wait").code == 124
    last_words = cluster.termination_log("wait").read_text()
    for words in (cluster.log("myapp-pod-wait"), last_words):
        assert "1 of 2 targets ready" in words
        assert reason in words
    assert cluster.state(APP).started == 0


def test_loop_takes_the_whole_grace_period(cluster):
    """The tutorial's pod is deleted while it waits: its shell does not heed SIGTERM."""
    cluster.play(cluster.example(LOOP))
    cluster.until_log(first_of(LOOP), "waiting for myservice")
    assert cluster.stop(first_of(LOOP), grace=2) >= 2
    assert cluster.state(first_of(LOOP)).code == 128 + signal.SIGKILL


@pytest.mark.parametrize("known", [False, True], ids=["no-name", "no-server"])
def test_waitfor_leaves_at_once(cluster, known):
    """The pod is deleted while waitfor waits: it ends within a second, and says what for."""
    if known:
        cluster.name("myservice", ADDRESSES["myservice"])
    cluster.play(cluster.example(ONE))
    cluster.until_log(first_of(ONE), "is not ready")
    assert cluster.stop(first_of(ONE), grace=20) < 1
    assert cluster.state(first_of(ONE)).code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in cluster.termination_log("wait").read_text()
    assert cluster.state(APP).started == 0


def test_lookup_that_hangs_is_left_at_once(cluster):
    """A nameserver that never answers does not hold up the end."""
    pod = cluster.example(ONE)
    pod["spec"]["dnsConfig"]["nameservers"] = ["10.96.0.11"]
    with cluster.lab.inside():
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("10.96.0.11", 53))
    with silent:
        cluster.play(pod)
        cluster.until(first_of(ONE), "running")
        silent.settimeout(10)
        silent.recvfrom(512)
        assert cluster.stop(first_of(ONE), grace=20) < 1
    assert cluster.state(first_of(ONE)).code == 128 + signal.SIGTERM


def test_security_context_is_in_force(cluster):
    """What the pod asks for holds while waitfor runs: user, capabilities, seccomp, read-only."""
    cluster.play(cluster.example(ONE))
    cluster.until_log(first_of(ONE), "is not ready")
    process = Path("/proc") / str(cluster.inspect(first_of(ONE))["State"]["Pid"])
    lines = (process / "status").read_text().splitlines()
    status = {name: value.split() for name, value in (line.split(":", 1) for line in lines)}
    assert status["Uid"] == status["Gid"] == ["65532"] * 4
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(status[f"Cap{kind}"][0], 16) == 0
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    root = next(
        line.split() for line in (process / "mounts").read_text().splitlines() if " / " in line
    )
    assert "ro" in root[3].split(",")
    assert cluster.inspect(first_of(ONE))["HostConfig"]["Memory"] == 32 << 20

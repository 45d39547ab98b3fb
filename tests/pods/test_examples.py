"""The other pods of examples/, run: their dependencies come up one after another."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.servers import TcpServer, respond

from pods.cluster import EXAMPLES

OK = respond(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
DOWN = respond(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def serve(cluster, request):
    """Starts a server in the cluster."""

    def serve(host, port, talk=None):
        with cluster.lab.inside():
            server = TcpServer(*([talk] if talk else []), host=host, port=port)
        server.__enter__()
        request.addfinalizer(lambda: server.__exit__(None, None, None))

    return serve


def pong(sock):
    """A cache's answer."""
    assert sock.recv(64) == b"PING\r\n"
    sock.sendall(b"+PONG\r\n")


def test_deployment(cluster, serve):
    """Database, cache and API come up in turn, under 32Mi: then the app is started."""
    play = cluster.play(cluster.example("deployment.yaml"))
    cluster.until_log("shop-wait", "tcp://postgres:5432 is not ready")
    serve("10.96.1.1", 5432)
    cluster.name("postgres", "10.96.1.1")
    cluster.until_log("shop-wait", "tcp://redis:6379 is not ready")
    serve("10.96.1.2", 6379, pong)
    cluster.name("redis", "10.96.1.2")
    cluster.until_log("shop-wait", "http://orders.backend:8080/healthz is not ready")
    serve("10.96.1.3", 8080, DOWN)
    cluster.name("orders.backend", "10.96.1.3")
    log = cluster.until_log("shop-wait", "503")
    assert cluster.memory_peak("shop-wait") < 32 << 20
    assert cluster.state("shop-shop").started == 0
    serve("10.96.1.4", 8080, OK)
    last = cluster.name("orders.backend", "10.96.1.4")
    assert play.wait(20) == 0, log
    assert "The shop is open" in cluster.until_log("shop-shop", "open")
    assert last <= cluster.state("shop-shop").started
    pid = cluster.inspect("shop-shop")["State"]["Pid"]
    assert Path(f"/proc/{pid}").stat().st_uid == 65532


def test_job(cluster, serve, tmp_path):
    """The git server answers: waitfor becomes "git clone", and the Job has its exit code."""
    git_image(cluster.lab, tmp_path / "image")
    repository = tmp_path / "git" / "app.git"
    git = {"env": {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}}
    subprocess.run(["git", "init", "-q", repository], check=True, **git)
    (repository / "README").write_text("cloned")
    person = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["add", "README"], [*person, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", repository, *words], check=True, **git)

    cluster.play(cluster.example("job-git-clone/job.yaml"))
    cluster.until_log("clone-clone", "tcp://git:9418 is not ready")
    cluster.name("git", "10.96.1.5")
    daemon = subprocess.Popen(
        cluster.lab.within("git", "daemon", "--listen=10.96.1.5", "--export-all",
                           f"--base-path={repository.parent}"),
        env=cluster.lab.env | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                               "GIT_CONFIG_VALUE_0": "*"},
    )  # fmt: skip
    try:
        assert cluster.until("clone-clone", "exited").code == 0, cluster.log("clone-clone")
    finally:
        daemon.terminate()
        daemon.wait()
    assert (cluster.dir / "source" / "app" / "README").read_text() == "cloned"


def git_image(lab, directory):
    """Build the Job's own Dockerfile, on this machine's git in place of alpine/git."""
    root = directory / "root"
    program = shutil.which("git")
    libraries = subprocess.check_output(["ldd", program], text=True)
    for file in [program, *(word for word in libraries.split() if word.startswith("/"))]:
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (directory / "Containerfile").write_text(
        'FROM scratch\nCOPY root /\nENV PATH=/usr/local/bin:/usr/bin\nENTRYPOINT ["git"]\n'
    )
    lab.build(directory / "Containerfile", directory, "docker.io/alpine/git:v2.49.1")
    example = EXAMPLES / "job-git-clone"
    lab.build(example / "Dockerfile", example, "localhost/git-waitfor:1")


def test_statefulset(cluster, serve):
    """A peer waits until all three have addresses, then for the one before it."""
    play = cluster.play(cluster.example("statefulset.yaml", "peer-2"))
    cluster.name("peers", "10.96.2.0", "10.96.2.1")
    cluster.until_log("peer-2-wait-for-all", "2 ")
    cluster.name("peers", "10.96.2.0", "10.96.2.1", "10.96.2.2")
    cluster.until_log("peer-2-wait-for-neighbour", "tcp://peer-1.peers:7000 is not ready")
    serve("10.96.2.1", 7000)
    last = cluster.name("peer-1.peers", "10.96.2.1")
    assert play.wait(20) == 0
    assert last <= cluster.until("peer-2-peer", "running").started


def test_statefulset_first_peer(cluster):
    """The first peer has nobody to wait for."""
    cluster.name("peers", "10.96.2.0", "10.96.2.1", "10.96.2.2")
    assert cluster.play(cluster.example("statefulset.yaml", "peer-0")).wait(20) == 0
    assert cluster.state("peer-0-wait-for-neighbour").code == 0


def test_native_sidecar(cluster, serve):
    """The proxy listens from the start; waitfor ends once the API behind it is healthy.

    kube play 4.3 has no native sidecars, so here sidecar and waitfor start together as ordinary
    containers; that the app comes last is the kubelet's doing.
    """
    pod = cluster.example("native-sidecar.yaml")
    pod["spec"]["containers"][1:1] = pod["spec"].pop("initContainers")
    check_through_proxy(cluster, serve, pod, "shop-wait")
    assert cluster.until("shop-wait", "exited").code == 0


def test_ambassador(cluster, serve):
    """In the app's own container, waitfor waits through the proxy and becomes the app."""
    check_through_proxy(cluster, serve, cluster.example("ambassador.yaml"), "shop-shop")
    assert "The shop is open" in cluster.until_log("shop-shop", "open")
    assert cluster.stop("shop-shop", grace=20) < 1


def check_through_proxy(cluster, serve, pod, container):
    """The API behind the proxy is missing, then down, then healthy."""
    assert cluster.play(pod).wait(20) == 0
    cluster.until_log(container, "http://127.0.0.1:9001/healthz is not ready")
    serve("10.96.1.3", 8080, DOWN)
    cluster.name("orders.backend", "10.96.1.3")
    cluster.until_log(container, "503")
    serve("10.96.1.4", 8080, OK)
    cluster.name("orders.backend", "10.96.1.4")
    cluster.until_log(container, "is ready")

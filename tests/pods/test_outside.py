"""What examples/ has beside pods: compose, CI jobs, a Makefile and Dockerfiles, all run."""

import contextlib
import shutil
import ssl
import sys
from pathlib import Path

import pytest
import trustme
import yaml
from support.servers import TcpServer, hang_up, respond, stay_silent

import waitfor
from pods.cluster import EXAMPLES, seconds
from pods.lab import PROGRAMS, script

OK = respond(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def pong(sock):
    """A cache's answer."""
    assert sock.recv(64) == b"PING\r\n"
    sock.sendall(b"+PONG\r\n")


@pytest.fixture
def with_it():
    """Servers to be ended with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def on_loopback(lab, with_it):
    """Starts servers on the loopback of the lab, where CI publishes ports of its services."""

    def on_loopback(port, talk):
        with lab.inside():
            server = TcpServer(talk, port=port, after=1.0)
        with_it.enter_context(server)

    return on_loopback


def test_compose(cluster):
    """In docker compose, the app is started after a waitfor service that has succeeded."""
    compose = Path(sys.executable).with_name("podman-compose")
    program = str(compose) if compose.exists() else shutil.which("podman-compose")
    assert program, "podman-compose is missing: pip install podman-compose"
    command = [
        program,
        f"--podman-path={cluster.lab.bin / 'podman'}",
        "-f",
        EXAMPLES / "compose.yaml",
    ]
    up = cluster.lab.run(*cluster.lab.within(*command, "up", "--detach"), check=False)
    try:
        app = cluster.until("shop_app_1", "running")
        log = cluster.lab.podman("logs", "--timestamps", "shop_wait_1", check=False).stderr
        # The first such line: podman starts a container's dependencies once more with it.
        ready = next(line.split() for line in log.splitlines() if "all 2 targets ready" in line)
        assert "is not ready" in log, up.stderr
        assert seconds(ready[0]) <= app.started
    finally:
        cluster.lab.run(*cluster.lab.within(*command, "down", "-t", "0"), check=False)


def test_github_actions(cluster, on_loopback, tmp_path):
    """The steps of the GitHub job pass once its services answer on published ports."""
    on_loopback(5432, stay_silent)
    on_loopback(6379, pong)
    job = yaml.safe_load((EXAMPLES / "ci/github-actions.yml").read_text())["jobs"]["integration"]
    script(tmp_path / "integration-tests", PROGRAMS["integration-tests"])
    steps = [step["run"] for step in job["steps"] if "run" in step]
    done = [run(cluster.lab, tmp_path, "sh", "-e", "-c", step) for step in steps]
    assert "all 2 targets ready" in done[0].stderr
    assert done[-1].stdout == "integration tests pass\n"


def test_gitlab_ci(cluster, with_it):
    """The GitLab job, in the image it names, runs the tests once its services answer."""
    job = yaml.safe_load((EXAMPLES / "ci/gitlab-ci.yml").read_text())["integration"]
    hosts = []
    for number, (service, (port, talk)) in enumerate(
        zip(job["services"], [(5432, hang_up), (6379, pong)], strict=True), 1
    ):
        with cluster.lab.inside():
            server = TcpServer(talk, host=f"10.96.3.{number}", port=port, after=1.0)
        with_it.enter_context(server)
        hosts.append(f"--add-host={service['alias']}:10.96.3.{number}")
    variables = [f"--env={name}={value}" for name, value in job["variables"].items()]
    done = cluster.lab.podman("run", "--rm", "--network=cluster", *hosts, *variables,
                              job["image"], "sh", "-e", "-c", "\n".join(job["script"]))  # fmt: skip
    assert "all 2 targets ready" in done.stderr
    assert done.stdout == "integration tests pass\n"


def test_makefile(cluster, on_loopback, tmp_path):
    """With "make run", what the app depends on is started, waited for, and followed by the app."""
    on_loopback(5432, stay_silent)
    on_loopback(8080, OK)
    shutil.copy(EXAMPLES / "dev/Makefile", tmp_path)
    script(tmp_path / "shop", "echo the shop is open")
    script(tmp_path / "docker", 'echo "started: $*"')
    done = run(
        cluster.lab, tmp_path, "make", "run", f"PATH={tmp_path}:{cluster.lab.bin}:/usr/bin:/bin"
    )
    assert "started: compose up --detach\n" in done.stdout
    assert done.stdout.endswith("the shop is open\n")
    assert "all 2 targets ready" in done.stderr


def run(lab, directory, *argv):
    """Run a program in the lab's network, with docker and waitfor on its PATH."""
    env = lab.env | {"PATH": f"{lab.bin}:{lab.env['PATH']}"}
    return lab.run(*lab.within(*argv), cwd=directory, env=env)


@pytest.mark.parametrize("base", ["debian", "busybox", "scratch"])
def test_copied_into_an_image(cluster, tmp_path, base):
    """The one file runs on any root: looks up a name, waits, checks TLS, becomes the app."""
    lab = cluster.lab
    if base == "debian":
        lab.debian()
    # A static file stands for the app, so that it runs on a root without a C library.
    shutil.copy(lab.bin / "waitfor", tmp_path / "shop")
    lab.build(EXAMPLES / "copy" / f"Dockerfile.{base}", tmp_path, f"localhost/copied-{base}")
    with lab.inside():
        server = TcpServer(host="10.96.4.1", port=5432)
    dns = ("--dns=10.96.0.10", "--dns-search=default.svc.cluster.local", "--dns-opt=ndots:5")
    start = ("run", "--rm", "--network=cluster", *dns, "--read-only", "--read-only-tmpfs=false")
    image = f"localhost/copied-{base}"
    with server:
        cluster.name("db", "10.96.4.1")
        targets = "--env=WAITFOR_TARGETS=dns://db tcp://db:5432"
        app = "/usr/local/bin/shop" if base != "scratch" else "/shop"
        done = lab.podman(*start, targets, image, app, "--version", check=False)
    assert (done.returncode, done.stdout) == (0, f"waitfor {waitfor.__version__}\n"), done.stderr
    assert "all 2 targets ready" in done.stderr

    with lab.inside():
        server = TcpServer(OK, host="10.96.4.1", port=443, tls=tls_of_a_stranger())
    with server:
        env = ("--env=WAITFOR_TARGETS=https://db", "--env=WAITFOR_TIMEOUT=1s")
        done = lab.podman(*start, *env, image, app, check=False)
    assert done.returncode == 124, done.stderr
    assert "certificate" in done.stderr.splitlines()[0]


def tls_of_a_stranger():
    """A server's side of TLS, with an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("db").configure_cert(context)
    return context

"""What the command says, read as a person reads a pod's log."""

import os
import re
import socket

import pytest
from support.servers import TcpServer, free_port, respond
from support.story import CLUSTER, OK, UNAVAILABLE, story

from waitfor.hints import HINTS
from waitfor.result import Cause


def test_the_main_job(waitfor):
    """Each target is told once when its reason changes and once when ready, in order, then all."""
    with story() as told:
        process = waitfor.start(*told.targets, env=CLUSTER)
        lines = [told.named(line) for line in told.play(process)]
    assert process.returncode == 0
    heads = [re.sub(r"waitfor: +(\S+( is (not )?ready)?).*", r"\1", line) for line in lines]
    assert heads == [
        "dns://mydb is not ready",
        "hint:",
        "dns://mydb is ready",
        "tcp://mydb:5432 is not ready",
        "hint:",
        "tcp://mydb:5432 is ready",
        "http://api:8080/healthz is not ready",
        "http://api:8080/healthz is not ready",
        "http://api:8080/healthz is ready",
        "all",
    ]
    effort = re.compile(r"\(\d+\.\ds, \d+ looks?\)$")
    assert all(effort.search(line) for line in lines if "hint:" not in line)


def test_the_search_walk_is_told(waitfor):
    """A name that does not exist is told with every name that was tried, and who said so."""
    with story() as told:
        run = waitfor("-t", "100ms", "-q", told.targets[0], env=CLUSTER)
        line = told.named(run.lines[1])
    assert (
        "no such name: mydb.default.svc.cluster.local, mydb.svc.cluster.local, mydb.cluster.local,"
        " mydb (NXDOMAIN from 10.96.0.10)" in line
    )
    assert run.lines[2] == f"waitfor:   hint: {HINTS[Cause.NXDOMAIN]}"


def test_one_reason_is_told_once(waitfor):
    """A reason that stays the same is one line however many looks are made."""
    run = waitfor("-t", "500ms", "--period", "10ms", f"127.0.0.1:{free_port()}")
    assert len([line for line in run.lines if "is not ready" in line]) == 1
    looks = re.search(r"(\d+) looks\)$", run.lines[-1])
    assert looks
    assert int(looks[1]) > 5


def test_quiet_success(waitfor):
    """With --quiet a success says nothing at all."""
    with TcpServer() as server:
        run = waitfor("-q", f"127.0.0.1:{server.port}", f"127.0.0.1:{server.port}")
    assert (run.code, run.out, run.err) == (0, "", "")


def test_quiet_failure(waitfor):
    """With --quiet a failure is its summary, with the hint."""
    port = free_port()
    run = waitfor("-q", "-t", "200ms", f"127.0.0.1:{port}")
    assert run.lines[0] == "waitfor: timed out after 200ms: 0 of 1 target ready"
    assert f"tcp://127.0.0.1:{port}: connection refused by" in run.lines[1]
    assert run.lines[2:] == [f"waitfor:   hint: {HINTS[Cause.REFUSED]}"]


def test_verbose(waitfor):
    """With --verbose every look is a line with its number."""
    with TcpServer(respond(UNAVAILABLE)) as server:
        target = f"http://127.0.0.1:{server.port}/"
        run = waitfor("-v", "--failure-threshold", "3", "--period", "10ms", target)
    assert run.code == 1
    looks = [line for line in run.lines if f"{target} look " in line]
    assert len(looks) == 3
    assert re.match(r".* look 3 \(\d\.\ds\): status 503 Service Unavailable from ", looks[2])


def test_any_names_the_one(waitfor):
    """With --any the summary names the target that was enough."""
    with TcpServer() as server:
        targets = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{server.port}"]
        run = waitfor("--any", *targets)
    assert run.code == 0
    assert f"1 of 2 targets ready, one was enough: tcp://{targets[1]} (" in run.lines[-1]


def test_giving_up_names_the_culprit_among_many(waitfor):
    """With --parallel and many targets, the one that ended the wait leads the summary."""
    others = [f"127.0.0.1:{free_port()}" for _ in range(25)]
    with TcpServer(respond(UNAVAILABLE)) as server:
        culprit = f"http://127.0.0.1:{server.port}/"
        run = waitfor("-q", "--parallel", *others, f"{culprit}#fatal=status")
    assert run.code == 1
    assert re.fullmatch(r"waitfor: gave up after .*: 0 of 26 targets ready", run.lines[0])
    assert run.lines[1].startswith(f"waitfor:   {culprit}: status 503")
    assert run.lines[-1] == "waitfor:   and 6 more targets"


def test_a_thousand_targets(waitfor):
    """A thousand targets that are ready are a thousand lines and a summary."""
    with TcpServer() as server:
        run = waitfor("--parallel", *[f"127.0.0.1:{server.port}"] * 1000)
    assert run.code == 0
    assert len(run.lines) == 1001
    assert run.lines[-1].startswith("waitfor: all 1000 targets ready (")


def test_not_ready_often_enough(waitfor):
    """A target that is found ready, but not long enough, is not said to be ready."""
    with TcpServer() as server:
        target = f"127.0.0.1:{server.port}"
        run = waitfor("-t", "300ms", "--success-threshold", "1000", target)
    assert run.code == 124
    assert "connected to" in run.lines[-1]
    assert "but not yet success-threshold looks in a row" in run.lines[-1]
    assert "is ready" not in run.err


def test_what_a_server_says_is_escaped(waitfor):
    """Octets of a server that would move the cursor or fake a line are escaped."""
    evil = b"HTTP/1.1 302 Found\r\nLocation: http://evil\xc2\x9b2J.example/\r\n\r\n"
    with TcpServer(respond(evil)) as server:
        run = waitfor("-t", "300ms", f"http://127.0.0.1:{server.port}/#status=200")
    assert run.code == 124
    assert all(line.isprintable() for line in run.lines)


def reader_gone():
    """The write end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.parametrize("arguments", [(), ("-o", "json")])
def test_stderr_that_nobody_reads(waitfor, arguments):
    """A reader that left is no reason to end the wait, nor to fail."""
    for broken in (reader_gone(), os.open("/dev/full", os.O_WRONLY)):
        with TcpServer(after=0.3) as server:
            run = waitfor(*arguments, f"127.0.0.1:{server.port}", stderr=broken)
        os.close(broken)
        assert run.code == 0


def test_stderr_closed(waitfor):
    """Without a stderr the wait goes on, and its exit code is right."""
    port = free_port()
    run = waitfor("-t", "200ms", f"127.0.0.1:{port}", preexec_fn=lambda: os.close(2), stderr=None)
    assert run.code == 124


def test_stderr_that_would_block(waitfor):
    """A terminal left in non-blocking mode loses lines at most, not the wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs, TcpServer(respond(OK)) as server:
        theirs.setblocking(False)
        run = waitfor("-v", f"http://127.0.0.1:{server.port}/", stderr=theirs)
        assert run.code == 0
        assert b"is ready" in ours.recv(65536)

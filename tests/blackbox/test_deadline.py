"""The deadline is kept, whatever the network does; waits are seconds of the real clock."""

import json
import resource

import pytest
from support.netns import Namespace, stuck_nameserver
from support.servers import TcpServer, drip, free_port, stay_silent

ONE_SECOND = ("-t", "1s", "-o", "json")


def ends_in_time(run):
    """The causes at the end of a wait of 1 s, which must have been kept to."""
    finished = json.loads(run.lines[-1])
    assert (run.code, finished["outcome"]) == (124, "deadline")
    assert 1.0 <= finished["waited"] <= 1.2
    # And the process with it, start-up and all, which is slow where much runs beside it.
    assert 1.0 <= run.seconds < finished["waited"] + 2
    return [target["cause"] for target in finished["targets"]]


@pytest.mark.parametrize(
    ("talk", "target", "cause"),
    [
        (None, "tcp://127.0.0.1:{}", "refused"),
        (stay_silent, "http://127.0.0.1:{}/", "response-timeout"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n", 0.1), "http://127.0.0.1:{}/", "response-timeout"),
    ],
    ids=["refused", "silent", "dripping"],
)
def test_deadline(waitfor, talk, target, cause):
    """A wait of one second ends within 1.0 to 1.2 s, and says what it was waiting for."""
    if talk is None:
        run = waitfor(*ONE_SECOND, target.format(free_port()))
    else:
        with TcpServer(talk) as server:
            run = waitfor(*ONE_SECOND, target.format(server.port))
    assert ends_in_time(run) == [cause]


@pytest.mark.needs("root", "ip", "nft")
def test_deadline_at_black_hole(waitfor):
    """An address that swallows packets does not hold the wait beyond its deadline."""
    with Namespace(addresses=("192.0.2.1",)) as network:
        network.filter_incoming("ip daddr 192.0.2.1 drop")
        waitfor.argv = [*network.enter, *waitfor.argv]
        run = waitfor(*ONE_SECOND, "192.0.2.1:80")
    assert ends_in_time(run) == ["connect-timeout"]


@pytest.mark.needs("root", "ip")
def test_deadline_during_stuck_look_up(waitfor):
    """A look-up that is stuck for ten seconds holds up neither the deadline nor other targets."""
    with stuck_nameserver() as network, network.inside(TcpServer) as server:
        waitfor.argv = [*network.enter, *waitfor.argv]
        targets = ["tcp://mydb:80", "http://api/", f"127.0.0.1:{server.port}"]
        run = waitfor(*ONE_SECOND, "--parallel", *targets)
    assert ends_in_time(run) == ["lookup-timeout", "lookup-timeout", "ready"]
    ready = [json.loads(line) for line in run.lines if '"event": "ready"' in line]
    assert [event["target"] for event in ready] == [f"tcp://127.0.0.1:{server.port}"]
    assert ready[0]["waited"] < 0.2


@pytest.mark.parametrize(
    ("soft", "hard"), [(1024, None), (256, None), (256, 256)], ids=["1024", "256", "256 at most"]
)
def test_thousand_targets(waitfor, soft, hard):
    """A thousand targets are watched at once under a low limit of open files, which COMMAND gets
    as it was.
    """

    def limit():
        most = hard or resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))

    with TcpServer() as server:
        run = waitfor(
            *("-q", "-t", "30s", "--parallel", *[f"127.0.0.1:{server.port}"] * 1000),
            *("--", "sh", "-c", "ulimit -n"),
            preexec_fn=limit,
        )
    assert (run.code, run.out, run.err) == (0, f"{soft}\n", "")


def test_many_targets_that_hang(waitfor):
    """Where the limit of open files cannot be raised, all are looked at, as many as fit at once."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with TcpServer(stay_silent) as server:
        target = f"127.0.0.1:{server.port}#expect=a,attempt-timeout=200ms"
        run = waitfor("-t", "2s", "-o", "json", "--parallel", *[target] * 100, preexec_fn=limit)
    finished = json.loads(run.lines[-1])
    assert run.code == 124
    assert min(target["looks"] for target in finished["targets"]) >= 1
    assert "too many open files" not in run.err

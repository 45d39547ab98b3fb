"""``tcp://``: accepted connections, and what people ask of them besides."""

import asyncio
import errno
import socket
import struct
import threading

import pytest
from support.servers import TcpServer, drip, free_port, hang_up, stay_silent

from waitfor.policy import Policy
from waitfor.probes import Url
from waitfor.probes.tcp import Tcp
from waitfor.result import Cause, Look
from waitfor.target import parse_target


def look_at(target, seconds=5.0):
    """One look at a target, bounded as the runner bounds it."""

    async def bounded():
        look = Look()
        try:
            async with asyncio.timeout(seconds):
                return await parse_target(target).probe.attempt(look)
        except TimeoutError:
            return look.cut_short("this time")

    return asyncio.run(bounded())


def reset(sock):
    """Read what comes, then reset the connection."""
    sock.recv(4096)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(*parts):
    """Say something in parts once something was received, then wait for the peer to leave."""

    def talk(sock):
        sock.recv(4096)
        for part in parts:
            sock.sendall(part)
        stay_silent(sock)

    return talk


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_accepted(host):
    """An accepted connection is readiness, whether by IPv4, IPv6 or a name of /etc/hosts."""
    with TcpServer(host="::1" if host == "[::1]" else "127.0.0.1") as server:
        result = look_at(f"tcp://{host}:{server.port}")
    where = f"{'[::1]' if host == '[::1]' else '127.0.0.1'}:{server.port}"
    assert result.cause is Cause.READY
    assert result.detail == f"connected to {where}"
    assert result.facts == {"address": where}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_refused(host):
    """A port on which nobody listens refuses, and the reason names the address."""
    port = free_port(host.strip("[]"))
    result = look_at(f"tcp://{host}:{port}")
    assert (result.cause, result.detail) == (Cause.REFUSED, f"connection refused by {host}:{port}")
    assert result.facts == {"host": host.strip("[]"), "addresses": [f"{host}:{port}"]}


@pytest.mark.parametrize("options", ["", "#send=a", "#expect=b,send=a", "#hold=10ms,send=a"])
def test_connection_is_closed_in_order(options):
    """The server sees the connection end after each look, and no reset that it would log."""
    ends = []
    seen = threading.Event()

    def note_the_end(sock):
        try:
            while chunk := sock.recv(4096):
                sock.sendall(b"b" if "expect" in options else b"")
                ends.append(chunk)
            ends.append(b"end")
        except OSError as error:
            ends.append(error)
        seen.set()

    with TcpServer(note_the_end) as server:
        result = look_at(f"tcp://127.0.0.1:{server.port}{options}")
        assert seen.wait(5)
    assert result.ready
    assert ends == ([b"a"] if options else []) + [b"end"]


def test_reset_at_once():
    """A server that resets what it has just accepted is a reason or accepted, never a crash."""
    causes = set()

    def reset_at_once(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with TcpServer(reset_at_once) as server:
        for _ in range(50):
            causes.add(look_at(f"tcp://127.0.0.1:{server.port}").cause)
    assert causes <= {Cause.READY, Cause.RESET}


@pytest.mark.parametrize(
    ("talk", "options", "cause", "words"),
    [
        (say(b"PO", b"NG\r\n"), "send=PING,expect=PONG", Cause.READY, "connected to {}"),
        (say(b"-ERR"), "send=PING,expect=PONG", Cause.BODY, "{} answers, not as expected within"),
        (stay_silent, "expect=PONG", Cause.RESPONSE_TIMEOUT, "{} accepts but does not answer"),
        (drip(b"PINGPINGPING", 0.02), "expect=PONG", Cause.BODY, "{} answered, not as expected"),
        (say(b"x" * 70_000), "send=PING,expect=PONG", Cause.BODY, "{} answered, not as expected"),
        (hang_up, "expect=PONG", Cause.CLOSED, "{} closed the connection"),
        (hang_up, "hold=1s", Cause.CLOSED, "{} closed the connection"),
        (drip(b"PONG", 0.02), "expect=PON,hold=1s", Cause.CLOSED, "{} closed the connection"),
        (reset, "send=PING,expect=PONG", Cause.RESET, "connection reset by {}"),
        (reset, "send=PING,hold=1s", Cause.RESET, "connection reset by {}"),
        (stay_silent, "hold=50ms", Cause.READY, "connected to {}, open for 50ms"),
        (drip(b"x" * 50, 0.01), "hold=50ms", Cause.READY, "connected to {}, open for 50ms"),
        (stay_silent, "hold=4s", Cause.RESPONSE_TIMEOUT, "connected to {}, hold 4s not over"),
    ],
    ids=[
        "expected answer in parts",
        "other answer",
        "silent",
        "other answer, then closed",
        "endless answer",
        "proxy without a server, expect",
        "proxy without a server, hold",
        "closed during hold",
        "reset instead of an answer",
        "reset during hold",
        "open long enough",
        "talkative and open",
        "cut during hold",
    ],
)
def test_conversation(talk, options, cause, words):
    """With `send`, `expect` and `hold` a connection alone is not enough; the reason says why."""
    with TcpServer(talk) as server:
        result = look_at(f"tcp://127.0.0.1:{server.port}#{options}", 0.4)
    where = f"127.0.0.1:{server.port}"
    assert result.cause is cause
    assert result.detail.startswith(words.format(where))
    assert result.facts == {"address": where}
    assert "PONG" not in result.detail


def test_connection_that_the_system_gives_up(monkeypatch):
    """A connection that dies of the system's own timeout was not held."""

    async def read(*_):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(asyncio.StreamReader, "read", read)
    with TcpServer(stay_silent) as server:
        result = look_at(f"tcp://127.0.0.1:{server.port}#hold=1s")
    assert result.cause is Cause.RESET


def test_text_is_sent_as_it_is_meant():
    """What `send` says arrives octet by octet, its escapes undone."""
    received = []

    def note(sock):
        received.append(sock.recv(4096))
        sock.sendall("größer, ja".encode())

    with TcpServer(note) as server:
        target = f"tcp://127.0.0.1:{server.port}#send=a%2Cb%0D%0A%C3%9F,expect=gr%C3%B6%C3%9Fer%2C"
        result = look_at(target)
    assert result.ready
    assert received == ["a,b\r\nß".encode()]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (Url("tcp", "db"), "the port is missing: write tcp://HOST:PORT"),
        (Url("tcp", "me:pass@db:1"), "tcp:// takes no user name or password"),
        (Url("tcp", "db:1", "/path"), "tcp:// takes no path and no query: options follow '#'"),
        (Url("tcp", "db:1", "", ""), "tcp:// takes no path and no query: options follow '#'"),
    ],
)
def test_what_a_target_cannot_hold(url, words):
    """What has no meaning for TCP is refused, with what is allowed."""
    with pytest.raises(ValueError, match=f"^{words}$"):
        Tcp.from_url(url, {})


def test_name_and_policy():
    """A target is named without its options, and says how long a look takes at the least."""
    probe = parse_target("tcp://[::1]:5/#send=a,expect=b,hold=1s").probe
    assert probe.name == "tcp://[::1]:5"
    assert probe.shortest_look == 1.0
    assert Policy.merge({}, {}, Tcp.PERIOD).period == 0.05

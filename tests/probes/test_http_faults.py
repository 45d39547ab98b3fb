"""Servers that misbehave: each has its cause and its words, none costs more than its attempt."""

import asyncio
import errno
import gc
import gzip
import socket
import struct
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.http import OK, HttpServer, attempt, look_at
from support.servers import TcpServer, drip, hang_up, respond, stay_silent

from waitfor.result import Cause, Look, Result
from waitfor.target import parse_target


def reset(sock):
    """End with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_at_once(sock):
    """Read a little and reset."""
    sock.recv(1)
    reset(sock)


def reset_in_the_middle(sock):
    """Send most of an answer and reset."""
    respond(OK[:-3])(sock)
    # Until it has been read, which empties the buffer that a reset would discard.
    time.sleep(0.05)
    reset(sock)


def greet(sock):
    """Say what another protocol says first."""
    sock.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")
    stay_silent(sock)


def hang_up_politely(sock):
    """Read the request, then close."""
    sock.recv(65536)


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = HEAD + b"Content-Encoding: gzip\r\n\r\n"
CLOSED = (Cause.CLOSED, "{at} closed the connection in the middle of its answer")
NO_HTTP = (Cause.PROTOCOL, "{at} answers, but not in HTTP")
NO_PROPER_HTTP = (Cause.PROTOCOL, "the answer of {at} is not proper HTTP")
NO_GZIP = (Cause.PROTOCOL, "the body from {at} is broken gzip")
UNFINISHED = (
    Cause.RESPONSE_TIMEOUT,
    "{at} began an answer but did not finish its header within 0.3s",
)
LENGTHS = b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
FAULTS = {
    "closed": (
        hang_up_politely,
        (Cause.CLOSED, "{at} closed the connection without an answer"),
    ),
    "reset": (reset_at_once, (Cause.RESET, "connection reset by {at}")),
    "reset in the middle": (reset_in_the_middle, (Cause.RESET, "connection reset by {at}")),
    "silent": (
        stay_silent,
        (Cause.RESPONSE_TIMEOUT, "{at} accepts but does not answer within 0.3s"),
    ),
    "a greeting": (greet, NO_HTTP),
    "an alert of TLS": (respond(b"\x15\x03\x03\0\2\2\x0a"), NO_HTTP),
    "no status": (respond(b"HTTP/1.1 abc\r\n\r\n"), NO_PROPER_HTTP),
    "endless header": (respond(HEAD + b"X: " + b"x" * 300_000), NO_PROPER_HTTP),
    "endless headers": (respond(HEAD + b"X: x\r\n" * 50_000), NO_PROPER_HTTP),
    "bad chunk": (respond(CHUNKED + b"xyz\r\n"), NO_PROPER_HTTP),
    "two lengths": (respond(HEAD + LENGTHS + b"ab"), NO_PROPER_HTTP),
    "cut header": (respond(HEAD), CLOSED),
    "cut body": (respond(OK[:-1]), CLOSED),
    "cut chunk": (respond(CHUNKED + b"5\r\nab"), CLOSED),
    "no gzip": (respond(PACKED + b"all fine"), NO_GZIP),
    "cut gzip": (respond(PACKED + gzip.compress(b"all fine")[:-9]), NO_GZIP),
    "dripping header": (drip(HEAD, 0.02), UNFINISHED),
    "unending interim answers": (drip(INTERIM * 9, 0.01), UNFINISHED),
}


@pytest.mark.parametrize(("talk", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault(talk, expected):
    """A fault of the server has its own cause, and words that name the server."""
    cause, words = expected
    with TcpServer(talk) as server:
        at = f"127.0.0.1:{server.port}"
        result = look_at(f"http://{at}/", within=0.3 if cause is Cause.RESPONSE_TIMEOUT else 10)
    assert (result.cause, result.detail) == (cause, words.format(at=at))
    assert result.facts["address"] == at


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"\r\nall fine",
        CHUNKED + b"3\r\nall\r\n5\r\n fine\r\n0\r\n\r\n",
        CHUNKED + b"8;x=y\r\nall fine\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nall fine",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        OK + b"and more",
    ],
    ids=["until closed", "chunked", "extensions and trailers", "1.0", "interim", "too much"],
)
def test_forms_of_an_answer(answer):
    """Every form that an answer may have is read to its end."""
    with TcpServer(respond(answer)) as server:
        assert look_at(f"http://127.0.0.1:{server.port}/#matches=^all fine").ready


def test_answer_and_reset():
    """An answer that was complete counts, also if a reset follows it at once."""

    def talk(sock):
        respond(OK)(sock)
        time.sleep(0.05)
        reset(sock)

    with TcpServer(talk) as server:
        assert look_at(f"http://127.0.0.1:{server.port}/#contains=fine").ready


def test_body_that_does_not_end():
    """A body that drips on is cut with its attempt, and the good status is said."""

    def talk(sock):
        respond(OK[:-8])(sock)
        drip(OK, 0.05)(sock)

    with TcpServer(talk) as server:
        at = f"127.0.0.1:{server.port}"
        result = look_at(f"http://{at}/", within=0.3)
        assert look_at(f"http://{at}/#status=404", within=5).cause is Cause.STATUS
    assert result.cause is Cause.RESPONSE_TIMEOUT
    assert result.detail == f"status 200 OK from {at}, but its body does not end within 0.3s"


def pour(head, chunk):
    """A talk that sends on and on until the peer leaves."""

    def talk(sock):
        respond(head)(sock)
        while True:
            sock.sendall(chunk)

    return talk


def squeezed(times):
    """So many MiB of zeros, once and twice compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    once = b"".join(packer.compress(bytes(1 << 20)) for _ in range(times)) + packer.flush()
    return once, gzip.compress(once)


@pytest.mark.parametrize("kind", ["plain", "gzip", "twice"])
def test_memory_is_bounded(kind):
    """A body without end, or one made to burst when decompressed, costs a few MiB at most."""
    once, twice = squeezed(64)
    coding = (
        b"Content-Encoding: gzip, gzip\r\n" if kind == "twice" else b"Content-Encoding: gzip\r\n"
    )
    talks = {
        "plain": pour(HEAD + b"\r\n", b"x" * 65536),
        "gzip": respond(HEAD + coding + b"\r\n" + once),
        "twice": respond(HEAD + coding + b"\r\n" + twice),
    }
    look_at("http://127.0.0.1:1/")
    with TcpServer(talks[kind]) as server:
        tracemalloc.start()
        try:
            result = look_at(f"http://127.0.0.1:{server.port}/#contains=absent")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert result.cause is Cause.BODY
    assert peak < 8 * 1024 * 1024


def test_looks_leave_no_memory():
    """Hundreds of looks take no more memory than a few."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()

    async def many(target, count):
        probe, look = parse_target(target).probe, Look()
        for _ in range(count):
            assert (await probe.attempt(look)).ready
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    async def main():
        # In this thread, since tools that watch threads keep something of each.
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await many(target, 50)
            tracemalloc.start()
            try:
                return await many(target, 50), await many(target, 200)
            finally:
                tracemalloc.stop()

    few, more = asyncio.run(main())
    assert more - few < 100_000


def test_fresh_connection_and_look_up(monkeypatch):
    """Each look asks for the name anew and connects anew, though the server would keep it open."""
    asked = []
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        asked.append(host)
        return real(host, *arguments, **options)

    def talk(sock):
        respond(OK)(sock)
        stay_silent(sock)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def main():
        return [await attempt(f"http://localhost:{server.port}/") for _ in range(3)]

    with TcpServer(talk) as server:
        assert all(result.ready for result in asyncio.run(main()))
        assert server.accepted == 3
    assert asked == [b"localhost"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("tls", [False, True])
def test_cancelled_anywhere(tls):
    """A look cancelled at any step of it leaves no socket, no task and no complaint."""
    from support.tls import server_context

    complaints = []

    def sockets():
        links = Path("/proc/self/fd")
        found = []
        for link in links.iterdir():
            try:
                found.append(str(link.readlink()))
            except OSError:
                continue
        return sum(name.startswith("socket:") for name in found)

    async def main(target):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        for steps in range(60):
            task = asyncio.ensure_future(attempt(target))
            for _ in range(steps):
                await asyncio.sleep(0.0003 if steps % 2 else 0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            del task
            await asyncio.sleep(0.001)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    context = server_context() if tls else None
    before = sockets()
    with HttpServer(tls=context) as server:
        scheme, options = ("https", "#insecure=true") if tls else ("http", "")
        asyncio.run(main(f"{scheme}://{server.at}/{options}"))
        end = time.monotonic() + 5
        # The server's own sockets close in threads.
        while sockets() > before + 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert sockets() <= before + 1
    gc.collect()
    assert not complaints


HEADERS = st.tuples(
    st.sampled_from(
        [
            b"Location",
            b"Retry-After",
            b"Date",
            b"Content-Length",
            b"Transfer-Encoding",
            b"Content-Encoding",
            b"Set-Cookie",
            b"Connection",
            b"Content-Type",
            b"Upgrade",
            b"X",
        ]
    ),
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [
                b"http://127.0.0.1:1/",
                b"https://127.0.0.1:1",
                b"//[",
                b"http://xn--a/",
                b"http://\xff/",
                b"mailto:",
                b"http://:0/",
                b"http://127.0.0.1:99999/",
                b"chunked",
                b"gzip",
                b"deflate",
                b"5",
                b"close",
                b"Mon, 01 Jan 99999999999999 00:00:00 GMT",
                b"Mon, 01 Jan 2024 00:00:00 +9999",
            ]
        ),
        st.text(max_size=20).map(lambda text: f"http://{text}".encode()),
    ),
)
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 " + tail),
    st.tuples(
        st.sampled_from([101, 103, 200, 204, 206, 301, 302, 303, 304, 307, 308, 404, 503, 600]),
        st.lists(HEADERS, max_size=5),
        st.binary(max_size=50),
    ).map(
        lambda made: (
            b"HTTP/1.1 %d x\r\n" % made[0]
            + b"".join(name + b": " + value + b"\r\n" for name, value in made[1])
            + b"\r\n"
            + made[2]
        )
    ),
)


def test_any_answer():
    """Whatever octets a server sends, a look ends with a result of one printable line."""
    sent = [b""]

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ANSWERS)
    def check(answer):
        sent[0] = answer
        result = look_at(
            f"http://127.0.0.1:{server.port}/#status=1xx,status=2xx,contains=x,redirects=3", 5
        )
        assert isinstance(result, Result)
        assert result.detail
        assert result.detail.isprintable()

    def talk(sock):
        respond(sent[0])(sock)

    with TcpServer(talk) as server:
        check()


@pytest.mark.parametrize("talk", [stay_silent, drip(OK, 1.0)], ids=["silent", "dripping"])
def test_deadline(waitfor, talk):
    """A deadline of 1 s ends within 1.0 to 1.2 s if a server is silent or drips."""
    with TcpServer(respond(OK)) as server:
        start_up = waitfor(f"http://127.0.0.1:{server.port}/").seconds
    with TcpServer(talk) as server:
        run = waitfor("-t", "1s", f"http://127.0.0.1:{server.port}/")
    assert run.code == 124
    assert run.seconds >= 1.0
    assert run.seconds - start_up <= 1.2
    answer = "accepts but does not answer" if talk is stay_silent else "began an answer but did not"
    assert f"127.0.0.1:{server.port} {answer}" in run.err


def test_hung_up_at_once():
    """A server that closes before it reads is said to close or to reset, nothing else."""
    with TcpServer(hang_up) as server:
        for _ in range(50):
            assert look_at(f"http://127.0.0.1:{server.port}/").cause in (Cause.CLOSED, Cause.RESET)


def test_body_that_is_not_read():
    """A server that hangs up on a large body is said to, or its answer counts."""
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    with TcpServer(respond(answer)) as server:
        target = f"http://127.0.0.1:{server.port}/#method=POST,body={'x' * 8_000_000}"
        assert look_at(target).cause in (Cause.STATUS, Cause.RESET)


def test_reset_before_it_could_be_used(monkeypatch):
    """What macOS says of a connection that was reset meanwhile is a reset."""

    async def refuse(**_):
        raise OSError(errno.EINVAL, "Invalid argument")

    with TcpServer(respond(OK)) as server:
        monkeypatch.setattr(asyncio, "open_connection", refuse)
        result = look_at(f"http://127.0.0.1:{server.port}/")
    assert result.cause is Cause.RESET
    assert result.detail == f"connection reset by 127.0.0.1:{server.port}"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_members_of_gzip(coding):
    """A body of several members is one body (RFC 1952, section 2.2), under gzip's old name too."""
    body = gzip.compress(b"first ") + gzip.compress(b"second")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    with HttpServer(head.encode() + body) as server:
        assert look_at(f"http://{server.at}/#contains=first second").ready

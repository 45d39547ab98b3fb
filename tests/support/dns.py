"""DNS servers for tests: a scripted one, real dnsmasq and unbound."""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from dnslib import QTYPE, RR, DNSHeader, DNSRecord

from support.servers import free_port
from waitfor.result import Look, Result
from waitfor.target import parse_target

Reply = Callable[[DNSRecord, bool], list[bytes]]
"""From a question, and whether it came over TCP, to the messages to send."""

SOA = "SOA ns.test. hostmaster.test. 1 3600 600 86400 30"
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}


def _rr(question: DNSRecord, line: str) -> list[RR]:
    first, rest = line.split(" ", 1)
    name, rest = (question.q.qname, line) if first in QTYPE.reverse else (first, rest)
    return list(RR.fromZone(f"{name} 60 IN {rest}"))


def answer(*lines: str, rcode: str = "NOERROR", authority: str = "", ttl: int = 60) -> Reply:
    """Records in zone file form; without a name in front they belong to the name asked for."""

    def reply(question: DNSRecord, _: bool) -> list[bytes]:
        message = question.reply()
        message.header.rcode = RCODES[rcode]
        for line in lines:
            message.add_answer(*_rr(question, line))
        for record in _rr(question, f"test. {authority}") if authority else ():
            record.ttl = ttl
            message.add_auth(record)
        return [message.pack()]

    return reply


def nodata() -> Reply:
    """The name exists, without such records (RFC 2308, section 2.2)."""
    return answer(authority=SOA)


def nxdomain() -> Reply:
    """No such name (RFC 2308, section 2.1)."""
    return answer(rcode="NXDOMAIN", authority=SOA)


def fails(rcode: str) -> Reply:
    """A response code and nothing else."""
    return answer(rcode=rcode)


def silent(_: DNSRecord, __: bool) -> list[bytes]:
    """Say nothing."""
    return []


def truncated(whole: Reply) -> Reply:
    """Over UDP only the start of an answer, with TC; all of it over TCP."""

    def reply(question: DNSRecord, tcp: bool) -> list[bytes]:
        messages = whole(question, tcp)
        if tcp:
            return messages
        return [octets[:2] + bytes([octets[2] | 2]) + octets[3:] for octets in messages]

    return reply


def hang_up_over_tcp(question: DNSRecord, tcp: bool) -> list[bytes]:
    """Cut the answer over UDP, and close the connection over TCP."""
    if tcp:
        raise ConnectionResetError
    return truncated(answer())(question, tcp)


def raw(*messages: Callable[[DNSRecord], bytes], then: Reply = silent) -> Reply:
    """Octets of any kind first, then a proper reply."""

    def reply(question: DNSRecord, tcp: bool) -> list[bytes]:
        return [message(question) for message in messages] + then(question, tcp)

    return reply


def in_turn(*replies: Reply) -> Reply:
    """One reply after the other; the last one for ever."""
    turns = itertools.chain(replies, itertools.repeat(replies[-1]))

    def reply(question: DNSRecord, tcp: bool) -> list[bytes]:
        return next(turns)(question, tcp)

    return reply


def look_at(target: str, seconds: float = 5.0) -> Result:
    """One look at a target, bounded as the runner bounds it."""

    async def bounded() -> Result:
        look = Look()
        try:
            async with asyncio.timeout(seconds):
                return await parse_target(target).probe.attempt(look)
        except TimeoutError:
            return look.cut_short(f"{seconds:g}s")

    return asyncio.run(bounded())


class Query(NamedTuple):
    """A question that came in."""

    name: str
    type: str
    tcp: bool
    record: DNSRecord


class DnsServer:
    """Answers by a script, over UDP and TCP on one port; remembers what it was asked.

    Args:
        script: by ``"name type"``, or ``"name"`` for all types; names without a dot at the end.
        otherwise: for all other questions.
        tcp: whether TCP is served.
    """

    def __init__(
        self,
        script: Mapping[str, Reply] | None = None,
        *,
        otherwise: Reply | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tcp: bool = True,
    ) -> None:
        self.script = {name.lower(): reply for name, reply in (script or {}).items()}
        self.otherwise = otherwise or nxdomain()
        self.host = host
        self.queries: list[Query] = []
        self._tcp = tcp
        self._udp, self._listener = self._bind(port)
        self.port: int = self._udp.getsockname()[1]
        self._end, self._ended = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _bind(self, port: int) -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for _ in range(20):
            udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                udp.bind((self.host, port))
                tcp.bind((self.host, udp.getsockname()[1]))
            except OSError:
                # The port that UDP was given is taken for TCP.
                udp.close()
                tcp.close()
                continue
            return udp, tcp
        raise OSError(f"no port free for both UDP and TCP at {self.host}")

    @property
    def where(self) -> str:
        """As waitfor names it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, name: str, options: str = "") -> str:
        """The target for a name, asked of this server."""
        return f"dns://{self.where}/{name}" + (f"#{options}" if options else "")

    def asked(self) -> list[str]:
        """The questions so far, as ``name type``."""
        return [f"{query.name} {query.type}" for query in self.queries]

    def __enter__(self) -> Self:
        if self._tcp:
            self._listener.listen(64)
        else:
            self._listener.close()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._end.send(b".")
        self._thread.join()
        for sock in (self._udp, self._listener, self._end, self._ended):
            sock.close()

    def _reply(self, octets: bytes, tcp: bool) -> list[bytes]:
        question = DNSRecord.parse(octets)
        name = str(question.q.qname).removesuffix(".")
        kind = QTYPE.get(question.q.qtype)
        self.queries.append(Query(name, kind, tcp, question))
        script, key = self.script, name.lower()
        reply = script.get(f"{key} {kind}".lower()) or script.get(key) or self.otherwise
        return reply(question, tcp)

    def _serve(self) -> None:
        waiting = [self._ended, self._udp, *([self._listener] if self._tcp else [])]
        while self._ended not in (ready := select.select(waiting, [], [])[0]):
            if self._udp in ready:
                octets, client = self._udp.recvfrom(4096)
                for message in self._reply(octets, False):
                    self._udp.sendto(message, client)
            if self._listener in ready:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                (size,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                messages = self._reply(connection.recv(size, socket.MSG_WAITALL), True)
                for message in messages:
                    connection.sendall(struct.pack("!H", len(message)) + message)
                # Silence is not the same as hanging up.
                while not messages and connection.recv(64):
                    pass
            except (OSError, struct.error):
                return


@contextmanager
def _program(argv: list[str], port: int, log: Path) -> Iterator[int]:
    """A DNS server's port, from when it answers until the block ends."""
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            _until_answering(process, port, log)
            yield port
        finally:
            process.kill()


def _until_answering(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    question = DNSRecord(DNSHeader(id=1, rd=1))
    question.add_question(DNSRecord.question("ready.invalid").q)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.02)
        sock.connect(("127.0.0.1", port))
        until = time.monotonic() + 10
        while time.monotonic() < until and process.poll() is None:
            try:
                sock.send(question.pack())
                sock.recv(4096)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(0.01)
                continue
            return
    raise AssertionError(f"{process.args!r} does not answer: {log.read_text()}")


def _find(program: str) -> str:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, f"{program} is missing: mark the test with needs({program!r})"
    return path


@contextmanager
def dnsmasq(folder: Path, *options: str) -> Iterator[int]:
    """A dnsmasq with these options and no others; its port on 127.0.0.1."""
    port = free_port()
    argv = [
        _find("dnsmasq"),
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        f"--port={port}",
        f"--pid-file={folder / 'dnsmasq.pid'}",
        "--log-facility=-",
        *(["--user=root"] if os.geteuid() == 0 else []),
        *options,
    ]
    with _program(argv, port, folder / f"dnsmasq-{port}.log") as port:
        yield port


@contextmanager
def unbound(folder: Path, server: str, rest: str = "") -> Iterator[int]:
    """An unbound with these lines in its server clause and after it; its port on 127.0.0.1."""
    port = free_port()
    config = folder / f"unbound-{port}.conf"
    config.write_text(
        f"""
server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  do-not-query-localhost: no
  num-threads: 1
{server}
remote-control:
  control-enable: no
{rest}
"""
    )
    argv = [_find("unbound"), "-d", "-c", str(config)]
    with _program(argv, port, folder / f"unbound-{port}.log") as port:
        yield port

"""``tcp://HOST:PORT``: a connection is accepted, and closed at once."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from waitfor.options import option
from waitfor.probes import Probe, Url
from waitfor.probes._connect import Failed, connect, peer
from waitfor.result import Cause, Look, Result
from waitfor.values import format_duration, host_port, positive_duration, split_host_port, text

_MOST = 64 * 1024
"""Octets of an answer that are searched for ``expect``."""


@dataclass(frozen=True)
class Tcp(Probe):
    """A TCP connection is accepted.

    The name is looked up as an application would, /etc/hosts included; all its addresses are
    tried side by side within one attempt (Happy Eyeballs, RFC 8305), and one that accepts is
    enough.  The connection is closed at once, unless `send`, `expect` or `hold` ask for more:
    a sidecar proxy or docker's port forwarding accepts connections for a server that is down.
    """

    FORM: ClassVar[str] = "tcp://HOST:PORT, HOST:PORT"
    READY_WHEN: ClassVar[str] = "a connection is accepted"
    PERIOD: ClassVar[float] = 0.05
    EXAMPLES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("tcp://mydb:5432", "a connection to mydb is accepted"),
        ("mydb:5432", "the same, shorter"),
        ("tcp://[::1]:5432", "an IPv6 address, in brackets"),
        ("tcp://cache:6379#send=PING%0D%0A,expect=PONG", "the server answers"),
        ("tcp://mydb:5432#hold=500ms", "the connection is not dropped for half a second"),
    )

    host: str
    port: int
    send: str = option(text, "", "Text to send once connected.", "TEXT", secret=True)
    expect: str = option(
        text, "", "Text that must come back, in the first 64 KiB.", "TEXT", secret=True
    )
    hold: float = option(
        positive_duration,
        0.0,
        "How long the connection must stay open, at the end.",
        "DURATION",
        show=format_duration,
        default_help="closed at once",
    )

    @classmethod
    def from_url(cls, url: Url, options: dict[str, Any]) -> Self:
        """The probe for ``tcp://HOST:PORT``."""
        if "@" in url.authority:
            raise ValueError("tcp:// takes no user name or password")
        if url.path not in ("", "/") or url.query is not None:
            raise ValueError("tcp:// takes no path and no query: options follow '#'")
        host, port = split_host_port(url.authority)
        if port is None:
            raise ValueError("the port is missing: write tcp://HOST:PORT")
        return cls(host, port, **options)

    @property
    def name(self) -> str:
        """``tcp://HOST:PORT``."""
        return f"tcp://{host_port(self.host, self.port)}"

    @property
    def shortest_look(self) -> float:
        """``hold``."""
        return self.hold

    async def attempt(self, look: Look) -> Result:
        """Connect once, and talk or hold if asked to."""
        try:
            sock = await connect(self.host, self.port, look)
            where = peer(sock)
        except Failed as failure:
            return failure.result
        facts = {"address": where}
        if not (self.send or self.expect or self.hold):
            sock.close()
            return Result(Cause.READY, f"connected to {where}", facts)
        try:
            return await self._converse(sock, where, look)
        except EOFError:
            return Result(Cause.CLOSED, f"{where} closed the connection", facts)
        except OSError:
            return Result(Cause.RESET, f"connection reset by {where}", facts)

    async def _converse(self, sock: socket.socket, where: str, look: Look) -> Result:
        facts = {"address": where}
        with sock:
            reader, writer = await asyncio.open_connection(sock=sock)
            try:
                writer.write(self.send.encode())
                await writer.drain()
                if self.expect and not await self._answered(reader, where, look):
                    return Result(Cause.BODY, f"{where} answered, not as expected", facts)
                if self.hold:
                    return await self._held(reader, where, look)
                return Result(Cause.READY, f"connected to {where}", facts)
            finally:
                writer.transport.abort()

    async def _answered(self, reader: asyncio.StreamReader, where: str, look: Look) -> bool:
        expected, answer = self.expect.encode(), b""
        look.at(Cause.RESPONSE_TIMEOUT, f"{where} accepts but does not answer", {"address": where})
        while expected not in answer:
            if len(answer) >= _MOST:
                return False
            chunk = await reader.read(_MOST)
            if not chunk and answer:
                return False
            if not chunk:
                raise EOFError
            answer += chunk
            look.at(Cause.BODY, f"{where} answers, not as expected", {"address": where})
        return True

    async def _held(self, reader: asyncio.StreamReader, where: str, look: Look) -> Result:
        facts, held = {"address": where}, format_duration(self.hold)
        look.at(Cause.RESPONSE_TIMEOUT, f"connected to {where}, hold {held} not over", facts)
        try:
            async with asyncio.timeout(self.hold) as bound:
                while await reader.read(_MOST):
                    pass
        except TimeoutError:
            if not bound.expired():
                raise
            return Result(Cause.READY, f"connected to {where}, open for {held}", facts)
        raise EOFError


PROBE = Tcp

"""One DNS question to one nameserver, as octets: UDP first, TCP when the answer is cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
RESEND = 1.0
"""Seconds after which a silent server is asked again: UDP loses packets."""


class Truncated(Exception):
    """The answer did not fit into a datagram (RFC 1035, section 4.1.1: TC)."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.arrived.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.arrived.put_nowait(exc)


async def ask(server: tuple[str, int], question: bytes, read: Callable[[bytes], T | None]) -> T:
    """The answer of a server; waits for it without end.

    Args:
        server: address and port.
        question: the message to send.
        read: octets to answer, or None for octets that answer something else; raises Truncated.

    Raises:
        OSError: the server cannot be reached; connection refused means that none listens.
        EOFError: the server closed the TCP connection without an answer.
    """
    try:
        return await _ask_udp(server, question, read)
    except Truncated:
        return await _ask_tcp(server, question, read)


async def _ask_udp(
    server: tuple[str, int], question: bytes, read: Callable[[bytes], T | None]
) -> T:
    # Connected, so that a refusal (ICMP port unreachable) is heard and strangers are not.
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        _Datagrams, remote_addr=server
    )
    try:
        while True:
            transport.sendto(question)
            try:
                async with asyncio.timeout(RESEND):
                    while True:
                        arrived = await protocol.arrived.get()
                        if isinstance(arrived, Exception):
                            raise arrived
                        if (answer := read(arrived)) is not None:
                            return answer
            except TimeoutError:
                continue
    finally:
        transport.abort()


async def _ask_tcp(
    server: tuple[str, int], question: bytes, read: Callable[[bytes], T | None]
) -> T:
    reader, writer = await asyncio.open_connection(*server, flags=socket.AI_NUMERICHOST)
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            if (answer := read(await reader.readexactly(size))) is not None:
                return answer
    finally:
        writer.transport.abort()

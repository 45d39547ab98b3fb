"""One DNS question to one nameserver, as octets: UDP first, TCP when the answer is cut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
RESEND = 1.0
"""Seconds after which a silent server is asked again: UDP loses packets."""


class Truncated(Exception):
    """The answer did not fit into a datagram (RFC 1035, section 4.1.1: TC)."""


class NoTcp(Exception):
    """The answer did not fit into a datagram, and the server does not give it over TCP."""


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
        NoTcp: the answer wants TCP, and that fails.
    """
    try:
        return await _ask_udp(server, question, read)
    except Truncated:
        pass
    try:
        return await _ask_tcp(server, question, read)
    except (OSError, EOFError, Truncated) as error:
        raise NoTcp from error


def _socket(server: tuple[str, int], kind: socket.SocketKind) -> tuple[socket.socket, Any]:
    """A socket and the address to connect it to; asyncio would look up one with a zone in DNS."""
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    found = socket.getaddrinfo(server[0].encode(), server[1], type=kind, flags=numeric)
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    return sock, address


async def _ask_udp(
    server: tuple[str, int], question: bytes, read: Callable[[bytes], T | None]
) -> T:
    # Connected, so that a refusal (ICMP port unreachable) is heard and strangers are not.
    sock, address = _socket(server, socket.SOCK_DGRAM)
    try:
        sock.connect(address)
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            _Datagrams, sock=sock
        )
    except BaseException:
        sock.close()
        raise
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
    sock, address = _socket(server, socket.SOCK_STREAM)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
        reader, writer = await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
    try:
        writer.write(len(question).to_bytes(2, "big") + question)
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            if (answer := read(await reader.readexactly(size))) is not None:
                return answer
    finally:
        writer.transport.abort()

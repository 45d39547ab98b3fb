"""The command inside this process: as fast as a call, for tables of many cases."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import pytest

from waitfor import cli


@dataclass(frozen=True)
class Told:
    """What a call of the command left."""

    code: int
    out: str
    err: str


class Inside:
    """Calls the command in this process, with variables of its own."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: str, env: dict[str, str] | None = None) -> Told:
        """Call it; it must not become a COMMAND."""
        self._capfd.readouterr()
        handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            with mock.patch.dict(os.environ, env or {}):
                code = cli.run(list(arguments))
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = self._capfd.readouterr()
        return Told(code, out, err)


@contextmanager
def nothing_arrives() -> Iterator[list[str]]:
    """Good targets, a TCP and a DNS one, to which nothing may be sent."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        yield [
            f"tcp://127.0.0.1:{tcp.getsockname()[1]}",
            f"dns://127.0.0.1:{udp.getsockname()[1]}/mydb.",
        ]
        for sock, receive in ((tcp, tcp.accept), (udp, lambda: udp.recv(512))):
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                receive()

"""Servers for tests: real sockets on loopback, port 0, ended with their ``with`` block."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

Talk = Callable[[socket.socket], None]


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nothing listens now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def hang_up(sock: socket.socket) -> None:
    """Accept and close."""


def stay_silent(sock: socket.socket) -> None:
    """Accept, and say nothing until the peer leaves."""
    while sock.recv(4096):
        pass


def respond(content: bytes) -> Talk:
    """Answer each HTTP request with ready-made octets, then close."""

    def talk(sock: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = sock.recv(4096)
            if not chunk:
                return
            request += chunk
        sock.sendall(content)

    return talk


def drip(content: bytes, seconds: float = 1.0) -> Talk:
    """Send one octet each so many seconds, until the peer leaves."""

    def talk(sock: socket.socket) -> None:
        for octet in content:
            sock.sendall(bytes([octet]))
            time.sleep(seconds)

    return talk


class TcpServer:
    """Accepts connections and has ``talk`` deal with each in a thread of its own.

    Args:
        talk: what to do with a connection; it is closed afterwards.
        after: seconds until the server listens.
        tls: speak TLS first.
    """

    def __init__(
        self,
        talk: Talk = hang_up,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        after: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._talk, self._after, self._tls = talk, after, tls
        self.host = host
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        self.accepted = 0

    def __enter__(self) -> Self:
        if not self._after:
            self._listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _listen(self) -> None:
        self._socket.listen(2048)

    def _serve(self) -> None:
        if self._after:
            time.sleep(self._after)
            self._listen()
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection)
        except OSError:
            return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        # Wakes the thread in accept(), which close() alone does not.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

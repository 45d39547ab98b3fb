"""What is waited for: ports, a health endpoint and a name, on loopback, open when told to."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

NAME = "mydb.benchmark.test."
"""With a dot at the end, so that the search list of this machine plays no part."""
NXDOMAIN = 3


class Ports:
    """Some TCP ports, bound at once so that nobody else gets them, closed until :meth:`open`."""

    def __init__(self, number: int = 1) -> None:
        self._sockets = []
        for _ in range(number):
            sock = socket.socket()
            sock.bind(("127.0.0.1", 0))
            self._sockets.append(sock)
        self.numbers = [sock.getsockname()[1] for sock in self._sockets]
        self.opened = 0.0
        self._closed = False

    def open(self) -> None:
        """Listen from now on; each connection is accepted and closed."""
        for sock in self._sockets:
            sock.listen(128)
        self.opened = time.monotonic()
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in self._sockets:
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ)
            while not self._closed:
                for key, _ in selector.select(0.1):
                    try:
                        key.fileobj.accept()[0].close()  # type: ignore[union-attr]
                    except OSError:
                        continue
        for sock in self._sockets:
            sock.close()

    def close(self) -> None:
        """Refuse connections again, soon."""
        self._closed = True
        if not self.opened:
            for sock in self._sockets:
                sock.close()


class NameServer:
    """A DNS server for A records over UDP that denies every name until :meth:`open`."""

    def __init__(self) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.numbers = [self._socket.getsockname()[1]]
        self.opened = 0.0
        self._closed = False
        Thread(target=self._answer, daemon=True).start()

    def open(self) -> None:
        """Answer with 127.0.0.1 from now on."""
        self.opened = time.monotonic()

    def _answer(self) -> None:
        self._socket.settimeout(0.1)
        while not self._closed:
            try:
                query, client = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            self._socket.sendto(self._reply(query), client)
        self._socket.close()

    def _reply(self, query: bytes) -> bytes:
        # RFC 1035, section 4.1: a header of 12 octets, then the name, its type and its class.
        end = query.index(0, 12) + 5
        is_a = query[end - 4 : end - 2] == b"\0\x01"
        answer = (
            b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04\x7f\0\0\x01" if self.opened and is_a else b""
        )
        code = 0 if self.opened else NXDOMAIN
        counts = bytes([0, 1, 0, bool(answer), 0, 0, 0, 0])
        return query[:2] + bytes([0x81, 0x80 | code]) + counts + query[12:end] + answer

    def close(self) -> None:
        """Answer no more, soon."""
        self._closed = True


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Ready(NamedTuple):
    """Targets that are ready: two ports' numbers and a URL."""

    tcp: int
    http: str
    dns: int


@contextmanager
def ready_targets() -> Iterator[Ready]:
    """A port that is open, an endpoint that answers 200, and a server that knows :data:`NAME`."""
    port, names = Ports(), NameServer()
    web = ThreadingHTTPServer(("127.0.0.1", 0), _Healthy)
    Thread(target=web.serve_forever, daemon=True).start()
    port.open()
    names.open()
    url = f"http://127.0.0.1:{web.server_address[1]}/healthz"
    try:
        yield Ready(port.numbers[0], url, names.numbers[0])
    finally:
        web.shutdown()
        web.server_close()
        port.close()
        names.close()

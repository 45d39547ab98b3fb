"""HTTP for tests: one look as the runner makes it, servers that remember, a proxy, nginx."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.servers import TcpServer
from waitfor.result import Look, Result
from waitfor.target import parse_target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall fine"


async def attempt(target: str, within: float = 10.0) -> Result:
    """One look, bounded as the runner bounds it."""
    look = Look()
    try:
        async with asyncio.timeout(within):
            return await parse_target(target).probe.attempt(look)
    except TimeoutError:
        return look.cut_short(f"{within:g}s")


def look_at(target: str, within: float = 10.0) -> Result:
    """One look in a loop of its own, which must leave nothing behind."""
    complaints: list[dict[str, Any]] = []

    async def main() -> Result:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        result = await attempt(target, within)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    result = asyncio.run(main())
    assert not complaints
    return result


class Request(NamedTuple):
    """What a server or proxy was asked."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, joined as RFC 9110 says, or None."""
        values = [value for each, value in self.headers if each.lower() == name.lower()]
        return ", ".join(values) if values else None


def read_request(sock: socket.socket) -> Request | None:
    """The next request on a connection, None when the peer has left."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    method, target, _ = first.split(" ")
    request = Request(method, target, pairs, b"")
    while len(body) < int(request.header("Content-Length") or 0):
        body += sock.recv(65536)
    return request._replace(body=body)


Answer = bytes | Callable[[Request], bytes]


class HttpServer(TcpServer):
    """Remembers each request and gives a ready-made answer, then closes."""

    def __init__(self, answer: Answer = OK, **options: Any) -> None:
        super().__init__(self._answer, **options)
        self._ready_made = answer
        self.requests: list[Request] = []

    def _answer(self, sock: socket.socket) -> None:
        request = read_request(sock)
        if request:
            self.requests.append(request)
            made = self._ready_made
            sock.sendall(made if isinstance(made, bytes) else made(request))

    @property
    def at(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Proxy(TcpServer):
    """A forward proxy that leads every name to one server.

    Args:
        to: the port on loopback behind it.
        refuse: the status line with which it refuses everything.
    """

    def __init__(self, to: int, refuse: bytes = b"", **options: Any) -> None:
        super().__init__(self._serve_one, **options)
        self._to, self._refuse = to, refuse
        self.requests: list[Request] = []

    def _serve_one(self, client: socket.socket) -> None:
        request = read_request(client)
        if not request:
            return
        self.requests.append(request)
        if self._refuse:
            client.sendall(self._refuse + b"\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._to)) as server:
            if request.method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            else:
                server.sendall(f"{request.method} {request.target} HTTP/1.0\r\n\r\n".encode())
            _pump(server, client)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def nginx(program: str, folder: Path, servers: str, port: int) -> Iterator[None]:
    """A real nginx.

    Args:
        program: its path.
        folder: where its files go.
        servers: the inside of its ``http`` block.
        port: one on which it will listen, to see when it does.
    """
    config = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;"
        f"events {{}} http {{ access_log off; {temporary} {servers} }}"
    )
    log = folder / "error.log"
    process = subprocess.Popen(
        [program, "-c", config, "-p", folder, "-e", log], stderr=subprocess.PIPE
    )
    try:
        end = time.monotonic() + 10
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0

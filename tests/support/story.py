"""The main job as a story: a name, a port and a health endpoint that come up one after another."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from support.dns import DnsServer, answer, nodata
from support.servers import Talk, TcpServer, free_port, hang_up, respond

CLUSTER = {
    "LOCALDOMAIN": "default.svc.cluster.local svc.cluster.local cluster.local",
    "RES_OPTIONS": "ndots:5",
}
"""What a pod's resolv.conf says."""
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
NAMES = {
    "mydb.default.svc.cluster.local": nodata(),
    "mydb.default.svc.cluster.local a": answer("A 10.96.7.20"),
}
"""What the nameserver of the story knows once the name is there."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Story:
    """What is waited for, and how a line of it reads with the names that a cluster would have."""

    dns: DnsServer
    servers: ExitStack
    tcp: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)

    @property
    def targets(self) -> list[str]:
        """A name, a port and a health endpoint, in this order."""
        return [
            f"dns://127.0.0.1:{self.dns.port}/mydb",
            f"tcp://127.0.0.1:{self.tcp}",
            f"http://127.0.0.1:{self.http}/healthz",
        ]

    def named(self, text: str) -> str:
        """A text with the names and addresses of a cluster in place of those on loopback."""
        for old, new in (
            ('"host": "127.0.0.1"', '"host": "mydb"'),
            (f"127.0.0.1:{self.dns.port}/", ""),
            (f"127.0.0.1:{self.dns.port}", "10.96.0.10"),
            (f"tcp://127.0.0.1:{self.tcp}", "tcp://mydb:5432"),
            (f"127.0.0.1:{self.tcp}", "10.96.7.20:5432"),
            (f"http://127.0.0.1:{self.http}", "http://api:8080"),
            (f"127.0.0.1:{self.http}", "10.96.7.21:8080"),
        ):
            text = text.replace(old, new)
        return text

    def play(self, process: subprocess.Popen[str], steps: int = 4) -> list[str]:
        """Let each come up once waitfor has said that it is not there; all lines of stderr.

        Args:
            process: waitfor, waiting for the targets.
            steps: how many of these come up: the name, the port, the endpoint, its health.
        """
        healthy = threading.Event()

        def answer(sock: socket.socket) -> None:
            respond(OK if healthy.is_set() else UNAVAILABLE)(sock)

        def serve(port: int, talk: Talk) -> None:
            self.servers.enter_context(TcpServer(talk, port=port))

        todo: list[tuple[str, Callable[[], None]]] = [
            ("NXDOMAIN", lambda: self.dns.script.update(NAMES)),
            (f"refused by 127.0.0.1:{self.tcp}", lambda: serve(self.tcp, hang_up)),
            (f"refused by 127.0.0.1:{self.http}", lambda: serve(self.http, answer)),
            ("status 503", healthy.set),
        ][:steps]
        lines = []
        assert process.stderr
        with process:
            for line in process.stderr:
                lines.append(line.rstrip("\n"))
                if todo and todo[0][0] in line:
                    todo.pop(0)[1]()
        return lines


@contextmanager
def story() -> Iterator[Story]:
    """The servers of the story, none of them up yet."""
    with DnsServer() as dns, ExitStack() as servers:
        yield Story(dns, servers)

"""A network of a test's own: addresses, firewall, hosts and nameservers (Linux, root)."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_CLONE_FS = 0x200  # <linux/sched.h>


class Namespace:
    """A network and a mount namespace, with loopback up and nothing else, gone after ``with``.

    Args:
        addresses: more addresses of this host.
        hosts: the lines of /etc/hosts.
        resolv_conf: the lines of /etc/resolv.conf.
    """

    def __init__(
        self, *, addresses: tuple[str, ...] = (), hosts: str = "", resolv_conf: str = ""
    ) -> None:
        self._addresses = addresses
        self._files = {"hosts": hosts, "resolv.conf": resolv_conf}
        self._ended = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._holder = undo.enter_context(
                subprocess.Popen(
                    ["unshare", "--net", "--mount", "sh", "-c", "echo && exec cat"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            undo.callback(self._holder.kill)
            assert self._holder.stdout
            # It is there when its process speaks.
            self._holder.stdout.readline()
            self.enter = ["nsenter", f"--target={self._holder.pid}", "--net", "--mount", "--"]
            self.run("ip", "link", "set", "lo", "up")
            for address in self._addresses:
                self.run("ip", "address", "add", address, "dev", "lo")
            folder = Path(tempfile.mkdtemp())
            undo.callback(shutil.rmtree, folder)
            for name, lines in self._files.items():
                (folder / name).write_text(lines)
                self.run("mount", "--bind", str(folder / name), f"/etc/{name}")
            self._ended = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._ended.close()

    def run(self, *command: str, given: str = "") -> None:
        """Run a program inside to its end, which must be a good one."""
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        subprocess.run(
            [*self.enter, *command],
            check=True,
            input=given,
            text=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PATH": path},
        )

    def filter_incoming(self, *rules: str) -> None:
        """Treat packets that arrive by rules of nftables: ``ip daddr 10.0.0.1 drop``."""
        lines = "\n".join(("type filter hook input priority 0;", *rules))
        self.run("nft", "-f", "-", given=f"table inet test {{\nchain input {{\n{lines}\n}}\n}}\n")

    def inside(self, do: Callable[[], T]) -> T:
        """Call a function in a thread that has moved inside, with the threads that it starts.

        Sockets made there stay there, so that servers of this process can serve there.
        """
        outcome: dict[str, Any] = {}

        def moved() -> None:
            try:
                self._move_here()
                outcome["result"] = do()
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=moved)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        result: T = outcome["result"]
        return result

    def _move_here(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)

        def succeed(status: int) -> None:
            if status:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

        # setns() moves one thread; a mount namespace only one that shares no root directory.
        succeed(libc.unshare(_CLONE_FS))
        for name in ("net", "mnt"):
            file = os.open(f"/proc/{self._holder.pid}/ns/{name}", os.O_RDONLY)
            try:
                succeed(libc.setns(file, 0))
            finally:
                os.close(file)


@contextmanager
def stuck_nameserver() -> Iterator[Namespace]:
    """A network in which each look-up of a name is stuck for ten seconds and more."""
    settings = "nameserver 127.0.0.1\noptions timeout:10\n"
    with Namespace(resolv_conf=settings) as network:

        def silent() -> socket.socket:
            sock = socket.socket(type=socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 53))
            return sock

        with network.inside(silent):
            yield network

"""An engine of its own: podman in a network namespace and a directory, with stand-in images.

Everything is kept in one directory and one network namespace: images, containers, networks and
addresses of the machine are neither used nor touched.  The Service addresses (10.96.0.0/12) and
the pods' (10.244.0.0/24), as in a cluster made by kubeadm, exist only in there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waitfor import __version__

RELEASE = f"localhost/waitfor:{__version__}"
"""What the examples call the image."""
IMAGE = os.environ.get("WAITFOR_IMAGE", "localhost/waitfor:latest")
CLONE_NEWNET = 0x40000000
TOOLS = ("podman", "buildah", "runc", "busybox", "dnsmasq", "ip", "nsenter")

# runc and cgroupfs: crun and systemd want more of the machine than a CI job has.  Locks in files,
# since those in shared memory are shared with the user's own podman.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
[network]
network_backend = "netavark"
"""
PROGRAMS = {
    # Stands for an application: says that it runs, and leaves when told to.
    "shop": "echo The shop is open; trap exit TERM; sleep 3600 & wait",
    "integration-tests": "echo integration tests pass",
    # Databases and APIs take their time.
    "postgres": "sleep 1; exec nc -ll -p 5432 -e cat",
    "orders": "echo ok >/tmp/healthz; sleep 2; exec httpd -f -p 8080 -h /tmp",
    # As much of socat as the examples use.
    "socat": """port=${1#TCP-LISTEN:}; peer=${2#TCP:}
exec nc -ll -p "${port%%,*}" -e nc "${peer%:*}" "${peer#*:}" """,
}
"""Shell scripts that stand for other people's programs."""


class CannotRun(Exception):
    """Containers cannot be run here; says why in one line."""


class Lab:
    """The network namespace, the engine in it, and its images."""

    def __init__(self) -> None:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        if os.geteuid() != 0:
            raise CannotRun("pods are run as root here")
        if missing := [tool for tool in TOOLS if not shutil.which(tool, path=path)]:
            raise CannotRun(f"pods cannot be run without {', '.join(missing)}: tests/pods/tools")
        self.env = {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
        self.dir = Path(tempfile.mkdtemp(prefix="waitfor-pods-"))
        self.netns = self.dir.name
        conf = self.dir / "containers.conf"
        conf.write_text(CONTAINERS_CONF)
        self.env |= {"CONTAINERS_CONF": str(conf), "TMPDIR": str(self.dir)}
        self.bin = self.dir / "bin"
        self.bin.mkdir()
        try:
            self._network()
            self._images()
        except subprocess.CalledProcessError as error:
            self.close()
            lines = (error.stderr or error.stdout or "").strip().splitlines() or [str(error)]
            raise CannotRun(f"containers cannot be run here: {lines[-1]}") from error
        except BaseException:
            self.close()
            raise

    def run(
        self, *argv: str | Path, check: bool = True, within: float = 60, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the machine to its end."""
        options: dict[str, Any] = {
            "env": self.env,
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
        } | more
        return subprocess.run(argv, check=check, timeout=within, text=True, **options)

    def within(self, *argv: str | Path) -> list[str]:
        """The command that runs another in the lab's network."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *map(str, argv)]

    def podman(
        self, *argv: str | Path, check: bool = True, within: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the lab's own podman to its end."""
        return self.run(self.bin / "podman", *argv, check=check, within=within)

    def build(self, containerfile: Path, context: Path, tag: str) -> None:
        """Build an image with buildah."""
        self.run(self.bin / "buildah", "bud", "--layers=false", "-q", "-t", tag,
                 "-f", containerfile, context)  # fmt: skip

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the lab's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{self.netns}") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(here.fileno(), CLONE_NEWNET)

    def _network(self) -> None:
        self.run("ip", "netns", "add", self.netns)
        ip = ("ip", "-n", self.netns)
        self.run(*ip, "link", "set", "lo", "up")
        self.run(*ip, "route", "add", "local", "10.96.0.0/12", "dev", "lo")
        where: list[str | Path] = ["--root", self.dir / "root", "--runroot", self.dir / "run"]
        flags = ["--tmpdir", self.dir / "tmp", "--network-config-dir", self.dir / "networks"]
        (self.dir / "networks").mkdir()
        for engine, words in (("podman", [*where, *flags]), ("buildah", where)):
            real = shutil.which(engine, path=self.env["PATH"]) or engine
            command = self.within(real, *words, "--storage-driver", "overlay")
            script(self.bin / engine, f'export CONTAINERS_CONF={self.env["CONTAINERS_CONF"]}\n'
                                      f'exec {" ".join(command)} "$@"')  # fmt: skip
        (self.bin / "docker").symlink_to("podman")
        self.podman("network", "create", "--disable-dns", "--subnet=10.244.0.0/24", "cluster")

    def _images(self) -> None:
        self._take(IMAGE)
        self.podman("tag", IMAGE, RELEASE)
        busybox(root := self.dir / "busybox")
        # kube play sets no PATH.
        change = ("--change", "ENV PATH=/usr/local/bin:/bin")
        for tag in ("docker.io/library/busybox:1.28", "docker.io/library/busybox:1.37"):
            self.run("sh", "-c", 'tar -C "$0" -c . | "$@"', root, self.bin / "podman",
                     "import", "-q", *change, "-", tag)  # fmt: skip
        context = self.dir / "context"
        context.mkdir()
        for name, text in PROGRAMS.items():
            script(context / name, text)
        (context / "Containerfile").write_text(
            "FROM docker.io/library/busybox:1.37\n"
            f"COPY --from={RELEASE} /waitfor /usr/local/bin/\n"
            'COPY . /usr/local/bin/\nWORKDIR /usr/local/bin\nCMD ["shop"]\n'
        )
        self.build(context / "Containerfile", context, "localhost/shop:1")
        self.podman("tag", "localhost/shop:1", "localhost/peer:1")
        for program, tag in (
            ("socat", "docker.io/alpine/socat:1.8.0.3"),
            ("postgres", "docker.io/library/postgres:17"),
            ("orders", "localhost/orders:1"),
        ):
            text = f'FROM localhost/shop:1\nENTRYPOINT ["{program}"]\n'
            (context / "Containerfile").write_text(text)
            self.build(context / "Containerfile", context, tag)
        container = self.podman("create", RELEASE).stdout.strip()
        self.podman("cp", f"{container}:/waitfor", self.bin / "waitfor")
        self.podman("rm", container)

    def _take(self, image: str) -> None:
        """Copy an image of the user's, from podman's storage or docker's."""
        archive = self.dir / "image.tar"
        user = {**self.env, "CONTAINERS_CONF": os.environ.get("CONTAINERS_CONF", "/dev/null")}
        for engine in ("podman", "docker"):
            if not shutil.which(engine, path=self.env["PATH"]):
                continue
            save = (engine, "save", *(["-q"] if engine == "podman" else []), "-o", archive, image)
            if self.run(*save, check=False, env=user, within=300).returncode == 0:
                self.podman("load", "-q", "-i", archive, within=300)
                archive.unlink()
                return
            archive.unlink(missing_ok=True)
        raise CannotRun(f"there is no image {image}: make image, or name one in WAITFOR_IMAGE")

    def debian(self) -> None:
        """Make sure of debian:trixie-slim: the one that image/ci-base made, or the registry's."""
        tag = "docker.io/library/debian:trixie-slim"
        if self.podman("image", "exists", tag, check=False).returncode:
            try:
                self._take("localhost/debian:trixie-slim")
                self.podman("tag", "localhost/debian:trixie-slim", tag)
            except CannotRun:
                self.podman("pull", "-q", tag, within=300)

    def remove_all(self) -> None:
        """Remove all pods and containers, of the lab alone."""
        # "rm" removes at once what has ended; to end it first takes it seconds.
        if running := self.podman("ps", "--quiet").stdout.split():
            self.podman("kill", *running, check=False)
            self.podman("wait", "--condition=exited", *running, check=False)
        self.podman("pod", "rm", "-f", "-a", "-t", "0", check=False)
        self.podman("rm", "-f", "-a", "-t", "0", check=False)

    def close(self) -> None:
        """Leave nothing behind."""
        if (self.bin / "podman").exists():
            self.remove_all()
        self.run("umount", self.dir / "root" / "overlay", check=False)
        self.run("ip", "netns", "del", self.netns, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def script(path: Path, text: str) -> None:
    """Write a shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def busybox(root: Path) -> None:
    """A root file system of busybox alone."""
    (root / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", root / "bin" / "busybox")
    names = subprocess.check_output([root / "bin/busybox", "--list"], text=True)
    for name in set(names.split()) - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
    for name in ("etc", "tmp"):
        (root / name).mkdir()

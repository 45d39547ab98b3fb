"""A wiped environment, the command under test, and tools that tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# What comes from where: the word for a test's marker, the program, Debian's package.
TOOLS = {
    "dnsmasq": ("dnsmasq", "dnsmasq-base"),
    "unbound": ("unbound", "unbound"),
    "nginx": ("nginx", "nginx-light"),
    "ip": ("ip", "iproute2"),
    "nft": ("nft", "nftables"),
    "zsh": ("zsh", "zsh"),
    "fish": ("fish", "fish"),
}
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def find_tool(name: str) -> str | None:
    """The path of a program, also of those that only root has on its PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing(needs: tuple[str, ...]) -> list[str]:
    """What of a test's needs is not here, in words."""
    words = []
    for need in needs:
        if need == "root":
            if os.geteuid() != 0 or sys.platform != "linux":
                words.append("root on Linux")
        elif not find_tool(TOOLS[need][0]):
            words.append(f"{TOOLS[need][0]} (Debian's package {TOOLS[need][1]})")
    return words


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "wheel(reason): what only a command in Python can show")
    config.addinivalue_line(
        "markers", "needs(*tools): programs, or root, that a test cannot do without"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what lacks a program, with the reason; in CI that is a failure."""
    if os.environ.get("WAITFOR") and (mark := item.get_closest_marker("wheel")):
        pytest.skip(f"cannot be done with the static file: {mark.args[0]}")
    needs = tuple(need for mark in item.iter_markers("needs") for need in mark.args)
    if words := missing(needs):
        message = f"needs {', '.join(words)}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name not in KEPT and not name.startswith(("PYTEST_", "COV_", "COVERAGE_")):
            monkeypatch.delenv(name)
    # Else the names of the machine's own resolv.conf would be tried.
    monkeypatch.setenv("LOCALDOMAIN", ".")


@dataclass(frozen=True)
class Run:
    """A run of the command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


class Command:
    """The command under test: the one named by ``WAITFOR``, or that of this Python."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.started: list[subprocess.Popen[str]] = []

    def start(
        self, *arguments: str, env: dict[str, str] | None = None, **options: object
    ) -> subprocess.Popen[str]:
        """Start it and return at once; it is killed when the test ends."""
        process = subprocess.Popen(
            [*self.argv, *arguments],
            **{  # type: ignore[call-overload]
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "env": {**os.environ, **(env or {})},
                **options,
            },
        )
        self.started.append(process)
        return process

    def __call__(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        within: float = 30.0,
        **options: object,
    ) -> Run:
        """Run it to its end."""
        began = time.monotonic()
        process = self.start(*arguments, env=env, **options)
        out, err = process.communicate(timeout=within)
        return Run(process.returncode, out or "", err or "", time.monotonic() - began)


@pytest.fixture(scope="session")
def waitfor_argv() -> list[str]:
    """The words that start the command under test."""
    named = os.environ.get("WAITFOR")
    script = Path(sys.executable).with_name("waitfor")
    return [named] if named else [str(script)]


@pytest.fixture
def waitfor(waitfor_argv: list[str]) -> Iterator[Command]:
    """Runs the command under test."""
    command = Command(waitfor_argv)
    yield command
    for process in command.started:
        process.kill()
        # Closes its pipes.
        with process:
            pass

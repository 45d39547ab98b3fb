"""Run commands and take the time: several runs after a warm-up, all commands in turn."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

STARTER = Path(__file__).with_name("starter.py")
LONGEST = 60.0
"""Seconds that a run may take before the benchmark gives up."""
FILES, _MOST_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)
"""How many files a command may open: as usual here, though the benchmark itself opens more."""
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024

L = TypeVar("L")
T = TypeVar("T")


class Sample(NamedTuple):
    """One run of a command.

    Attributes:
        wall: seconds from before the fork until its end was seen.
        cpu: seconds of processor time, its children's included.
        peak: the most memory that it, or one of its children, had at once, in octets.
        ended: when its end was seen, on the clock of ``time.monotonic``.
    """

    wall: float
    cpu: float
    peak: float
    ended: float


def allow_many_files() -> None:
    """Raise the limit of open files for this process alone."""
    wanted = 10_240 if _MOST_FILES == resource.RLIM_INFINITY else min(10_240, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(FILES, wanted), _MOST_FILES))


def run(argv: list[str]) -> Sample:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed, or took longer than :data:`LONGEST`; with what it said.
    """
    program = shutil.which(argv[0])
    if not program:
        raise RuntimeError(f"{argv[0]} is not found")
    starter = [sys.executable, "-I", "-S", str(STARTER), str(FILES), program, *argv[1:]]
    with subprocess.Popen(
        starter,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            figures, said = process.communicate(timeout=LONGEST)
        except BaseException as error:
            # Its session is its own, so no loop in a shell is left behind.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise RuntimeError(f"no end after {LONGEST:g} s: {' '.join(argv)[:200]}") from None
            raise
    code, began, ended, cpu, peak = (float(figure) for figure in figures.split())
    if code:
        raise RuntimeError(f"exit code {code:g}: {' '.join(argv)[:200]}\n{said[-2000:]}")
    return Sample(ended - began, cpu, peak * _MAXRSS_UNIT, ended)


def in_turn(
    labels: Iterable[L], runs: int, once: Callable[[L, int], T], title: str
) -> dict[L, list[T]]:
    """What ``once(label, round)`` gave for each label: A B C A B C, as machines drift.

    Round 0 is a warm-up of every label; it is not part of the result.
    """
    samples: dict[L, list[T]] = {label: [] for label in labels}
    for number in range(runs + 1):
        if sys.stderr.isatty():
            print(f"\r\033[K{title}: round {number} of {runs}", end="", file=sys.stderr, flush=True)
        for label, taken in samples.items():
            sample = once(label, number)
            if number:
                taken.append(sample)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return samples

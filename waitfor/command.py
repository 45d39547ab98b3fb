"""COMMAND: whether it can run, and becoming it."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

NOT_EXECUTABLE, NOT_FOUND = 126, 127


class CannotRun(Exception):
    """COMMAND cannot run.

    Attributes:
        exit_code: 127 for not found, 126 for found and not executable (POSIX, Shell Command
            Language, 2.8.2).
    """

    def __init__(self, program: str, reason: str, exit_code: int) -> None:
        self.exit_code = exit_code
        # A variable that only a shell would set, PASSWORD=..., may stand in its place.
        name, equals, _ = program.partition("=")
        super().__init__(f"COMMAND {name + equals + '...' * bool(equals)!r} {reason}")


def check(command: list[str]) -> None:
    """Refuse a COMMAND that could not run, before anything is waited for.

    Raises:
        CannotRun: its program is not found or not executable, or an argument holds a NUL.
    """
    program = command[0]
    if any("\0" in word for word in command):
        raise CannotRun("", "has a NUL in a word", NOT_EXECUTABLE)
    folders = [""] if "/" in program else os.get_exec_path()
    found = [path for folder in folders if os.path.exists(path := os.path.join(folder, program))]
    if not program or not found:
        raise CannotRun(program, "is not found", NOT_FOUND)
    if not any(os.path.isfile(path) and os.access(path, os.X_OK) for path in found):
        raise CannotRun(program, "is not executable", NOT_EXECUTABLE)


def become(command: list[str]) -> NoReturn:
    """Replace this process by COMMAND: same number, streams and environment.

    Raises:
        CannotRun: the system refuses.
    """
    _forget_locale()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        words = os.strerror(error.errno or 0).lower()
        # It was there when the wait began, so most often a script's first line is the fault.
        reason = (
            f"cannot run: {'it or the interpreter that it names is missing' if missing else words}"
        )
        raise CannotRun(command[0], reason, NOT_FOUND if missing else NOT_EXECUTABLE) from None


def _forget_locale() -> None:
    """Take LC_CTYPE out of the environment if Python put it there, as it does in the C locale
    (PEP 538); the kernel's copy, which only Linux shows, still is as it was found.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            found = file.read().split(b"\0")
    except OSError:
        return
    if not any(variable.startswith(b"LC_CTYPE=") for variable in found):
        os.environ.pop("LC_CTYPE", None)

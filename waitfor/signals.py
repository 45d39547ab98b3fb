"""Signals: SIGTERM and SIGINT end a wait, and COMMAND finds them as a fresh program does.

As process 1 of a container a program that does not handle SIGTERM never sees it, so a handler is
there from the first moment to the last.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_ENDING = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 1.0
"""Seconds that a wait has to end by itself once a signal came or its deadline passed."""
_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
_found: dict[int, _Handler] = {}


class Stopped(Exception):
    """A signal ended the wait.

    Attributes:
        exit_code: 128 and the signal's number, as a shell has it.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(signal.Signals(number).name)


def leave_at_once() -> None:
    """Make SIGTERM and SIGINT end the process at once, for as long as no wait goes on."""
    for number in _ENDING:
        _found.setdefault(number, signal.getsignal(number))
        signal.signal(number, _leave)


def _leave(number: int, _: FrameType | None) -> None:
    name = signal.Signals(number).name
    try:
        os.write(2, f"waitfor: stopped by {name} outside of a wait\n".encode())
    finally:
        os._exit(128 + number)


def run(main: Coroutine[Any, Any, T], *, deadline: float, stuck: Callable[[int], None]) -> T:
    """Run a coroutine in an event loop of its own until it ends or a signal cancels it.

    The first signal cancels; a second one ends the process at once.

    Args:
        main: the coroutine.
        deadline: seconds in which it means to end, 0 for any number.
        stuck: ends the process when the loop does not come back in time: from a regular expression
            that finds no end, or from a pipe that is full and that nobody reads.  Is given the
            number of the signal that came, or 0 for the deadline.

    Raises:
        Stopped: a signal came before its end.
    """
    # Takes longer than all that comes before: a signal in that time must find its handler.
    import asyncio

    received: list[int] = []

    async def guarded() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main)

        def stop(number: int, _: FrameType | None) -> None:
            if received:
                os._exit(128 + number)
            received.append(number)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            loop.call_soon_threadsafe(task.cancel, signal.Signals(number).name)

        for number in _ENDING:
            signal.signal(number, stop)
        signal.signal(signal.SIGALRM, lambda *_: stuck(received[0] if received else 0))
        signal.setitimer(signal.ITIMER_REAL, deadline + PATIENCE if deadline else 0)
        try:
            return await task
        finally:
            # Not later: nothing would be cancelled by a signal that comes while the loop closes.
            leave_at_once()
            signal.setitimer(signal.ITIMER_REAL, 0)

    try:
        result = asyncio.run(guarded())
    except asyncio.CancelledError:
        if not received:
            raise
    # Also when it came too late to cancel anything: whoever sent it does not want COMMAND.
    if received:
        raise Stopped(received[0])
    return result


def restore() -> None:
    """Set the signals as a program expects them that is about to be exec'ed.

    Python ignores SIGPIPE and SIGXFSZ, and what is ignored stays so across an exec.  A handler
    would end with the exec, but might take a signal just before it, and nobody would see that.
    SIGINT goes back to ignored if it was, as for a shell's background job.
    """
    for number in (signal.SIGPIPE, signal.SIGXFSZ, *_ENDING):
        signal.signal(number, signal.SIG_DFL)
    if _found.get(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

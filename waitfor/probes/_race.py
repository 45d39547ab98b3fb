"""A staggered race: the next starts when the one before failed, or is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
F = TypeVar("F", bound=Exception)


async def first_of(
    starters: Iterable[Callable[[], Awaitable[T]]],
    *,
    delay: float,
    failure: type[F],
    failed: Callable[[F], None],
    drop: Callable[[T], None] = lambda _: None,
) -> T | None:
    """The first result, or None when all have failed.

    Args:
        starters: what races, in the order in which it starts.
        delay: seconds that a starter has before the next one joins it (RFC 8305, section 5,
            has 0.25 for connections).
        failure: the error by which a starter says that it failed; any other is raised here.
        failed: is told each failure at once.
        drop: is given a result that came in second.
    """
    waiting = list(starters)[::-1]
    running: set[asyncio.Future[T]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop()()))
            done, running = await asyncio.wait(
                running,
                timeout=delay if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            winners = []
            for task in done:
                try:
                    winners.append(task.result())
                except failure as error:
                    failed(error)
            for loser in winners[1:]:
                drop(loser)
            if winners:
                return winners[0]
        return None
    finally:
        # Whoever is late leaves nothing behind: no task, no result, no error unheard.
        for task in running:
            task.cancel()
        for late in await asyncio.gather(*running, return_exceptions=True):
            if not isinstance(late, BaseException):
                drop(late)

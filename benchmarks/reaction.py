"""Reaction: how long a waiter still runs after its target has become ready."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from statistics import median
from threading import Timer
from typing import NamedTuple

import waiters
from measure import in_turn, run
from servers import NameServer, Ports
from table import Table, column, goal, milliseconds, ratio

RUNS = 15
AFTER = (0.3, 1.2)
"""Seconds after the start of a waiter at which its target becomes ready, least and most."""
MOST_MS, MOST_SHARE = 60, 10
"""The goals for tcp: medians, in ms and in percent of the time waited."""


class Reaction(NamedTuple):
    """One wait.

    Attributes:
        late: seconds from 'the target is ready' to 'the waiter has exited'.
        share: the same, by the seconds that the target took.
    """

    late: float
    share: float


def tables(runs: int) -> Iterator[Table]:
    """One table for a port, one for a name."""
    table, samples = _table("a port opens", waiters.tcp, Ports, runs)
    late, share = (median(column(samples, name)["waitfor"]) for name in Reaction._fields)
    table.notes += [
        goal("median", late * 1000, MOST_MS, " ms"),
        goal("share of the wait", share * 100, MOST_SHARE, " %"),
    ]
    yield table
    yield _table("a name appears", waiters.dns, NameServer, runs)[0]


def _table(
    what: str,
    commands: Callable[[int], waiters.Commands],
    server: Callable[[], Ports | NameServer],
    runs: int,
) -> tuple[Table, dict[str, list[Reaction]]]:
    # All commands of a round wait equally long.
    delays = [random.uniform(*AFTER) for _ in range(runs + 1)]

    def once(label: str, number: int) -> Reaction:
        target = server()
        opener = Timer(delays[number], target.open)
        opener.start()
        try:
            sample = run(commands(target.numbers[0])[label])
        finally:
            opener.cancel()
            target.close()
        late = sample.ended - target.opened
        return Reaction(late, late / (sample.wall - late))

    samples = in_turn(commands(0), runs, once, f"reaction when {what}")
    late, share = column(samples, "late"), column(samples, "share")
    table = Table(
        f"Reaction: from '{what}' to 'the waiter has exited'",
        ["command", "median ms", "most ms", "of the wait", "to waitfor"],
        [
            [
                label,
                milliseconds(median(late[label])),
                milliseconds(max(late[label])),
                f"{median(share[label]):.0%}",
                ratio(late[label], late["waitfor"]),
            ]
            for label in samples
        ],
        [f"{runs} runs of each; {what} {AFTER[0]} to {AFTER[1]} s after the start, by chance"],
    )
    return table, samples

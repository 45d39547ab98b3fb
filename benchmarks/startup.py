"""Start-up: whole process, for a target that is ready at once."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import waiters
from measure import in_turn, run
from servers import ready_targets
from table import Table, column, goal, milliseconds, ratio

RUNS = 20
MOST, WITH_BARE = 95, 12
"""The goal for tcp in ms, on a machine whose bare interpreter takes so many."""


def tables(runs: int) -> Iterator[Table]:
    """One table for each kind of target."""
    with ready_targets() as ready:
        for kind, commands in waiters.by_kind(ready).items():
            commands.pop("wait4x exponential", None)
            yield _table(kind, waiters.BARE | commands, runs)


def _table(kind: str, commands: waiters.Commands, runs: int) -> Table:
    samples = in_turn(commands, runs, lambda label, _: run(commands[label]), f"startup {kind}")
    wall, cpu = column(samples, "wall"), column(samples, "cpu")
    bare = wall["bare interpreter"]
    table = Table(
        f"Start-up with {kind}: the target is ready at once, whole process",
        ["command", "median ms", "least ms", "CPU ms", "to waitfor", "to bare"],
        [
            [
                label,
                milliseconds(median(wall[label])),
                milliseconds(min(wall[label])),
                milliseconds(median(cpu[label])),
                ratio(wall[label], wall["waitfor"]),
                ratio(wall[label], bare),
            ]
            for label in commands
        ],
        [f"{runs} runs of each"],
    )
    if kind == "tcp":
        limit = median(bare) * MOST / WITH_BARE
        table.notes += [
            f"goal: {MOST} ms where the bare interpreter takes {WITH_BARE}",
            goal("so here", median(wall["waitfor"]) * 1000, limit * 1000, " ms"),
        ]
    return table

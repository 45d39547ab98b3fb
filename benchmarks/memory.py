"""Peak memory of a waiter, or of the largest process that it starts."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from threading import Timer

import waiters
from measure import Sample, in_turn, run
from servers import Ports, ready_targets
from table import Table, column, goal, megabytes

RUNS = 5
OPENS_AFTER = 0.5
"""Seconds until the port opens for those that have to wait: what only that loads, counts too."""
WAITED = "tcp after a wait"
MOST = {"tcp": 22, "http": 32}
"""The goals, in MB."""


def tables(runs: int) -> Iterator[Table]:
    """One table, with a column for each kind of target."""
    floor = median(run(["true"]).peak for _ in range(3))
    with ready_targets() as ready:
        kinds = waiters.by_kind(ready)
        for commands in kinds.values():
            commands.pop("wait4x exponential", None)
        jobs = [(kind, label) for kind, commands in kinds.items() for label in commands]
        jobs += [(WAITED, label) for label in kinds["tcp"]]

        def once(job: tuple[str, str], _: int) -> Sample:
            kind, label = job
            return _waited(label) if kind == WAITED else run(kinds[kind][label])

        peaks = column(in_turn(jobs, runs, once, "memory"), "peak")

    def cell(kind: str, label: str) -> str:
        if (kind, label) not in peaks:
            return "-"
        peak = median(peaks[kind, label])
        return megabytes(peak) if peak > floor * 1.05 else f"< {megabytes(floor)}"

    columns = [*kinds, WAITED]
    table = Table(
        "Peak memory in MB",
        ["command", *columns],
        [[label, *(cell(kind, label) for kind in columns)] for label in kinds["tcp"]],
        [
            f"medians of {runs} runs; the largest process, where a command starts others",
            f"less than {megabytes(floor)} cannot be measured",
        ],
    )
    for kind, limit in MOST.items():
        table.notes.append(goal(kind, median(peaks[kind, "waitfor"]) / 1024**2, limit, " MB"))
    yield table


def _waited(label: str) -> Sample:
    port = Ports()
    opener = Timer(OPENS_AFTER, port.open)
    opener.start()
    try:
        return run(waiters.tcp(port.numbers[0])[label])
    finally:
        opener.cancel()
        port.close()

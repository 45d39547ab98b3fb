"""Many targets at once: what watching them costs."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from threading import Timer

import waiters
from measure import Sample, allow_many_files, in_turn, run
from servers import Ports
from table import Table, column, megabytes, milliseconds, ratio

RUNS = 5
TARGETS = 1000
OPEN_AFTER = 3.0
"""Seconds after which all ports open together, in the second table."""


def tables(runs: int) -> Iterator[Table]:
    """One table for ports that are open, one for ports that open later."""
    allow_many_files()
    yield _table(0.0, f"{TARGETS} ports at once, all open", runs)
    yield _table(OPEN_AFTER, f"{TARGETS} ports at once, all open after {OPEN_AFTER:g} s", runs)


def _table(after: float, title: str, runs: int) -> Table:
    def once(label: str, _: int) -> Sample:
        ports = Ports(TARGETS)
        opener = Timer(after, ports.open)
        if after:
            opener.start()
        else:
            ports.open()
        try:
            sample = run(waiters.many(ports.numbers)[label])
        finally:
            opener.cancel()
            ports.close()
        # For ports that are open the whole process counts, else what follows their opening.
        return sample._replace(wall=sample.ended - ports.opened) if after else sample

    samples = in_turn(waiters.many([0]), runs, once, title)
    wall, cpu, peak = (column(samples, name) for name in ("wall", "cpu", "peak"))
    return Table(
        title,
        ["command", "ms after the opening" if after else "ms", "CPU ms", "CPU to waitfor", "MB"],
        [
            [
                label,
                milliseconds(median(wall[label])),
                milliseconds(median(cpu[label])),
                ratio(cpu[label], cpu["waitfor"]),
                megabytes(median(peak[label])),
            ]
            for label in samples
        ],
        [f"medians of {runs} runs"],
    )

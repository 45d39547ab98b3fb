"""Figures as a table, for a terminal or for Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

L = TypeVar("L")


@dataclass
class Table:
    """A measure.

    Attributes:
        title: what is measured.
        columns: their headings, the first for the label.
        rows: text, a label first.
        notes: lines below: how it was measured, and the goals.
    """

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(w) if not n else cell.rjust(w) for n, (cell, w) in cells).rstrip()
            for row in [self.columns, *self.rows]
            for cells in [list(enumerate(zip(row, widths, strict=True)))]
        ]
        rule = "-" * len(lines[0])
        return "\n".join([self.title, "", lines[0], rule, *lines[1:], "", *self.notes])

    def markdown(self) -> str:
        """For a document."""
        head = ["---", *["---:"] * (len(self.columns) - 1)]
        rows = ["| " + " | ".join(row) + " |" for row in [self.columns, head, *self.rows]]
        return "\n".join([f"### {self.title}", "", *rows, "", *(f"- {n}" for n in self.notes)])


def ratio(values: Iterable[float], base: Iterable[float]) -> str:
    """How many times the median of ``base`` that of ``values`` is."""
    return f"{median(values) / median(base):.2f}"


def milliseconds(seconds: float) -> str:
    """Whole milliseconds, tenths below ten."""
    return f"{seconds * 1000:.1f}" if seconds < 0.00995 else f"{seconds * 1000:.0f}"


def megabytes(octets: float) -> str:
    """Megabytes of 1024 kB, as ps, top and Kubernetes' Mi have them."""
    return f"{octets / 1024 / 1024:.1f}"


def goal(words: str, figure: float, limit: float, unit: str = "") -> str:
    """A note on whether a goal is met."""
    verdict = "met" if figure <= limit else "MISSED"
    return f"goal: {words}, at most {limit:.3g}{unit}: {figure:.3g}{unit}, {verdict}"


def column(samples: dict[L, list[Any]], name: str) -> dict[L, list[float]]:
    """One field of all samples."""
    return {label: [getattr(one, name) for one in many] for label, many in samples.items()}

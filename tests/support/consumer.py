"""A program that uses the library: checked with mypy --strict and run by a test.

Each ignored error shows that the wrong type is refused; mypy tells one that is not needed.
"""

from __future__ import annotations

import asyncio

import waitfor
from waitfor import Cause, Event, InvalidTarget, NotReady, Outcome, Report, State, wait_for
from waitfor.events import Finished, Ready, ReasonChanged


def told(event: Event) -> str:
    """What a program may do with events."""
    match event:
        case Ready(target) | ReasonChanged(target):
            cause: Cause | None = target.result.cause if target.result else None
            return f"{target.target} {cause}"
        case Finished(report):
            return report.outcome
    return type(event).__name__


def main(ready: str, refused: str) -> list[str]:
    """Wait for one target that is ready and for one that is not."""
    lines: list[str] = []

    def note(event: Event) -> None:
        lines.append(told(event))

    report: Report = wait_for(ready, timeout=10, period="20ms", any=False, on_event=note)
    assert report.outcome is Outcome.READY
    assert all(target.state is State.READY for target in report.targets)
    waited: float = report.waited + report.targets[0].waited
    assert waited >= 0
    try:
        asyncio.run(waitfor.wait_for_async(refused, failure_threshold=1, jitter=0.2, on_event=note))
    except NotReady as error:
        lines.append(error.report.outcome)
    try:
        wait_for("mydb")
    except InvalidTarget as error:
        lines.append(str(error))
    return lines


def wrong() -> None:
    """What a type checker refuses."""
    wait_for(5432)  # type: ignore[arg-type]
    wait_for("x:1", timeout=None)  # type: ignore[arg-type]
    wait_for("x:1", tiemout=1)  # type: ignore[call-arg]
    wait_for("x:1", fatal=[1])  # type: ignore[list-item]
    wait_for("x:1", on_event=main)  # type: ignore[arg-type]
    wait_for("x:1").ready = False  # type: ignore[misc]

"""Events to text, JSON lines and the termination log; the only writer to streams."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, TextIO

from waitfor.events import (
    Event,
    Finished,
    GaveUp,
    Looked,
    Ready,
    ReasonChanged,
    StillWaiting,
)
from waitfor.hints import HINTS
from waitfor.options import options
from waitfor.plan import Plan, Wait
from waitfor.result import Cause, Outcome, Report, State, TargetReport
from waitfor.values import format_duration, format_elapsed

TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads a container's last words (terminationMessagePath)."""
TERMINATION_BYTES = 4096
"""How much of them it shows."""
MOST_LINES = 20
"""How many targets a heartbeat or a summary names."""


class Verbosity(IntEnum):
    """How much is told."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Reporter:
    """Tells the events of a wait on a stream.

    A stream that nobody reads any more is no reason to end a wait, so failing to write is not an
    error.
    """

    def __init__(self, stream: TextIO | None, *, json_lines: bool, verbosity: Verbosity) -> None:
        self._stream, self._json, self._verbosity = stream, json_lines, verbosity
        self._hinted: set[tuple[str, Cause]] = set()
        self._several = True

    def __call__(self, event: Event) -> None:
        """Tell an event, if the verbosity wants it."""
        if not self._wants(event):
            return
        if self._json:
            self._write(json_line(_event_object(event)))
        else:
            for line in self._lines(event):
                self._write(f"waitfor: {line}")

    def error(self, message: str, exit_code: int) -> None:
        """Tell what ended waitfor itself."""
        if self._json:
            self._write(json_line({"event": "error", "message": message, "exit_code": exit_code}))
        else:
            for line in message.splitlines():
                self._write(f"waitfor: {line}")

    def _wants(self, event: Event) -> bool:
        match event:
            case Looked():
                return self._verbosity is Verbosity.VERBOSE
            case Finished(report):
                return not report.ready or self._verbosity is not Verbosity.QUIET
        return self._verbosity is not Verbosity.QUIET

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(printable(line) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def _lines(self, event: Event) -> list[str]:
        match event:
            case Looked(target):
                return [f"{target.target}: look {target.looks}: {_reason(target)}"]
            case Ready(target):
                return [f"{target.target} is ready: {_reason(target)} ({_effort(target)})"]
            case ReasonChanged(target):
                line = f"{target.target} is not ready: {_reason(target)} ({_effort(target)})"
                return [line, *self._hint(target)]
            case GaveUp(target):
                return [f"{target.target} is given up: {_reason(target)} ({_effort(target)})"]
            case StillWaiting(_, targets):
                lines = [
                    f"{t.target} still not ready: {_reason(t)} ({_effort(t)})" for t in targets
                ]
                return _at_most(lines)
            case Finished(report):
                # The line that says that the only target is ready has said it all.
                return [] if report.ready and len(report.targets) == 1 else summary(report)

    def _hint(self, target: TargetReport) -> list[str]:
        cause = target.result.cause if target.result else Cause.READY
        if cause not in HINTS or (target.target, cause) in self._hinted:
            return []
        self._hinted.add((target.target, cause))
        return [f"  hint: {HINTS[cause]}"]


def printable(line: str) -> str:
    """A line without line breaks and control characters; servers have a say in some."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _reason(target: TargetReport) -> str:
    return target.result.detail if target.result else "not looked at yet"


def _effort(target: TargetReport) -> str:
    return f"{format_elapsed(target.waited)}, {_plural(target.looks, 'look')}"


def _at_most(lines: list[str]) -> list[str]:
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], f"and {rest} more"]


def summary(report: Report) -> list[str]:
    """How a wait ended, in lines: the end, then each target that was not ready and why."""
    number = len(report.targets)
    unready = [target for target in report.targets if target.state is not State.READY]
    count = f"{number - len(unready)} of {_plural(number, 'target')} ready"
    waited = format_elapsed(report.waited)
    match report.outcome:
        case Outcome.READY if not unready:
            looks = _plural(report.looks, "look")
            return [f"all {_plural(number, 'target')} ready ({waited}, {looks})"]
        case Outcome.READY:
            return [f"{count}, one was enough ({waited}, {_plural(report.looks, 'look')})"]
        case Outcome.DEADLINE:
            end = f"not ready in time: {format_duration(report.timeout)} are over, {count}"
        case Outcome.GAVE_UP:
            end = f"gave up after {waited}, {count}"
        case Outcome.INTERRUPTED:
            end = f"stopped by {report.signal or 'its caller'} after {waited}, {count}"
    lines = []
    for target in unready:
        pending = target.state is State.PENDING
        why = "its turn did not come" if pending else f"{_reason(target)} ({_effort(target)})"
        lines.append(f"  {target.target}: {why}")
    return [end, *_at_most(lines)]


def last_words(report: Report) -> str:
    """The summary and the hints, for the termination log."""
    causes = dict.fromkeys(t.result.cause for t in report.targets if t.result)
    hints = [f"hint: {HINTS[cause]}" for cause in causes if cause in HINTS]
    return "\n".join([*summary(report), *hints])


def write_termination_log(path: str, message: str) -> None:
    """Leave a message where Kubernetes looks for it, 4096 octets at most.

    A path of somebody's own is made; the usual one is written only where Kubernetes made it.
    """
    lines = "\n".join(printable(line) for line in message.splitlines())
    octets = lines.encode("utf-8", "replace")[: TERMINATION_BYTES - 1]
    flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if path != TERMINATION_LOG else 0)
    try:
        with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
            file.write(octets.decode("utf-8", "ignore").encode() + b"\n")
    except (OSError, ValueError):
        # Last words that cannot be written have been said on stderr.
        return


def json_line(content: dict[str, Any]) -> str:
    """One JSON line, with the time (RFC 3339) in front."""
    # Text output, the usual one, does not pay for these imports.
    import datetime
    import json

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now.replace("+00:00", "Z"), **content}, ensure_ascii=False)


_NAMES: dict[type[Event], str] = {
    Looked: "looked",
    ReasonChanged: "not-ready",
    Ready: "ready",
    GaveUp: "gave-up",
    StillWaiting: "still-waiting",
    Finished: "finished",
}


def _event_object(event: Event) -> dict[str, Any]:
    head = {"event": _NAMES[type(event)]}
    match event:
        case StillWaiting(waited, targets):
            return head | {"waited": round(waited, 3), "targets": [*map(_target_object, targets)]}
        case Finished(report):
            return head | {
                "outcome": report.outcome,
                "waited": round(report.waited, 3),
                "timeout": report.timeout,
                "signal": report.signal,
                "targets": [_target_object(target) for target in report.targets],
            }
    return head | _target_object(event.target)


def _target_object(target: TargetReport) -> dict[str, Any]:
    found = {
        "target": target.target,
        "kind": target.kind,
        "state": target.state,
        "waited": round(target.waited, 3),
        "looks": target.looks,
    }
    if result := target.result:
        found |= {"cause": result.cause, "detail": result.detail, "facts": dict(result.facts)}
        if result.cause in HINTS:
            found["hint"] = HINTS[result.cause]
    return found


def plan_object(plan: Plan, command: Iterable[str]) -> dict[str, Any]:
    """A plan as JSON, secrets masked; of COMMAND only the program."""
    return {
        "mode": plan.mode,
        "timeout": format_duration(plan.timeout),
        "targets": [
            {
                "target": wait.target.name,
                "kind": wait.target.kind,
                "options": _texts(wait.target.probe, all_of_them=False),
                "policy": _texts(wait.policy, all_of_them=True),
            }
            for wait in plan.waits
        ],
        "command": next(iter(command), None),
    }


def plan_lines(plan: Plan, command: Iterable[str]) -> list[str]:
    """A plan as text, secrets masked; of COMMAND only the program."""
    until = f"for at most {format_duration(plan.timeout)}" if plan.timeout else "for ever"
    order = {"sequence": "one after another", "parallel": "all at once", "any": "any one of them"}
    lines = [f"wait {until}, {order[plan.mode]}:"]
    for wait in plan.waits:
        lines += _wait_lines(wait)
    return [*lines, *(f"then run: {program}" for program in list(command)[:1])]


def _wait_lines(wait: Wait) -> list[str]:
    own = _texts(wait.target.probe, all_of_them=False)
    policy = _texts(wait.policy, all_of_them=True)
    words = [f"{name}={text}" for name, text in (own | policy).items()]
    return [f"  {wait.target.name}", f"    {' '.join(words)}"]


def _texts(holder: object, *, all_of_them: bool) -> dict[str, str]:
    found = {}
    kind: type[Any] = type(holder)
    for name, about in options(kind).items():
        value = getattr(holder, about.field)
        if value != about.default or (all_of_them and about.default_text()):
            unset = value == about.default and bool(about.default_help)
            found[name] = about.default_help if unset else about.text(value)
    return found

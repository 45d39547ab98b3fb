"""Events to text, JSON lines and the termination log; the only writer to streams."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TextIO

from waitfor import __version__
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
from waitfor.options import option, options
from waitfor.plan import Plan, Wait
from waitfor.result import Cause, Outcome, Report, State, TargetReport
from waitfor.values import format_duration, format_elapsed, one_of, printable, quoted

TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads a container's last words (terminationMessagePath)."""
TERMINATION_BYTES = 4096
"""How much of them it shows."""
MOST_TARGETS = 20
"""How many targets a heartbeat or a summary names."""
MOST_CHARACTERS = 1000
"""How much of a line of text is shown."""

EVENT_NAMES: dict[type[Event], str] = {
    Looked: "looked",
    ReasonChanged: "not-ready",
    Ready: "ready",
    GaveUp: "gave-up",
    StillWaiting: "still-waiting",
    Finished: "finished",
}
ERROR, PLAN = "error", "plan"
"""The names of JSON lines; these two tell no event of a wait."""


OUTPUTS = ("text", "json")


def _writable(path: str) -> str:
    folder = os.path.dirname(path) or "."
    place = path if os.path.exists(path) else folder
    fits = os.path.isdir(folder) and not os.path.isdir(path) and os.access(place, os.W_OK)
    if not path or (path != "none" and not fits):
        raise ValueError(f"{quoted(path)} cannot be written; 'none' writes no file")
    return path


@dataclass(frozen=True)
class Telling:
    """Options of the command line alone: where and how it tells."""

    termination_log: str = option(
        _writable,
        TERMINATION_LOG,
        "Where the reasons of a failure are left as well.",
        "PATH|none",
        default_help=f"{TERMINATION_LOG}, if it is there",
    )
    output: str = option(
        one_of(OUTPUTS, "a form of output"),
        "text",
        "What stderr gets: text, or events as JSON lines.",
        "|".join(OUTPUTS),
        choices=OUTPUTS,
    )


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
        self._hinted: set[Cause] = set()

    def __call__(self, event: Event) -> None:
        """Tell an event, if the verbosity wants it."""
        if not self._wants(event):
            return
        if self._json:
            self._write(json_line(_event_object(event)))
        else:
            self._write_text(self._lines(event))

    def error_if_heard(self, message: str, exit_code: int) -> None:
        """Like :meth:`error`, but of no effect where writing would wait for a reader."""
        # Only a wait that is stuck pays for this import.
        from select import select

        if self._stream and select([], [self._stream], [], 0)[1]:
            self.error(message, exit_code)

    def error(self, message: str, exit_code: int) -> None:
        """Tell what ended waitfor itself."""
        if self._json:
            self._write(json_line({"event": ERROR, "message": message, "exit_code": exit_code}))
        else:
            self._write_text(message.splitlines())

    def _wants(self, event: Event) -> bool:
        match event:
            case Looked():
                return self._verbosity is Verbosity.VERBOSE
            case Finished(report):
                return not report.ready or self._verbosity is not Verbosity.QUIET
        return self._verbosity is not Verbosity.QUIET

    def _write_text(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(_shown(f"waitfor: {line}"))

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # A disk may have room again, a pipe may be read again: the next line is tried.
            return

    def _lines(self, event: Event) -> list[str]:
        match event:
            case Looked(target):
                waited = format_elapsed(target.waited)
                return [f"{target.target} look {target.looks} ({waited}): {_reason(target)}"]
            case Ready(target):
                return [f"{target.target} is ready: {_reason(target)} ({_effort(target)})"]
            case ReasonChanged(target):
                line = f"{target.target} is not ready: {_reason(target)} ({_effort(target)})"
                return [line, *_hint(target, self._hinted)]
            case GaveUp(target):
                # Why was told before, or is by the summary that follows.
                return [f"{target.target} is given up ({_effort(target)})"]
            case StillWaiting(_, targets):
                # By now a hint has scrolled away: who reads the end of the log gets it again.
                self._hinted.clear()
                lines = [
                    f"{t.target} is still not ready: {_reason(t)} ({_effort(t)})"
                    for t in targets[:MOST_TARGETS]
                ]
                return lines + _rest(targets)
            case Finished(report):
                # The line that says that the only target is ready has said it all.
                alone = report.ready and len(report.targets) == 1
                return [] if alone else summary(report, self._hinted)


def _shown(line: str) -> str:
    """A line that can be shown, its middle left out if it is very long."""
    line, half = printable(line), MOST_CHARACTERS // 2
    return line if len(line) <= MOST_CHARACTERS else f"{line[:half]} ... {line[-half:]}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _reason(target: TargetReport) -> str:
    if target.result is None:
        return "not looked at yet"
    if target.result.ready and target.state is not State.READY:
        return f"{target.result.detail}, but not yet success-threshold looks in a row"
    return target.result.detail


def _effort(target: TargetReport) -> str:
    return f"{format_elapsed(target.waited)}, {_plural(target.looks, 'look')}"


def _hint(target: TargetReport, told: set[Cause]) -> list[str]:
    """The hint for a target's cause, unless it was told already."""
    cause = target.result.cause if target.result else Cause.READY
    if cause not in HINTS or cause in told:
        return []
    told.add(cause)
    return [f"  hint: {HINTS[cause]}"]


def _rest(targets: Sequence[TargetReport]) -> list[str]:
    number = len(targets) - MOST_TARGETS
    return [f"  and {_plural(number, 'more target')}"] if number > 0 else []


def summary(report: Report, told: set[Cause] | None = None) -> list[str]:
    """How a wait ended, in lines: the end, then each target that was not ready, why, and a hint.

    Args:
        report: how it ended.
        told: causes whose hints were told already; takes in those of these lines.
    """
    number = len(report.targets)
    ready = [target for target in report.targets if target.state is State.READY]
    count = f"{len(ready)} of {_plural(number, 'target')} ready"
    waited = format_elapsed(report.waited)
    effort = f"{waited}, {_plural(report.looks, 'look')}"
    match report.outcome:
        case Outcome.READY if len(ready) == number:
            return [f"all {_plural(number, 'target')} ready ({effort})"]
        case Outcome.READY:
            return [f"{count}, one was enough: {ready[0].target} ({effort})"]
        case Outcome.DEADLINE:
            end = f"timed out after {format_duration(report.timeout)}: {count}"
        case Outcome.GAVE_UP:
            end = f"gave up after {waited}: {count}"
        case Outcome.INTERRUPTED:
            end = f"stopped by {report.signal or 'its caller'} after {waited}: {count}"
    # What ended the wait stands first, what was never looked at last.
    order = [State.GAVE_UP, State.WAITING, State.PENDING]
    unready = sorted(
        (target for target in report.targets if target.state is not State.READY),
        key=lambda target: order.index(target.state),
    )
    lines, told = [end], set() if told is None else told
    for target in unready[:MOST_TARGETS]:
        pending = target.state is State.PENDING
        why = "its turn did not come" if pending else f"{_reason(target)} ({_effort(target)})"
        lines += [f"  {target.target}: {why}", *_hint(target, told)]
    return lines + _rest(unready)


def last_words(report: Report) -> str:
    """The summary with its hints, for the termination log."""
    return "\n".join(summary(report))


def write_termination_log(path: str, message: str) -> None:
    """Leave a message where Kubernetes looks for it, 4096 octets at most.

    A path of somebody's own is made; the usual one is written only where Kubernetes made it.
    """
    text = "\n".join(_shown(line) for line in message.splitlines()) + "\n"
    octets = text.encode("utf-8", "replace")
    if len(octets) > TERMINATION_BYTES:
        # The first lines say how it ended; the last ones of a crash say why.
        cut = b"\n...\n"
        half = (TERMINATION_BYTES - len(cut)) // 2
        halves = octets[:half], octets[-half:]
        octets = cut.join(part.decode("utf-8", "ignore").encode() for part in halves)
    flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if path != TERMINATION_LOG else 0)
    try:
        # O_NONBLOCK: a pipe that nobody reads must not keep us.
        with os.fdopen(os.open(path, flags | os.O_NONBLOCK, 0o644), "wb") as file:
            file.write(octets)
    except (OSError, ValueError):
        # Last words that cannot be written have been said on stderr.
        return


def json_line(content: dict[str, Any]) -> str:
    """One JSON line in ASCII, with the time (RFC 3339) in front."""
    # Text output, the usual one, does not pay for these imports.
    import datetime
    import json

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now.replace("+00:00", "Z"), **content})


def _event_object(event: Event) -> dict[str, Any]:
    head = {"event": EVENT_NAMES[type(event)]}
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
        "event": PLAN,
        "mode": plan.mode,
        "timeout": plan.timeout,
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
    lines += [f"then run: {program}" for program in list(command)[:1]]
    return [printable(line) for line in lines]


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


def crash(error: Exception) -> str:
    """Where and of what type a crash was, without its own words: they may quote a secret."""
    # Only a crash pays for this import.
    import traceback

    where = "".join(traceback.format_tb(error.__traceback__))
    words = f"this is a bug in waitfor {__version__}: please report it"
    return f"{where}{type(error).__name__}\n{words}"

"""What a look finds, what a whole wait ends with, and the errors of waitfor.

WaitforError
├── InvalidTarget (also ValueError)    words that cannot be waited for
└── NotReady                           the wait ended without readiness; carries its Report
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """Why a target is or is not ready: one word for machines, the same in all outputs."""

    READY = "ready"

    NXDOMAIN = "nxdomain"
    NO_RECORDS = "no-records"
    TOO_FEW_RECORDS = "too-few-records"
    OTHER_RECORDS = "other-records"
    SERVFAIL = "servfail"
    DNS_REFUSED = "dns-refused"
    DNS_ERROR = "dns-error"
    DNS_TIMEOUT = "dns-timeout"
    DNS_UNREACHABLE = "dns-unreachable"
    NO_NAMESERVER = "no-nameserver"
    LOOKUP_FAILED = "lookup-failed"
    LOOKUP_TIMEOUT = "lookup-timeout"

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    CONNECT_FAILED = "connect-failed"
    RESET = "reset"
    CLOSED = "closed"
    RESPONSE_TIMEOUT = "response-timeout"

    TLS_VERIFY = "tls-verify"
    TLS_FAILED = "tls-failed"
    TLS_TIMEOUT = "tls-timeout"

    PROXY = "proxy"
    PROTOCOL = "protocol"
    STATUS = "status"
    REDIRECTS = "redirects"
    BODY = "body"


@dataclass(frozen=True)
class Result:
    """What one look found.

    Attributes:
        cause: why, from a closed list; ``Cause.READY`` alone means ready.
        detail: one line for a person; never a body, never a secret.
        facts: the same for machines: strings, numbers, booleans and lists of them.
        retry_after: seconds before which asking again is useless, or None.
    """

    cause: Cause
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the target was found ready."""
        return self.cause is Cause.READY


class Look:
    """How far one look has come, so that one cut short still says what it was waiting for.

    A probe keeps it up to date with :meth:`at`; whoever bounds the look asks :meth:`cut_short`.
    """

    def __init__(self) -> None:
        self._cause = Cause.RESPONSE_TIMEOUT
        self._doing = "no answer"
        self._facts: Mapping[str, Any] = {}

    def at(self, cause: Cause, doing: str, facts: Mapping[str, Any]) -> None:
        """Note what happens now: the cause and the detail if nothing more were to come."""
        self._cause, self._doing, self._facts = cause, doing, facts

    def cut_short(self, after: str) -> Result:
        """The result of a look that was ended ``after`` so long."""
        return Result(self._cause, f"{self._doing} within {after}", self._facts)


class State(StrEnum):
    """Where one target stands."""

    PENDING = "pending"
    WAITING = "waiting"
    READY = "ready"
    GAVE_UP = "gave-up"


@dataclass(frozen=True)
class TargetReport:
    """Where one target stands.

    Attributes:
        target: its name for people: the URL without options, secrets masked.
        kind: the kind of probe, such as ``tcp``.
        state: ``PENDING`` means its turn never came.
        waited: seconds since its turn came.
        looks: how many looks were begun.
        result: the newest result, or None before the first.
    """

    target: str
    kind: str
    state: State
    waited: float
    looks: int
    result: Result | None


class Outcome(StrEnum):
    """How a wait ended."""

    READY = "ready"
    DEADLINE = "deadline"
    GAVE_UP = "gave-up"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Report:
    """How a whole wait ended.

    Attributes:
        outcome: ready, or why not.
        waited: seconds from start to end.
        timeout: the deadline in seconds, 0 for none.
        targets: one report for each target, in the order given.
        signal: the signal that interrupted it, such as ``SIGTERM``, else empty.
    """

    outcome: Outcome
    waited: float
    timeout: float
    targets: tuple[TargetReport, ...]
    signal: str = ""

    @property
    def ready(self) -> bool:
        """Whether all that was asked for is ready."""
        return self.outcome is Outcome.READY

    @property
    def looks(self) -> int:
        """How many looks were begun in all."""
        return sum(target.looks for target in self.targets)


class WaitforError(Exception):
    """The base of all errors that waitfor raises."""


class InvalidTarget(WaitforError, ValueError):
    """Words that cannot be waited for; nothing was sent."""


class NotReady(WaitforError):
    """The wait ended before the targets were ready.

    Attributes:
        report: what was found of each target.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        unready = [t for t in self.report.targets if t.state is not State.READY]
        reasons = "; ".join(
            f"{t.target}: {t.result.detail if t.result else 'not looked at'}" for t in unready
        )
        return f"{self.report.outcome} after {self.report.waited:.1f}s: {reasons}"

"""What is to be done: the targets, how each is waited for, in which order, until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from waitfor.options import option
from waitfor.policy import Policy
from waitfor.result import InvalidTarget
from waitfor.target import Target, parse_target
from waitfor.values import duration, format_duration


class Mode(StrEnum):
    """In which order targets are waited for."""

    SEQUENCE = "sequence"
    PARALLEL = "parallel"
    ANY = "any"


class Wait(NamedTuple):
    """One target and how it is waited for."""

    target: Target
    policy: Policy


@dataclass(frozen=True)
class Plan:
    """A whole wait.

    Attributes:
        waits: the targets, in the order given.
        mode: one after another, all at once, or all at once until the first is ready.
        timeout: seconds for all of it; 0 waits for ever.
    """

    waits: tuple[Wait, ...]
    mode: Mode = Mode.SEQUENCE
    timeout: float = option(
        duration,
        300.0,
        "How long to wait for all targets together; 0 waits for ever.",
        "DURATION",
        show=format_duration,
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not appear in any output."""
        return tuple(secret for wait in self.waits for secret in wait.target.probe.secrets)


def make_plan(
    targets: Iterable[str],
    *,
    timeout: float = 300.0,
    mode: Mode = Mode.SEQUENCE,
    policy: Mapping[str, Any],
) -> Plan:
    """The plan for targets as people write them.

    Args:
        targets: at least one string of :func:`waitfor.target.parse_target`.
        timeout: seconds for all of it; 0 waits for ever.
        mode: in which order.
        policy: the fields of :class:`Policy` that somebody set for all targets.

    Raises:
        InvalidTarget: no targets, one that cannot be read, or settings that contradict.
    """
    texts = list(targets)
    if not texts:
        raise InvalidTarget("no target: write tcp://HOST:PORT, dns://NAME or http://HOST/PATH")
    waits = tuple(_wait(parse_target(text), timeout, policy) for text in texts)
    return Plan(waits, mode, timeout)


def _wait(target: Target, timeout: float, general: Mapping[str, Any]) -> Wait:
    try:
        policy = Policy.merge(general, target.policy, target.probe.PERIOD)
    except ValueError as error:
        raise InvalidTarget(f"{target.name!r}: {error}") from None
    longest = target.probe.shortest_look
    if longest >= policy.attempt_timeout:
        raise InvalidTarget(
            f"{target.name!r}: hold {format_duration(longest)} does not fit into"
            f" attempt-timeout {format_duration(policy.attempt_timeout)}"
        )
    if 0 < timeout <= policy.initial_delay:
        raise InvalidTarget(
            f"{target.name!r}: initial-delay {format_duration(policy.initial_delay)} does not fit"
            f" into timeout {format_duration(timeout)}"
        )
    return Wait(target, policy)

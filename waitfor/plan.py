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


def make_plan(
    targets: Iterable[str],
    *,
    timeout: float = Plan.timeout,
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
    hold, delay = target.probe.shortest_look, policy.initial_delay
    whole = timeout or float("inf")
    for inner, shorter, outer, longer in (
        ("hold", hold, "attempt-timeout", policy.attempt_timeout),
        ("initial-delay", delay, "timeout", whole),
        ("hold", hold, "timeout", whole),
    ):
        if shorter >= longer:
            raise InvalidTarget(
                f"{target.name!r}: {inner} {format_duration(shorter)} does not fit into"
                f" {outer} {format_duration(longer)}"
            )
    return Wait(target, policy)

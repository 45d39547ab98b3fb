"""How a target is waited for: timing and thresholds, in kubelet's words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from waitfor.options import option
from waitfor.result import Cause
from waitfor.values import (
    count,
    duration,
    factor,
    format_duration,
    format_percentage,
    one_of,
    percentage,
    positive_duration,
)

_CAUSES = tuple(cause.value for cause in Cause if cause is not Cause.READY)
_cause = one_of(_CAUSES, "a cause")


@dataclass(frozen=True)
class Policy:
    """How a target is waited for.

    The words are those of Kubernetes' probes where it has one; durations are in seconds.
    kubelet's ``timeoutSeconds`` is ``attempt_timeout`` here.
    """

    attempt_timeout: float = option(
        positive_duration,
        5.0,
        "How long one look may take, from the name look-up to the last octet.",
        "DURATION",
        show=format_duration,
    )
    period: float = option(
        positive_duration,
        0.0,
        "Gap between looks, at first.",
        "DURATION",
        show=format_duration,
        default_help="by kind of target",
    )
    max_period: float = option(
        positive_duration,
        2.0,
        "Gap between looks, at most.",
        "DURATION",
        show=format_duration,
    )
    backoff: float = option(
        factor, 1.1, "What each gap is multiplied by to get the next.", "FACTOR"
    )
    jitter: float = option(
        percentage,
        0.1,
        "How far each gap varies by chance, up and down.",
        "PERCENT",
        show=format_percentage,
    )
    success_threshold: int = option(
        count, 1, "How many looks in a row must find the target ready.", "N"
    )
    failure_threshold: int = option(
        count,
        0,
        "Give up after so many looks in a row that did not.",
        "N",
        default_help="never",
    )
    initial_delay: float = option(
        duration, 0.0, "Pause before the first look.", "DURATION", show=format_duration
    )
    fatal: tuple[Cause, ...] = option(
        lambda text: Cause(_cause(text)),
        (),
        "Give up at once on this cause, such as nxdomain or status.",
        "CAUSE",
        repeatable=True,
        show=", ".join,
        choices=_CAUSES,
    )

    @classmethod
    def merge(cls, general: Mapping[str, Any], own: Mapping[str, Any], period: float) -> Self:
        """The policy of one target.

        Args:
            general: fields that somebody set for all targets.
            own: fields that the target sets for itself; they win.
            period: of the kind of probe, when nobody sets one.

        Raises:
            ValueError: the fields contradict each other.
        """
        chosen = {**general, **own}
        policy = cls(**chosen)
        if "period" not in chosen:
            return dataclasses.replace(policy, period=min(period, policy.max_period))
        if "max_period" not in chosen:
            return dataclasses.replace(policy, max_period=max(policy.period, policy.max_period))
        if policy.period > policy.max_period:
            raise ValueError(
                f"period {format_duration(policy.period)} is longer than"
                f" max-period {format_duration(policy.max_period)}"
            )
        return policy

"""What a wait tells while it goes on: the runner emits these, a report shows them."""

from __future__ import annotations

from typing import NamedTuple

from waitfor.result import Report, TargetReport


class Looked(NamedTuple):
    """A look ended; emitted for every one."""

    target: TargetReport


class ReasonChanged(NamedTuple):
    """A target is not ready, for another reason than before."""

    target: TargetReport


class Ready(NamedTuple):
    """A target became ready."""

    target: TargetReport


class GaveUp(NamedTuple):
    """A target is not waited for any longer: a threshold was reached or its cause is fatal."""

    target: TargetReport


class StillWaiting(NamedTuple):
    """Nothing was told for a while; these targets are looked at and not ready."""

    waited: float
    targets: tuple[TargetReport, ...]


class Finished(NamedTuple):
    """The wait is over."""

    report: Report


Event = Looked | ReasonChanged | Ready | GaveUp | StillWaiting | Finished

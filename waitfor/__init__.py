"""Wait until what you depend on is ready: DNS, TCP and HTTP readiness, in sequence.

from waitfor import NotReady, wait_for

wait_for("dns://mydb", "tcp://mydb:5432", "http://api:8080/healthz", timeout=60)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from waitfor.api import wait_for, wait_for_async
    from waitfor.events import Event
    from waitfor.result import (
        Cause,
        InvalidTarget,
        NotReady,
        Outcome,
        Report,
        Result,
        State,
        TargetReport,
        WaitforError,
    )

__version__ = "0.1.0"

__all__ = [
    "Cause",
    "Event",
    "InvalidTarget",
    "NotReady",
    "Outcome",
    "Report",
    "Result",
    "State",
    "TargetReport",
    "WaitforError",
    "__version__",
    "wait_for",
    "wait_for_async",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that the command can handle signals before it loads anything.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    rooms = {"wait_for": "api", "wait_for_async": "api", "Event": "events"}
    return getattr(import_module(f"waitfor.{rooms.get(name, 'result')}"), name)


def __dir__() -> list[str]:
    return __all__

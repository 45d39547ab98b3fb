"""The library: the same waits from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict, Unpack, cast

from waitfor.events import Event
from waitfor.options import Option, options
from waitfor.plan import Mode, Plan, make_plan
from waitfor.policy import Policy
from waitfor.result import InvalidTarget, NotReady, Report
from waitfor.runner import run


class Settings(TypedDict, total=False):
    """How to wait; durations are seconds, or text such as ``"2m"``.

    Attributes:
        timeout: for all targets together; 300 by default, 0 waits for ever.
        parallel: look at all targets at once, not one after another.
        any: look at all at once and end with the first that is ready.
        attempt_timeout: for one look; 5 by default.
        period: the first gap between looks; 0.05 for tcp, 0.1 for http, 0.2 for dns by default.
        max_period: the longest gap; 2 by default.
        backoff: what each gap is multiplied by, 1 to 10; 1.1 by default.
        jitter: how far a gap varies by chance, as a share or as ``"10%"``; 0.1 by default.
        success_threshold: looks in a row that must find a target ready; 1 by default.
        failure_threshold: looks in a row that do not, to give up; never by default.
        initial_delay: before the first look at each target; 0 by default.
        fatal: causes on which to give up at once, such as ``["nxdomain"]``.
        on_event: is told what happens, in the event loop's thread.
    """

    timeout: float | str
    parallel: bool
    any: bool
    attempt_timeout: float | str
    period: float | str
    max_period: float | str
    backoff: float | str
    jitter: float | str
    success_threshold: int | str
    failure_threshold: int | str
    initial_delay: float | str
    fatal: Sequence[str]
    on_event: Callable[[Event], None]


async def wait_for_async(*targets: str, **settings: Unpack[Settings]) -> Report:
    """Wait until all targets are ready, one after another.

    Nothing is read from WAITFOR_* variables, and nothing is printed.

    Args:
        targets: strings as on the command line: ``dns://mydb``, ``mydb:5432``,
            ``http://api:8080/healthz#status=200``.
        settings: see :class:`Settings`.

    Returns:
        What was found of each target.

    Raises:
        NotReady: the deadline passed or the wait was given up; carries the report.
        InvalidTarget: a target or a setting that cannot be; nothing was sent.
    """
    on_event = settings.pop("on_event", None) or _ignore
    report = await run(_plan(targets, settings), on_event)
    if not report.ready:
        raise NotReady(report)
    return report


def wait_for(*targets: str, **settings: Unpack[Settings]) -> Report:
    """:func:`wait_for_async` for a program without an event loop; the same arguments.

    Returns:
        What was found of each target.

    Raises:
        NotReady: the deadline passed or the wait was given up; carries the report.
        InvalidTarget: a target or a setting that cannot be; nothing was sent.
        RuntimeError: an event loop runs in this thread; await :func:`wait_for_async` there.
    """
    if _in_a_loop():
        raise RuntimeError("an event loop runs in this thread: await wait_for_async() instead")
    return asyncio.run(wait_for_async(*targets, **settings))


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _plan(targets: tuple[str, ...], settings: Settings) -> Plan:
    for target in targets:
        if not isinstance(target, str):
            raise TypeError(f"a target is a string, not {type(target).__name__}")
    given: dict[str, Any] = dict(settings)
    parallel, first = given.pop("parallel", False), given.pop("any", False)
    mode = Mode.ANY if first else Mode.PARALLEL if parallel else Mode.SEQUENCE
    whole, policy = _take(Plan, given), _take(Policy, given)
    if given:
        raise TypeError(f"wait_for() got an unexpected keyword argument {next(iter(given))!r}")
    return make_plan(targets, mode=mode, policy=policy, **whole)


def _take(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a class out of the settings."""
    fields = [about for about in options(kind).values() if about.field in given]
    return {about.field: _read(about, given.pop(about.field)) for about in fields}


def _read(about: Option, value: object) -> Any:
    """A setting, through the same gate as text, so that the same limits hold."""
    try:
        if about.repeatable and not isinstance(value, str):
            return tuple(about.parse(each) for each in cast(Iterable[str], value))
        read = about.parse(value if isinstance(value, str) else _as_text(about.field, value))
    except ValueError as error:
        raise InvalidTarget(f"{about.field}: {error}") from None
    return (read,) if about.repeatable else read


def _as_text(field: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return repr(value)
    if field == "jitter":
        return f"{value * 100:.6f}%"
    if field == "timeout" and value > 0:
        # However short, it is not 0, which would be for ever.
        value = max(value, 1e-6)
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _ignore(_: Event) -> None:
    """Tell nobody."""

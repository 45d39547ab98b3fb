"""Order, backoff, thresholds and deadline of a wait; tells what happens as events."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from waitfor.events import (
    Event,
    Finished,
    GaveUp,
    Looked,
    Ready,
    ReasonChanged,
    StillWaiting,
)
from waitfor.limits import looks_at_once
from waitfor.plan import Mode, Plan, Wait
from waitfor.result import Look, Outcome, Report, Result, State, TargetReport
from waitfor.values import format_duration, format_elapsed

if TYPE_CHECKING:
    from tenacity import RetryCallState

HEARTBEAT = 30.0
"""Seconds of silence after which a wait says that it is still waiting."""
LAST_LOOK = 0.05
"""Seconds before the deadline at which the last look begins, at the least."""
TELLING = 1.0
"""Seconds after which a look that the deadline cuts tells more than the look before it."""

Emit = Callable[[Event], None]


async def run(plan: Plan, emit: Emit) -> Report:
    """Wait as planned.

    Args:
        plan: what to wait for.
        emit: is told every event, the last being :class:`Finished`.

    Raises:
        asyncio.CancelledError: the wait was cancelled; the events are complete nevertheless.
        Exception: a bug, ours or of a library; nothing expected is raised.
    """
    return await _Run(plan, emit).run()


class _Run:
    def __init__(self, plan: Plan, emit: Emit) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._plan = plan
        self._emit_on = emit
        self._began = self._spoke = self._clock()
        self.deadline = self._began + plan.timeout if plan.timeout else float("inf")
        self.looks = asyncio.Semaphore()
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._broken: Exception | None = None
        self._watches = [_Watch(wait, self) for wait in plan.waits]

    async def run(self) -> Report:
        self._keep_beating()
        try:
            async with asyncio.timeout_at(self.deadline) as bound:
                ready = await self._watch_all()
        except TimeoutError:
            if not bound.expired():
                raise
            return self._finish(Outcome.DEADLINE)
        except asyncio.CancelledError as cancelled:
            if self._broken and self._task.uncancel() == 0:
                raise self._broken from None
            self._finish(Outcome.INTERRUPTED, *map(str, cancelled.args[:1]))
            raise
        finally:
            self._heartbeat.cancel()
        return self._finish(Outcome.READY if ready else Outcome.GAVE_UP)

    async def _watch_all(self) -> bool:
        """Whether what was asked for became ready."""
        if self._plan.mode is Mode.SEQUENCE:
            for watch in self._watches:
                if not await watch.watch():
                    return False
            return True
        with looks_at_once(len(self._watches)) as most:
            self.looks = asyncio.Semaphore(most)
            return await self._watch_in_parallel()

    async def _watch_in_parallel(self) -> bool:
        # With --any the first that is ready decides, else the first that is given up.
        decisive = self._plan.mode is Mode.ANY
        tasks = [asyncio.ensure_future(watch.watch()) for watch in self._watches]
        try:
            for finished in asyncio.as_completed(tasks):
                if await finished is decisive:
                    return decisive
            return not decisive
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_beating(self) -> None:
        """Tell what is waited for whenever nothing was told for a while."""
        if self._clock() >= self._spoke + HEARTBEAT:
            waiting = [w.report() for w in self._watches if w.state is State.WAITING]
            try:
                self.emit(StillWaiting(self._clock() - self._began, tuple(waiting)))
            except Exception as error:
                # Nobody awaits a callback of the loop, and whoever listens wants to know.
                self._broken = error
                self._task.cancel()
                return
        self._heartbeat = self._loop.call_at(self._spoke + HEARTBEAT, self._keep_beating)

    def emit(self, event: Event) -> None:
        if not isinstance(event, Looked):
            self._spoke = self._clock()
        self._emit_on(event)

    def _finish(self, outcome: Outcome, signal: str = "") -> Report:
        report = Report(
            outcome,
            self._clock() - self._began,
            self._plan.timeout,
            tuple(watch.report() for watch in self._watches),
            signal,
        )
        self.emit(Finished(report))
        return report


class _Watch:
    """One target, looked at until it is settled."""

    def __init__(self, wait: Wait, run: _Run) -> None:
        self._clock = asyncio.get_running_loop().time
        self._target, self._policy, self._run = wait.target, wait.policy, run
        self.state = State.PENDING
        self._began = self._ended = 0.0
        self._looks = self._run_length = 0
        self._result: Result | None = None
        self._lasted = 0.0
        self._reason: tuple[str, str] | None = None
        self._told: dict[tuple[str, str], float] = {}

    def report(self) -> TargetReport:
        ended = self._clock() if self.state is State.WAITING else self._ended
        return TargetReport(
            self._target.name,
            self._target.kind,
            self.state,
            ended - self._began,
            self._looks,
            self._result,
        )

    async def watch(self) -> bool:
        """Whether the target became ready; False means that it was given up."""
        self._began, self.state = self._clock(), State.WAITING
        await asyncio.sleep(self._policy.initial_delay)
        if not await self._look():
            await self._keep_looking()
        return self.state is State.READY

    async def _keep_looking(self) -> None:
        # What is ready at once is not made to wait for these imports.
        import random

        from tenacity import AsyncRetrying, retry_if_result, wait_exponential

        schedule = wait_exponential(
            multiplier=self._policy.period,
            exp_base=self._policy.backoff,
            max=self._policy.max_period,
        )

        def gap(state: RetryCallState) -> float:
            spread = self._policy.jitter * random.uniform(-1, 1)
            asked = (self._result and self._result.retry_after) or 0.0
            return max(schedule(state) * (1 + spread), min(asked, self._policy.max_period))

        made = [False]

        async def look() -> bool:
            """The look that was made already, then new ones."""
            return made.pop() if made else await self._look()

        await AsyncRetrying(retry=retry_if_result(operator.not_), wait=gap, sleep=self._pause)(look)

    async def _pause(self, gap: float) -> None:
        """Wait for the next look; the last one falls just before the deadline."""
        last = self._run.deadline - max(LAST_LOOK, min(2 * self._lasted, 1.0)) - self._clock()
        # Once the last look is made there is nothing to do but to wait for the deadline.
        await asyncio.sleep(min(gap, last) if last > 0 else float("inf"))

    async def _look(self) -> bool:
        """Look once; whether the target is settled."""
        async with self._run.looks:
            result = await self._attempt()
        return self._note(result)

    async def _attempt(self) -> Result:
        look, began = Look(), self._clock()
        self._looks += 1
        limit = self._policy.attempt_timeout
        try:
            async with asyncio.timeout(limit) as bound:
                return await self._target.probe.attempt(look)
        except TimeoutError:
            if not bound.expired():
                raise
            return look.cut_short(format_duration(limit))
        except asyncio.CancelledError:
            lasted = self._clock() - began
            # One that was cut this soon knows less than the one before: it may only have been slow.
            if self._result is None or lasted > max(self._lasted, TELLING):
                self._result = look.cut_short(format_elapsed(lasted))
            raise
        finally:
            self._lasted = self._clock() - began

    def _note(self, result: Result) -> bool:
        """Take a result in; whether it settles the target."""
        same = self._result is not None and self._result.ready == result.ready
        self._run_length = self._run_length + 1 if same else 1
        self._result = result
        if result.ready and self._run_length >= self._policy.success_threshold:
            self.state = State.READY
        elif not result.ready and (
            result.cause in self._policy.fatal or self._run_length == self._policy.failure_threshold
        ):
            self.state = State.GAVE_UP
        self._ended = self._clock()
        report = self.report()
        self._run.emit(Looked(report))
        if self.state is State.READY:
            self._run.emit(Ready(report))
        elif not result.ready and self._is_news(result):
            self._run.emit(ReasonChanged(report))
        if self.state is State.GAVE_UP:
            self._run.emit(GaveUp(report))
        return self.state is not State.WAITING

    def _is_news(self, result: Result) -> bool:
        """Whether the reason differs from the last; one that comes and goes is told at times."""
        now, reason = self._clock(), (result.cause, result.detail)
        changed, self._reason = reason != self._reason, reason
        self._told = {told: at for told, at in self._told.items() if now - at < HEARTBEAT}
        if not changed or reason in self._told:
            return False
        self._told[reason] = now
        return True

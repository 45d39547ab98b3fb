"""Order, backoff, thresholds and deadline, in virtual time."""

import asyncio
import itertools
import resource
from dataclasses import dataclass, field

import pytest
from support.virtual import run_virtually

from waitfor import runner
from waitfor.events import Finished, GaveUp, Looked, Ready, ReasonChanged, StillWaiting
from waitfor.plan import Mode, Plan, Wait
from waitfor.policy import Policy
from waitfor.result import Cause, Outcome, Result, State
from waitfor.target import Target

READY = Result(Cause.READY, "it is there")
REFUSED = Result(Cause.REFUSED, "connection refused")
SILENT = Result(Cause.CONNECT_TIMEOUT, "no answer")


@dataclass
class Fake:
    """A probe that sees what the script says for the time since the first look of all.

    Attributes:
        see: seconds since the start to result.
        name: of the target.
        lasts: seconds that a look takes.
        looks: when each look began.
    """

    see: object
    name: str = "fake://a"
    lasts: float = 0.0
    looks: list[float] = field(default_factory=list)

    async def attempt(self, look):
        clock = asyncio.get_running_loop().time
        now = clock() - 1000
        self.looks.append(now)
        look.at(Cause.RESPONSE_TIMEOUT, "no answer yet", {"said": "by the look"})
        await asyncio.sleep(self.lasts)
        return self.see(clock() - 1000) if callable(self.see) else self.see


def from_second(second, before=REFUSED):
    """What is ready from a second on."""
    return lambda now: READY if now >= second else before


@dataclass
class Waited:
    report: object
    told: list
    seconds: float
    left: int

    def of(self, *kinds):
        return [(at, event) for at, event in self.told if isinstance(event, kinds)]


def plan(*probes, timeout=300.0, mode=Mode.SEQUENCE, **policy):
    """The plan for probes, all with one policy."""
    policies = Policy(**{"period": 0.05, "jitter": 0.0, **policy})
    return Plan(tuple(Wait(Target(p, "fake", {}), policies) for p in probes), mode, timeout)


def wait(*probes, **settings):
    """A whole wait; what it told and when, and how many tasks were left when it ended."""
    told = []

    async def main():
        clock = asyncio.get_running_loop().time
        report = await runner.run(
            plan(*probes, **settings), lambda event: told.append((clock() - 1000, event))
        )
        waited = Waited(report, told[:], clock() - 1000, len(asyncio.all_tasks()) - 1)
        # Nothing is told of a wait that is over.
        await asyncio.sleep(100)
        assert told == waited.told
        return waited

    return run_virtually(main())


def states(waited):
    """Where each target stood at the end."""
    return [target.state for target in waited.report.targets]


def test_ready_at_once():
    """What is ready at the first look costs no time, and is told with its look and its end."""
    waited = wait(Fake(READY))
    assert waited.seconds == 0
    assert [type(event) for _, event in waited.told] == [Looked, Ready, Finished]
    assert waited.report.outcome is Outcome.READY
    assert waited.report.targets[0].looks == 1


def test_one_after_another():
    """In sequence a target is not looked at before the one in front of it is ready."""
    first, second = Fake(from_second(5), "a"), Fake(from_second(1), "b")
    waited = wait(first, second)
    assert waited.report.ready
    assert second.looks == [first.looks[-1]]
    # Its time counts from its turn on.
    assert waited.report.targets[1].waited == 0


def test_one_deadline_over_all():
    """The deadline holds for the whole wait; a target whose turn never came says so."""
    never = Fake(READY, "c")
    waited = wait(Fake(from_second(6), "a"), Fake(REFUSED, "b"), never, timeout=10.0)
    assert waited.seconds == pytest.approx(10, abs=1e-6)
    assert waited.report.outcome is Outcome.DEADLINE
    assert states(waited) == [State.READY, State.WAITING, State.PENDING]
    pending = waited.report.targets[2]
    assert (pending.looks, pending.result, pending.waited, never.looks) == (0, None, 0, [])


@pytest.mark.parametrize("lasts", [0.0, 0.3, 1.7, 60.0])
@pytest.mark.parametrize("mode", Mode)
def test_exact_deadline(mode, lasts):
    """However long a look takes, the wait ends at the deadline, not at the end of the look."""
    waited = wait(Fake(REFUSED, lasts=lasts), Fake(REFUSED), timeout=10.0, mode=mode)
    assert waited.seconds == pytest.approx(10, abs=1e-6)
    assert waited.report.waited == pytest.approx(10, abs=1e-6)


def test_parallel():
    """In parallel all are looked at from the start; the wait ends with the last that is ready."""
    probes = [Fake(from_second(second), str(second)) for second in (3, 8, 1)]
    waited = wait(*probes, mode=Mode.PARALLEL)
    assert [probe.looks[0] for probe in probes] == [0, 0, 0]
    assert [event.target.target for _, event in waited.of(Ready)] == ["1", "3", "8"]
    assert waited.report.ready
    assert waited.seconds == probes[1].looks[-1]


def test_any():
    """With `any` the first that is ready ends the wait for all."""
    waited = wait(Fake(REFUSED), Fake(from_second(2)), Fake(from_second(4)), mode=Mode.ANY)
    assert waited.report.ready
    assert 2 <= waited.seconds < 2.3
    assert states(waited) == [State.WAITING, State.READY, State.WAITING]


@pytest.mark.parametrize(
    ("mode", "probes", "outcome", "expected"),
    [
        (Mode.SEQUENCE, (SILENT, READY), Outcome.GAVE_UP, [State.GAVE_UP, State.PENDING]),
        (Mode.PARALLEL, (SILENT, REFUSED), Outcome.GAVE_UP, [State.GAVE_UP, State.WAITING]),
        (Mode.ANY, (SILENT, from_second(3)), Outcome.READY, [State.GAVE_UP, State.READY]),
        (Mode.ANY, (SILENT, SILENT), Outcome.GAVE_UP, [State.GAVE_UP, State.GAVE_UP]),
    ],
)
def test_fatal_cause(mode, probes, outcome, expected):
    """A cause named fatal gives its target up at once; only `any` goes on with the others."""
    waited = wait(*map(Fake, probes), mode=mode, fatal=(Cause.CONNECT_TIMEOUT,))
    assert (waited.report.outcome, states(waited)) == (outcome, expected)
    at, event = waited.of(GaveUp)[0]
    assert (at, event.target.result) == (0, SILENT)


def test_gaps_grow():
    """Each gap is the one before times the factor, up to the longest."""
    probe = Fake(REFUSED)
    wait(probe, timeout=100.0)
    gaps = [b - a for a, b in itertools.pairwise(probe.looks)]
    expected = [min(0.05 * 1.1**number, 2.0) for number in range(len(gaps))]
    # The last gap is cut so that the last look falls just before the deadline.
    assert gaps[:-1] == pytest.approx(expected[:-1])
    assert gaps[-2] == pytest.approx(2.0)


def test_jitter():
    """Each gap varies by chance, up and down, within its share."""
    probe = Fake(REFUSED)
    wait(probe, timeout=2000.0, period=1.0, max_period=1.0, jitter=0.2)
    gaps = [b - a for a, b in itertools.pairwise(probe.looks)][:-1]
    assert 0.8 <= min(gaps) < 0.85
    assert 1.15 < max(gaps) <= 1.2


@pytest.mark.parametrize("second", [0.3, 1.0, 3.0, 10.0, 15.0])
def test_waiting_costs_at_most_a_tenth(second):
    """A ready target is seen within a tenth of the time that passed, and the first gap."""
    waited = wait(Fake(from_second(second)))
    assert waited.seconds - second <= 0.1 * second + 0.05 + 1e-6


@pytest.mark.parametrize(
    ("retry_after", "gap"), [(None, 0.05), (0.01, 0.05), (1.5, 1.5), (7.0, 2.0), (1e9, 2.0)]
)
def test_retry_after(retry_after, gap):
    """A look that says when asking again is useful is heeded, up to the longest gap."""
    probe = Fake(Result(Cause.STATUS, "status 503", {}, retry_after))
    wait(probe, timeout=10.0)
    assert probe.looks[1] == pytest.approx(gap)


def test_success_threshold():
    """As many looks in a row as asked for must find the target ready; one that fails restarts."""
    see = iter([READY, READY, REFUSED, READY, READY, READY])
    waited = wait(Fake(lambda _: next(see)), success_threshold=3)
    assert waited.report.ready
    assert waited.report.targets[0].looks == 6
    assert len(waited.of(Ready)) == 1


def test_failure_threshold():
    """So many failed looks in a row, whatever their reasons, give the target up."""
    see = iter([REFUSED, READY, SILENT, REFUSED, SILENT, READY])
    waited = wait(Fake(lambda _: next(see)), success_threshold=2, failure_threshold=3)
    assert waited.report.outcome is Outcome.GAVE_UP
    assert waited.report.targets[0].looks == 5
    assert waited.report.targets[0].result is SILENT


def test_initial_delay():
    """Nothing is looked at during the initial delay of a target, which begins with its turn."""
    first, second = Fake(READY), Fake(READY)
    assert wait(first, second, initial_delay=4.0).report.ready
    assert (first.looks, second.looks) == ([4], [8])


def test_attempt_timeout():
    """A look that takes too long is cut, and tells what it was waiting for."""
    waited = wait(Fake(READY, lasts=10.0), timeout=7.0, attempt_timeout=2.0)
    at, event = waited.of(ReasonChanged)[0]
    assert at == pytest.approx(2.0)
    assert event.target.result == Result(
        Cause.RESPONSE_TIMEOUT, "no answer yet within 2s", {"said": "by the look"}
    )


@pytest.mark.parametrize("lasts", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("period", [0.001, 0.05, 2.0])
def test_last_look_just_before_the_deadline(period, lasts):
    """The last look begins so late that it can just end, and no spin comes with it."""
    probe = Fake(REFUSED, lasts=lasts)
    wait(probe, timeout=10.0, period=period)
    room = max(0.05, 2 * lasts)
    assert 10 - room - lasts - 1e-6 <= probe.looks[-1] <= 10 - room + 1e-6
    assert len([look for look in probe.looks if look > 9.9]) <= 2


def test_ready_just_before_the_deadline():
    """What becomes ready while a gap goes on is seen by the last look before the deadline."""
    waited = wait(Fake(from_second(9.9)), timeout=10.0, period=2.0)
    assert waited.report.ready
    assert waited.seconds == pytest.approx(9.95)


def test_deadline_shorter_than_a_gap():
    """With less time than one gap there is the first look and the deadline."""
    probe = Fake(REFUSED)
    assert wait(probe, timeout=0.02).seconds == pytest.approx(0.02)
    assert probe.looks == [0]


@pytest.mark.parametrize(
    ("lasts", "words"),
    [
        (lambda number: 60.0, "no answer yet within 4.5s"),
        (lambda number: 0.0 if number == 0 else 60.0, "no answer yet within 2.5s"),
        (lambda number: 2.0, "connection refused"),
    ],
    ids=["first look", "longer than the one before", "shorter than the one before"],
)
def test_look_cut_by_the_deadline(lasts, words):
    """A look that the deadline cuts gives the reason, unless the one before took longer."""

    class Changing(Fake):
        async def attempt(self, look):
            self.lasts = lasts(len(self.looks))
            return await super().attempt(look)

    settings = {"attempt_timeout": 10.0, "period": 2.0}
    waited = wait(Changing(REFUSED), timeout=4.5, **settings)
    assert waited.report.targets[0].result.detail == words


def test_reason_is_told_when_it_changes():
    """A reason is told once, however long it stays, and again only when another took its place."""
    waited = wait(
        Fake(lambda now: REFUSED if now < 10 or now >= 50 else SILENT), timeout=60.0, period=1.0
    )
    told = waited.of(ReasonChanged)
    assert [event.target.result for _, event in told] == [REFUSED, SILENT, REFUSED]
    assert [at for at, _ in told] == pytest.approx([0, 10, 50], abs=2.2)


def test_reasons_that_take_turns():
    """Reasons that come and go at every look are told at most every half minute each."""
    see = itertools.cycle([REFUSED, SILENT])
    waited = wait(Fake(lambda _: next(see)), timeout=100.0)
    for reason in (REFUSED, SILENT):
        times = [at for at, event in waited.of(ReasonChanged) if event.target.result is reason]
        assert 3 <= len(times) <= 4
        assert all(b - a >= 30 for a, b in itertools.pairwise(times))


def test_heartbeat():
    """After every half minute of silence the wait says what it is waiting for, and why."""
    probes = [Fake(from_second(40), "a"), Fake(REFUSED, "b")]
    waited = wait(*probes, timeout=120.0, mode=Mode.PARALLEL)
    beats = waited.of(StillWaiting)
    (ready,) = (at for at, _ in waited.of(Ready))
    assert [at for at, _ in beats] == pytest.approx([30, ready + 30, ready + 60])
    assert [[t.target for t in event.targets] for _, event in beats] == [["a", "b"], ["b"], ["b"]]
    assert beats[0][1].waited == pytest.approx(30)
    assert beats[0][1].targets[0].result is REFUSED


def test_wait_for_ever():
    """A timeout of 0 is no deadline."""
    waited = wait(Fake(from_second(20_000)), timeout=0.0)
    assert waited.report.ready
    assert 20_000 <= waited.seconds < 20_003


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("second", [0.0, 3.3])
def test_cancelled(mode, second):
    """Whoever cancels the wait still gets all events, with the signal's name, and no report."""
    told = []

    async def main():
        probes = plan(Fake(REFUSED, lasts=2.0), Fake(SILENT), mode=mode)
        task = asyncio.ensure_future(runner.run(probes, told.append))
        await asyncio.sleep(second)
        task.cancel("SIGTERM")
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks()) - 1

    assert run_virtually(main()) == 0
    report = told[-1].report
    assert (report.outcome, report.signal) == (Outcome.INTERRUPTED, "SIGTERM")
    assert report.waited == pytest.approx(second)
    assert report.targets[0].state is State.WAITING


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("error", [KeyError("ours"), TimeoutError("not from our clock")])
def test_bug_of_a_probe(mode, error):
    """An exception of a probe is a bug, and ends the wait as it is."""

    def see(now):
        if now > 1:
            raise error
        return REFUSED

    with pytest.raises(type(error)) as raised:
        wait(Fake(see), Fake(SILENT), mode=mode)
    assert raised.value is error


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("settings", [{}, {"timeout": 5.0}, {"fatal": (Cause.REFUSED,)}])
def test_no_task_is_left(mode, settings):
    """However a wait ends, nothing of it runs on in its caller's event loop."""
    probes = [Fake(from_second(2)), Fake(from_second(20, SILENT), lasts=1.0)]
    assert wait(*probes, mode=mode, **settings).left == 0


@pytest.mark.parametrize(
    ("found", "refuses", "during", "at_once"),
    [
        ((1024, 4096), False, 1024, 100),
        ((256, 4096), False, 464, 100),
        ((256, resource.RLIM_INFINITY), False, 464, 100),
        ((256, resource.RLIM_INFINITY), True, 256, 48),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), False, resource.RLIM_INFINITY, 100),
        ((80, 80), False, 80, 4),
        ((20, 20), False, 20, 1),
    ],
)
def test_open_files(monkeypatch, found, refuses, during, at_once):
    """As many looks go on at once as may have files open; more may while the wait lasts."""
    limits = [found]
    running = []

    def set_limits(_, wanted):
        if refuses:
            raise ValueError("not allowed to raise maximum limit")
        limits.append(wanted)

    class Counting(Fake):
        async def attempt(self, look):
            running.append(running[-1] + 1 if running else 1)
            assert limits[-1][0] == during
            result = await super().attempt(look)
            running.append(running[-1] - 1)
            return result

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", set_limits)
    waited = wait(*(Counting(READY, lasts=0.1) for _ in range(100)), mode=Mode.PARALLEL)
    assert waited.report.ready
    assert limits[-1] == found
    assert max(running) == at_once


def test_listener_that_fails_at_a_heartbeat():
    """An error of whoever is told is raised, also when a timer told it."""

    async def main():
        def listen(event):
            if isinstance(event, StillWaiting):
                raise LookupError("listener")

        await runner.run(plan(Fake(REFUSED), timeout=300.0), listen)

    with pytest.raises(LookupError, match="listener"):
        run_virtually(main())

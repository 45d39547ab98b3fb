"""The staggered race, in virtual time."""

import asyncio

import pytest
from support.virtual import run_virtually

from waitfor.probes._race import first_of


class Lost(Exception):
    pass


def runner(log, name, seconds, outcome=None):
    """Something that starts, takes its time, and then gives its name or raises."""

    async def start():
        loop = asyncio.get_running_loop()
        log.append((name, loop.time() - 1000))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.append((name, "cancelled"))
            raise
        if outcome:
            raise outcome
        return name

    return start


def race(log, *runners, delay=1.0, **options):
    """Who wins among runners; what happens goes to the log."""
    return run_virtually(
        first_of(
            [runner(log, *each) for each in runners],
            delay=delay,
            failure=Lost,
            failed=lambda error: log.append(("failed", error.args[0])),
            **options,
        )
    )


def test_nobody():
    """Where nobody starts nobody wins."""
    assert race([]) is None


def test_first_wins_alone():
    """Who is quick enough wins before the next one starts."""
    log = []
    assert race(log, ("a", 0.9), ("b", 0)) == "a"
    assert log == [("a", 0.0)]


def test_next_starts_when_one_is_slow():
    """The next starts after the delay; who was overtaken is cancelled."""
    log = []
    assert race(log, ("a", 9), ("b", 9), ("c", 0.5)) == "c"
    assert log[:3] == [("a", 0.0), ("b", 1.0), ("c", 2.0)]
    assert sorted(log[3:]) == [("a", "cancelled"), ("b", "cancelled")]


def test_slow_one_may_still_win():
    """Who is slow runs on beside the next one."""
    assert race([], ("a", 1.5), ("b", 9)) == "a"


def test_next_starts_at_once_when_one_fails():
    """A failure is told at once, and nobody waits for the rest of the delay."""
    log = []
    assert race(log, ("a", 0.25, Lost("a")), ("b", 0.25)) == "b"
    assert log == [("a", 0.0), ("failed", "a"), ("b", 0.25)]


def test_all_fail():
    """When all have failed, each was told and there is no winner."""
    log = []
    assert race(log, ("a", 5, Lost("a")), ("b", 0, Lost("b"))) is None
    assert [each for each in log if each[0] == "failed"] == [("failed", "b"), ("failed", "a")]


def test_dead_heat():
    """Of two results at one moment one wins and the other is dropped."""
    dropped = []
    winner = race([], ("a", 2), ("b", 1), drop=dropped.append)
    assert sorted([winner, *dropped]) == ["a", "b"]


def test_bug_is_no_failure():
    """Any other error is raised, and nobody runs on."""
    log = []
    with pytest.raises(ZeroDivisionError):
        race(log, ("a", 9), ("b", 0, ZeroDivisionError()))
    assert log[-1] == ("a", "cancelled")


@pytest.mark.parametrize("outcome", [None, Lost("a")])
def test_cancelled_as_one_ends(outcome):
    """A result that comes as the race is cancelled is dropped, an error is not left unheard."""
    dropped, complaints = [], []

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        ended = asyncio.Event()

        async def start():
            ended.set()
            if outcome:
                raise outcome
            return "a"

        task = asyncio.ensure_future(
            first_of([start], delay=1, failure=Lost, failed=complaints.append, drop=dropped.append)
        )
        await ended.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(main())
    assert dropped == ([] if outcome else ["a"])
    assert complaints == []

"""The library: the same waits from Python."""

import asyncio
import pickle
import re
import threading

import pytest
from support.servers import TcpServer, free_port
from support.virtual import run_virtually

from waitfor import InvalidTarget, NotReady, Outcome, State, wait_for, wait_for_async
from waitfor.api import Settings, _plan
from waitfor.events import Finished, Looked, Ready
from waitfor.options import options
from waitfor.plan import Mode, Plan
from waitfor.policy import Policy


def test_a_wait_returns_its_report():
    """What was found of each target, in the order given."""
    with TcpServer() as one, TcpServer(after=0.1) as other:
        targets = [f"127.0.0.1:{one.port}", f"tcp://127.0.0.1:{other.port}#period=10ms"]
        report = wait_for(*targets, timeout="10s")
    assert report.ready
    assert report.outcome is Outcome.READY
    assert [target.state for target in report.targets] == [State.READY] * 2
    assert report.targets[1].looks > 1
    assert report.timeout == 10


def test_a_wait_that_fails_raises_its_report():
    """The error says how it ended and why, and carries all the rest."""
    port = free_port()
    with pytest.raises(NotReady, match=f"connection refused by 127.0.0.1:{port}") as error:
        wait_for(f"127.0.0.1:{port}", "never:1", timeout=0.2)
    report = error.value.report
    assert report.outcome is Outcome.DEADLINE
    assert [target.state for target in report.targets] == [State.WAITING, State.PENDING]
    assert 0.2 <= report.waited < 0.4
    assert error.value.__context__ is None


def test_a_cause_named_fatal_ends_the_wait():
    """In a list, or alone."""
    port = free_port()
    for fatal in (["reset", "refused"], "refused"):
        with pytest.raises(NotReady) as error:
            wait_for(f"127.0.0.1:{port}", fatal=fatal)
        assert error.value.report.outcome is Outcome.GAVE_UP


def test_events_are_told_in_order():
    """The same ones that the command prints."""
    events = []
    with TcpServer() as server:
        report = wait_for(f"127.0.0.1:{server.port}", on_event=events.append)
    assert [type(event) for event in events] == [Looked, Ready, Finished]
    assert events[-1].report == report


def test_an_error_of_a_listener_ends_the_wait():
    """It is the caller's, so it gets to the caller."""

    def listen(event):
        raise LookupError("mine")

    with TcpServer() as server, pytest.raises(LookupError, match="mine"):
        wait_for(f"127.0.0.1:{server.port}", on_event=listen)


def test_inside_a_loop_the_wait_is_awaited():
    """wait_for() there says so, and leaves no coroutine behind."""

    async def main():
        with pytest.raises(RuntimeError, match="await wait_for_async"):
            wait_for("x:1")
        with TcpServer() as server:
            return await wait_for_async(f"127.0.0.1:{server.port}")

    assert asyncio.run(main()).ready


def test_a_wait_can_be_cancelled():
    """As any coroutine, within its caller's own bounds."""
    port = free_port()
    events = []

    async def main():
        async with asyncio.timeout(0.1):
            await wait_for_async(f"127.0.0.1:{port}", on_event=events.append)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert events[-1].report.outcome is Outcome.INTERRUPTED


def test_several_threads_wait_at_once():
    """No signal handler, no global state."""
    reports = []
    with TcpServer(after=0.1) as server:

        def wait():
            reports.append(wait_for(f"127.0.0.1:{server.port}", timeout=10))

        threads = [threading.Thread(target=wait) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert [report.ready for report in reports] == [True] * 8


def test_several_waits_share_a_loop():
    """Each with its own deadline."""

    async def main():
        waits = [wait_for_async("127.0.0.1:1", timeout=seconds) for seconds in (1, 3600)]
        return await asyncio.gather(*waits, return_exceptions=True)

    found = run_virtually(main())
    assert [round(error.report.waited) for error in found] == [1, 3600]


def test_the_environment_does_not_matter(monkeypatch):
    """A library does what its caller says."""
    monkeypatch.setenv("WAITFOR_TARGETS", "never:1")
    monkeypatch.setenv("WAITFOR_TIMEOUT", "soon")
    with pytest.raises(InvalidTarget, match="no target"):
        wait_for()


def test_every_option_is_a_setting():
    """Those of the whole wait and those of each target, under the names of their fields."""
    fields = {about.field for kind in (Plan, Policy) for about in options(kind).values()}
    assert fields | {"parallel", "any", "on_event"} == set(Settings.__annotations__)
    for name in fields:
        assert re.search(rf"^ +{name}: ", Settings.__doc__, re.MULTILINE)


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ({"timeout": 0}, 0),
        ({"timeout": 1.5}, 1.5),
        ({"timeout": "2m"}, 120),
        ({"period": 0.001}, 0.001),
        ({"period": "1ms"}, 0.001),
        ({"initial_delay": 2}, 2),
        ({"jitter": 0.25}, 0.25),
        ({"jitter": 0}, 0),
        ({"jitter": 1}, 1),
        ({"jitter": "25%"}, 0.25),
        ({"backoff": 2}, 2),
        ({"backoff": 1.05}, 1.05),
        ({"success_threshold": 3}, 3),
        ({"failure_threshold": "3"}, 3),
        ({"fatal": ("reset",)}, ("reset",)),
    ],
)
def test_settings_are_numbers_or_texts(setting, read):
    """Seconds as a number, or a duration as on the command line."""
    plan = _plan(("x:1",), setting)
    (name,) = setting
    assert getattr(plan if name == "timeout" else plan.waits[0].policy, name) == pytest.approx(read)


def test_the_defaults_are_those_of_the_command():
    """One after another, for five minutes."""
    plan = _plan(("x:1",), {})
    assert (plan.timeout, plan.mode) == (300, Mode.SEQUENCE)
    assert _plan(("x:1",), {"parallel": True}).mode is Mode.PARALLEL
    assert _plan(("x:1",), {"any": True, "parallel": True}).mode is Mode.ANY


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"timeout": -1}, "timeout: '-1' is not a duration"),
        ({"timeout": float("inf")}, "timeout: 'inf' is not a duration"),
        ({"timeout": float("nan")}, "timeout: 'nan' is not a duration"),
        ({"timeout": None}, "timeout: 'None' is not a duration"),
        ({"timeout": True}, "timeout: 'True' is not a duration"),
        ({"timeout": "soon"}, "timeout: 'soon' is not a duration"),
        ({"timeout": 1e12}, "timeout: .* is not a duration"),
        ({"period": 0}, "period: '0' must be more than 0"),
        ({"period": 1e-9}, "period: .* must be more than 0"),
        ({"jitter": 2}, "jitter: .* is not a percentage"),
        ({"backoff": 0.5}, "backoff: .* is not a factor"),
        ({"success_threshold": 0}, "success_threshold: '0' is not a count"),
        ({"success_threshold": 1.5}, "success_threshold: .* is not a count"),
        ({"fatal": ["nxdomian"]}, "fatal: 'nxdomian' is not a cause: did you mean nxdomain?"),
        ({"period": 5, "max_period": 1}, "period 5s is longer than max-period 1s"),
    ],
)
def test_settings_have_the_limits_of_the_command(setting, words):
    """Refused before anything is sent, by the name of the setting."""
    with pytest.raises(InvalidTarget, match=words):
        wait_for("127.0.0.1:1", **setting)


@pytest.mark.parametrize(
    ("targets", "settings", "words"),
    [
        ((["a:1", "b:1"],), {}, "a target is a string, not list"),
        ((None,), {}, "a target is a string, not NoneType"),
        (("a:1",), {"tiemout": 1}, "unexpected keyword argument 'tiemout'"),
        (("a:1",), {"fatal": 1}, "not iterable"),
    ],
)
def test_what_is_of_the_wrong_type_is_a_type_error(targets, settings, words):
    """As with any function."""
    with pytest.raises(TypeError, match=words):
        wait_for(*targets, **settings)


def test_not_ready_can_be_handed_on():
    """A NotReady survives pickling, as between the processes of a pool."""
    with pytest.raises(NotReady) as caught:
        wait_for(f"127.0.0.1:{free_port()}", timeout=0.1)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.report == caught.value.report
    assert str(copy) == str(caught.value)


def test_a_rest_of_time_is_not_for_ever():
    """However short a timeout is, it is one; and no listener is none."""
    with pytest.raises(NotReady):
        wait_for(f"127.0.0.1:{free_port()}", timeout=1e-9, on_event=None)

"""The whole wait, merged from all sources."""

import pytest

from waitfor.plan import Mode, make_plan
from waitfor.result import InvalidTarget


def test_a_plan_keeps_the_order_of_the_targets():
    """Twice the same is looked at twice."""
    plan = make_plan(["b:1", "a:1", "b:1"], policy={})
    assert [wait.target.name for wait in plan.waits] == ["tcp://b:1", "tcp://a:1", "tcp://b:1"]
    assert (plan.mode, plan.timeout) == (Mode.SEQUENCE, 300.0)


@pytest.mark.parametrize(
    ("target", "period"), [("a:1", 0.05), ("http://a", 0.1), ("https://a", 0.1), ("dns://a", 0.2)]
)
def test_each_kind_has_its_first_gap(target, period):
    """A look at DNS is up to eight queries, one at a port is a packet."""
    (wait,) = make_plan([target], policy={}).waits
    assert wait.policy.period == period


@pytest.mark.parametrize(
    ("targets", "timeout", "policy", "words"),
    [
        ([], 300, {}, "no target: write tcp://HOST:PORT, dns://NAME or http://HOST/PATH"),
        (["a:1", "x"], 300, {}, "'x': the port is missing"),
        (["a:1#hold=5s"], 300, {}, "'tcp://a:1': hold 5s does not fit into attempt-timeout 5s"),
        (["a:1#hold=1s"], 300, {"attempt_timeout": 1.0}, "does not fit into attempt-timeout 1s"),
        (["a:1#initial-delay=1m"], 60, {}, "initial-delay 1m does not fit into timeout 1m"),
        (["a:1"], 1, {"initial_delay": 2.0}, "initial-delay 2s does not fit into timeout 1s"),
    ],
)
def test_what_cannot_be_is_refused(targets, timeout, policy, words):
    """Settings that contradict each other end the plan, in the words of the command line."""
    with pytest.raises(InvalidTarget, match=words):
        make_plan(targets, timeout=timeout, policy=policy)


def test_a_wait_for_ever_takes_any_initial_delay():
    """A timeout of 0 is none."""
    assert make_plan(["a:1#initial-delay=1h"], timeout=0, policy={}).timeout == 0


@pytest.mark.parametrize(
    ("target", "timeout", "words"),
    [
        ("a:1#hold=5s", 60.0, "hold 5s does not fit into attempt-timeout 5s"),
        ("a:1#hold=3s", 2.0, "hold 3s does not fit into timeout 2s"),
        ("a:1#initial-delay=2s", 2.0, "initial-delay 2s does not fit into timeout 2s"),
    ],
)
def test_what_can_never_be(target, timeout, words):
    """A wait that cannot end well is refused: a look or a pause that is longer than its bound."""
    with pytest.raises(InvalidTarget, match=words):
        make_plan([target], timeout=timeout, policy={})
    assert make_plan([target + ",attempt-timeout=9s"], timeout=0, policy={})

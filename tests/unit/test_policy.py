"""How a target is waited for: what wins, and what contradicts itself."""

import pytest

from waitfor.policy import Policy


def test_what_a_target_sets_for_itself_wins():
    """Then comes what is set for all, then the default."""
    policy = Policy.merge(
        {"period": 1.0, "backoff": 2.0}, {"period": 0.5, "success_threshold": 3}, 0.1
    )
    assert (policy.period, policy.backoff, policy.success_threshold) == (0.5, 2.0, 3)
    assert (policy.attempt_timeout, policy.max_period, policy.jitter) == (5.0, 2.0, 0.1)


def test_the_period_is_the_kind_s_when_nobody_sets_one():
    """Cut to the longest gap, if that is shorter."""
    assert Policy.merge({}, {}, 0.05).period == 0.05
    assert Policy.merge({"max_period": 0.02}, {}, 0.05).period == 0.02


def test_a_period_that_somebody_sets_raises_the_longest_gap():
    """period=10s alone means a look each ten seconds."""
    policy = Policy.merge({"period": 10.0}, {}, 0.05)
    assert (policy.period, policy.max_period) == (10.0, 10.0)


def test_a_period_longer_than_the_longest_gap_is_refused():
    """Both were set, and cannot both be meant."""
    with pytest.raises(ValueError, match="period 10s is longer than max-period 2s"):
        Policy.merge({"max_period": 2.0}, {"period": 10.0}, 0.05)

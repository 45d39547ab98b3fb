"""Hints: the fix in sight."""

import re

import pytest

from waitfor.hints import HINTS
from waitfor.options import options
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.result import Cause


@pytest.mark.parametrize(
    "cause",
    [
        Cause.NXDOMAIN,
        Cause.NO_RECORDS,
        Cause.TOO_FEW_RECORDS,
        Cause.REFUSED,
        Cause.CONNECT_TIMEOUT,
        Cause.DNS_TIMEOUT,
        Cause.LOOKUP_TIMEOUT,
        Cause.LOOKUP_FAILED,
        Cause.TLS_VERIFY,
    ],
)
def test_what_kubernetes_users_meet_has_a_hint(cause):
    """The usual faults of a pod that waits each have a hint."""
    assert HINTS[cause]


def test_ready_has_no_hint():
    """Nothing is to be done about a target that is ready."""
    assert Cause.READY not in HINTS


def test_hints_are_short_lines():
    """A hint is one printable clause that fits twice on a terminal's line."""
    for hint in HINTS.values():
        assert hint.isprintable()
        assert len(hint) <= 160
        assert not hint.endswith(".")
        assert not hint[0].isupper()


def test_hints_name_only_options_that_exist():
    """An option that a hint recommends is an option of some kind of target."""
    known = set(options(Policy)).union(*(options(probe_class(each)) for each in SCHEMES))
    named = {name for hint in HINTS.values() for name in re.findall(r"(?<![\w-])([a-z-]+)=", hint)}
    named |= {word for hint in HINTS.values() for word in re.findall(r"attempt-\w+", hint)}
    assert named <= known
    assert {"ca", "host", "attempt-timeout"} <= named

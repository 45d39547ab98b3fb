"""One string is one target."""

import pytest

from waitfor.options import options
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.result import InvalidTarget
from waitfor.target import parse_target


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mydb:5432", "tcp://mydb:5432"),
        ("TCP://mydb:5432/", "tcp://mydb:5432"),
        ("[::1]:80", "tcp://[::1]:80"),
        ("http:8080", "tcp://http:8080"),
        ("dns:53", "tcp://dns:53"),
        ("dns://mydb", "dns://mydb"),
        ("dns://mydb/", "dns://mydb"),
        ("dns://10.0.0.1/mydb", "dns://10.0.0.1/mydb"),
        ("dns://10.0.0.1:5353/mydb.", "dns://10.0.0.1:5353/mydb."),
        ("dns://[fd00::1]/mydb", "dns://[fd00::1]/mydb"),
        ("dns://[fd00::1]:5353/mydb", "dns://[fd00::1]:5353/mydb"),
        ("http://api", "http://api/"),
        ("http://api:80/x", "http://api/x"),
        ("https://api:443?x=1", "https://api/?x=***"),
        ("https://api:80/", "https://api:80/"),
        ("http://[::1]:8080/x/y", "http://[::1]:8080/x/y"),
        ("http://münchen/", "http://xn--mnchen-3ya/"),
        ("http://u:p@api/", "http://***@api/"),
        ("http://a@b:c@api/", "http://***@api/"),
        ("http://api/@scope/x", "http://api/@scope/x"),
    ],
)
def test_a_target_is_named_by_its_url(text, name):
    """The name is the URL without options, with what may be secret masked."""
    target = parse_target(text)
    assert target.name == name
    assert target.kind == name.partition(":")[0]


def test_values_are_percent_decoded_and_repeatable_keys_gather():
    """%2C is a comma, %23 a hash, + is a plus; order counts."""
    probe = parse_target("http://x/#contains=a%2Cb,contains=c%23d+e,contains==").probe
    assert probe.contains == ("a,b", "c#d+e", "=")


def test_a_fragment_may_hold_another_hash_and_the_query_is_kept():
    """Only the first # begins the options; the query is the application's."""
    probe = parse_target("http://x/p?contains=1&a=b#contains=#1").probe
    assert (probe.path, probe.query, probe.contains) == ("/p", "contains=1&a=b", ("#1",))


def test_keys_of_a_probe_and_of_how_it_is_waited_for_are_told_apart():
    """Both stand side by side in a fragment, in any order."""
    target = parse_target("tcp://x:1#period=2s,expect=OK,fatal=reset,fatal=refused,hold=1s")
    assert target.policy == {"period": 2.0, "fatal": ("reset", "refused")}
    assert (target.probe.expect, target.probe.hold) == ("OK", 1.0)


@pytest.mark.parametrize("name", list(options(Policy)))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_option_of_a_policy_is_a_key_of_every_target(scheme, name):
    """Timing and thresholds can be set for one target alone."""
    about = options(Policy)[name]
    value = {"fatal": "reset", "jitter": "3%", "backoff": "2"}.get(name, "3")
    target = parse_target(f"{scheme}://x:1/x#{name}={value}".replace("tcp://x:1/x", "x:1"))
    assert list(target.policy) == [about.field]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_examples_of_a_kind_are_targets(scheme):
    """What the reference page shows can be waited for; files apart, which are the reader's."""
    for text, _ in probe_class(scheme).EXAMPLES:
        if "ca=" not in text:
            assert parse_target(text).kind in SCHEMES


def test_the_first_fault_is_told():
    """Not the last, so that mending one after another goes from left to right."""
    with pytest.raises(InvalidTarget, match="no option 'x'"):
        parse_target("tcp://db:1#x=1,y=2,period")


@pytest.mark.parametrize("text", ["http://u:7/x@api/", "http://u:x#y@api/", "http://u:x?y@api/"])
def test_a_password_that_nobody_encoded_is_told_how(text):
    """What looks like a port or an option is rather a piece of a password."""
    with pytest.raises(InvalidTarget, match=r"/ [?] # and @ are written %2F %3F %23 and %40$"):
        parse_target(text)


def test_an_invalid_target_is_a_value_error_without_a_trail():
    """The errors of parsers stay out of the traceback of a program that uses the library."""
    with pytest.raises(ValueError, match="unknown scheme") as error:
        parse_target("x://y")
    assert isinstance(error.value, InvalidTarget)
    assert error.value.__suppress_context__

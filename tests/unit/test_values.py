"""Text to value and back."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waitfor import values
from waitfor.values import (
    closest,
    duration,
    enumerate_some,
    format_duration,
    format_elapsed,
    format_percentage,
    host_port,
    hostname,
    nearest,
    percentage,
    split_host_port,
    status,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("10", 10),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("10s", 10),
        ("2m", 120),
        ("1h30m", 5400),
        ("1m30.5s", 90.5),
        ("8760h", values.LONGEST),
    ],
)
def test_a_duration_is_read(text, seconds):
    """Durations are written with units, or as a bare number of seconds."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "5 s", "-1", "+1", "1h30", "5min", "1d", "s", ".5", "5.", "1e3", "inf", "nan"],
        *["1_000", "0x5", "5S", "5s ", "\n5s", "9" * 5000, "1,5s", "PT5S", "٣s"],
    ],
)
def test_what_is_no_duration_is_refused(text):
    """Everything else is refused with the forms there are, however long it is."""
    with pytest.raises(ValueError, match="is not a duration: write 500ms, 10s, 2m or 1h30m") as e:
        duration(text)
    assert len(str(e.value)) < 200


@pytest.mark.parametrize("text", ["8761h", "31536001", "999999999"])
def test_a_duration_past_a_year_is_refused(text):
    """More than a year is a slip of the unit, and would overflow timers."""
    with pytest.raises(ValueError, match="longer than a year"):
        duration(text)


@given(st.integers(0, int(values.LONGEST * 1000)))
def test_a_duration_survives_being_written(milliseconds):
    """What is shown of a duration reads as the same one, to the millisecond."""
    seconds = milliseconds / 1000
    assert duration(format_duration(seconds)) == pytest.approx(seconds, abs=0.0005)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.05, "50ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (60, "1m"),
        (90, "1m30s"),
        (5400, "1h30m"),
        (59.9999, "1m"),
        (3599.9999, "1h"),
        (0.0001, "0.1ms"),
        (0.9999999, "999.9999ms"),
    ],
)
def test_a_duration_is_written_as_people_do(seconds, text):
    """The biggest units first, and no unit that is zero."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (0.26, "0.3s"),
        (59.9, "59.9s"),
        (59.96, "1m00s"),
        (61, "1m01s"),
        (3600, "1h00m00s"),
    ],
)
def test_a_measured_time_is_written_with_its_precision(seconds, text):
    """Tenths matter below a minute only."""
    assert format_elapsed(seconds) == text


@given(st.integers(0, 1_000_000))
def test_a_percentage_survives_being_written(share):
    """What is shown of a percentage reads as the same one."""
    assert percentage(format_percentage(share / 1_000_000)) == pytest.approx(share / 1_000_000)


@pytest.mark.parametrize("text", ["", "10", "%", "-1%", "101%", "100.1%", "1e1%", "10 %", "٣%"])
def test_what_is_no_percentage_is_refused(text):
    """A share is written with its percent sign, so that 0.1 cannot mean two things."""
    with pytest.raises(ValueError, match="write 0% to 100%"):
        percentage(text)


@given(st.integers(100, 599), st.integers(100, 599))
def test_a_status_range_survives_being_written(one, other):
    """A range holds its ends, and nothing outside."""
    first, last = sorted((one, other))
    found = status(f"{first}-{last}")
    assert status(str(found)) == found
    assert first in found
    assert last in found
    assert first - 1 not in found
    assert last + 1 not in found


@pytest.mark.parametrize("text", ["2xx", "2XX", "200-299"])
def test_a_class_of_statuses_is_a_range(text):
    """2xx is 200 to 299."""
    assert status(text) == (200, 299)


@pytest.mark.parametrize(
    "text", ["", "xx", "6xx", "0xx", "99", "600", "1000", "300-200", "2-3", "200-"]
)
def test_what_is_no_status_is_refused(text):
    """Codes are from 100 to 599, the lower one first."""
    with pytest.raises(ValueError, match="write 404, 200-299 or 2xx"):
        status(text)


@pytest.mark.parametrize("read", [values.count, values.natural])
def test_a_count_is_a_whole_number(read):
    """No sign, no fraction, no other digits; a count begins at 1."""
    assert read("7") == 7
    for text in ("", "-1", "+1", "1.0", "1e3", "٣", " 1", "9" * 5000):
        with pytest.raises(ValueError, match="write a whole number from"):
            read(text)


@given(st.integers(1, 65535))
def test_a_port_is_a_number_to_65535(port):
    """Each port is read, and nothing beside."""
    assert split_host_port(f"db:{port}") == ("db", port)


label = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)


@given(st.lists(label, min_size=1, max_size=5).map(".".join), st.booleans())
def test_a_host_name_is_kept_as_it_is(name, dot):
    """An ASCII name is not changed; the dot at its end stays."""
    text = name + "." * dot
    if values.ip_family(name) is None and not all(part.isdigit() for part in name.split(".")):
        assert hostname(text) == text


def test_other_scripts_are_written_in_ascii():
    """IDNA, in UTS 46's reading: case and width do not matter."""
    assert hostname("münchen.example") == "xn--mnchen-3ya.example"
    assert hostname("MÜNCHEN.example.") == "xn--mnchen-3ya.example."
    assert hostname("例え。テスト") == "xn--r8jz45g.xn--zckzah"


@given(st.ip_addresses())
def test_an_address_survives_being_written_with_a_port(address):
    """IPv6 stands in brackets, IPv4 does not."""
    assert split_host_port(host_port(str(address), 80)) == (str(address), 80)


@pytest.mark.parametrize("text", ["[fe80::1%25eth0]:1", "[fe80::1%eth0]:1"])
def test_a_zone_is_read_in_both_forms(text):
    """%25 as in a URL (RFC 6874) and % as everywhere else."""
    assert split_host_port(text) == ("fe80::1%eth0", 1)


def test_a_family_is_that_of_an_address():
    """A name has none."""
    assert values.ip_family("127.0.0.1") is socket.AF_INET
    assert values.ip_family("::1") is socket.AF_INET6
    assert values.ip_family("localhost") is None
    assert values.ip_family("127.1") is None
    assert values.ip_family("1\0") is None


def test_the_nearest_word_is_suggested():
    """The known word that is meant, whatever its case, and all that are known."""
    known = ["GET", "HEAD", "POST"]
    assert nearest("GTE", known) == "did you mean GET? known: GET, HEAD, POST"
    assert nearest("head", known).startswith("did you mean HEAD?")
    assert nearest("frobnicate", known) == "known: GET, HEAD, POST"
    assert closest("", known) is None


def test_a_long_list_is_cut():
    """Past the limit the rest is counted."""
    assert enumerate_some("abcd") == "a, b, c, d"
    assert enumerate_some("abcdef", 2) == "a, b and 4 more"

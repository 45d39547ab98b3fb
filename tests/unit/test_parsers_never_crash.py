"""Whatever is typed: a value or an error in words, never a traceback, never a secret."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from waitfor import cli, values
from waitfor.options import options
from waitfor.plan import Plan
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.result import InvalidTarget
from waitfor.target import parse_target
from waitfor.values import quoted

OPTIONS = {
    name: about for scheme in SCHEMES for name, about in options(probe_class(scheme)).items()
}
OPTIONS |= options(Policy)

# Files would be opened.
keys = st.sampled_from(sorted(set(OPTIONS) - {"ca", "cert", "key"}))
text = st.text(max_size=30)
pieces = st.sampled_from(
    [
        *[
            "://",
            ":",
            "/",
            "?",
            "#",
            "@",
            "=",
            ",",
            "%",
            "[",
            "]",
            "::1",
            ".",
            "\0",
            "\n",
            " ",
            "é",
        ],
        *[
            "%40",
            "%00",
            "$(",
            "{{",
            "-",
            "80",
            "db",
            "mydb:5432",
            "\udcff",
            "\N{ZERO WIDTH JOINER}",
        ],
        *[*SCHEMES, "1s", "200", "A:b"],
    ]
)
soup = st.lists(pieces | keys | text, max_size=12).map("".join)
values_ = (
    st.sampled_from(["1", "1s", "10%", "200", "GET", "A", "A:b", "true", "x", "env", ""]) | text
)
fragments = st.lists(st.tuples(keys, values_).map("=".join), max_size=4).map(",".join)
urls = st.builds(
    "{}://{}{}{}#{}".format,
    st.sampled_from([*SCHEMES, "HTTP"]),
    st.sampled_from(["db", "db:80", "u:p@db", "[::1]:80", "127.0.0.1:1", "é.x:1"]) | soup,
    st.sampled_from(["", "/", "/x"]) | soup,
    st.sampled_from(["", "?a=b"]) | soup,
    fragments | soup,
)
targets = urls | soup


@given(targets)
@example("tcp://" + "ﷺ" * 300 + ":1")
@example("http://x/#matches=" + "(" * 5000)
@example("http://x/#matches=a{99999999999}")
@example("tcp://xn--a:1")
@example("tcp://xn--\N{LATIN SMALL LETTER E WITH ACUTE}:1")
@settings(max_examples=1500, deadline=None)
def test_any_text_is_a_target_or_an_invalid_one(target):
    """parse_target raises nothing but InvalidTarget, in one printable line."""
    try:
        parsed = parse_target(target)
    except InvalidTarget as error:
        words = str(error)
    else:
        words = parsed.name
        assert parse_target(parsed.name.replace("***@", "")).kind == parsed.kind
    assert len(words.splitlines()) == 1
    words.encode()


@given(st.sampled_from(sorted(OPTIONS)), st.text(max_size=60))
@settings(max_examples=1000, deadline=None)
def test_any_value_is_read_or_refused(name, value):
    """A parser raises nothing but ValueError; what it reads it can show."""
    about = OPTIONS[name]
    try:
        found = about.parse(value)
    except ValueError as error:
        words = str(error)
    else:
        words = about.text((found,) if about.repeatable else found)
    assert isinstance(words, str)


@pytest.mark.parametrize(
    "read",
    [values.hostname, values.split_host_port, values.duration, values.status, values.percentage],
)
@given(st.text())
@settings(deadline=None)
def test_any_text_is_read_or_refused(read, text):
    """Nothing but ValueError, without line breaks and of bounded length."""
    words = "read"
    try:
        read(text)
    except ValueError as error:
        words = str(error)
    assert len(words.splitlines()) == 1
    assert len(words) < 1500


@given(soup, st.sampled_from(["user:", "http://", "HTTPS://", "x+y://", "http:", "//"]), soup)
@settings(max_examples=1000, deadline=None)
def test_nothing_before_an_at_sign_is_quoted(before, start, after):
    """Neither user nor password, whatever else stands there."""
    assert "MARK" not in quoted(f"{start}{before}MARK{before}@{after}")
    assert "MARK" not in quoted(f"{start}MARK{before}@{after}")


@given(st.text(max_size=20), st.sampled_from("?#"), st.text(max_size=20))
@settings(max_examples=500, deadline=None)
def test_nothing_of_a_query_or_an_option_is_quoted(before, mark, after):
    """What follows ? or # is left out."""
    assert "MARK" not in quoted(f"{before}{mark}{after}MARK")
    assert "MARK" not in quoted(f"http://{before}{mark}{after}MARK{after}")


@given(st.text())
def test_a_quotation_is_one_short_line(text):
    """However long the text, and whatever is in it."""
    assert len(quoted(text)) <= 1300
    assert len(quoted(text).splitlines()) == 1


secrets = st.text("/?#@:, 7a=%", max_size=6) | st.text(max_size=12)


@given(
    st.sampled_from(["http", "https", "tcp", "dns", "redis", "jdbc:x"]),
    secrets,
    st.sampled_from(["api", "api:80", "api:x", "a*b", ""]),
    st.sampled_from(["", "/x", "/x#perod=1", "/x?a=b", "/#status=x"]),
)
@settings(max_examples=1000, deadline=None)
def test_no_password_is_told(scheme, password, host, rest):
    """A password that nobody encoded is neither in an error nor in a name."""
    marked = f"Mark5{password}Mark5"
    try:
        words = parse_target(f"{scheme}://user:{marked}@{host}{rest}").name
    except InvalidTarget as error:
        words = str(error)
    assert "mark5" not in words.lower()


FLAGS = [f"--{name}" for name in (*options(Policy), *options(Plan), "output", "termination-log")]
FLAGS += ["--parallel", "--any", "-q", "-v", "-t", "-o", "-", "---", "--timeout=", "-tq", "-vqo"]
words = (
    st.sampled_from([*FLAGS, "--", "1s", "0", "3", "json", "none", "mydb:1", "true", "sh", "-c"])
    | targets
)


@given(st.lists(words, max_size=8))
@example(["--help", "x"])
@example(["--version"])
@example(["mydb:1", "--", "sh", "--help"])
@example(["mydb:1", "--", "\0"])
@settings(max_examples=400, deadline=None)
def test_any_arguments_are_planned_or_refused(arguments):
    """With --dry-run every command line ends with 0 or 2, or 126 and 127 for its COMMAND."""
    out, err = io.StringIO(), io.StringIO()
    # A log of somebody's own would be written.
    with (
        mock.patch.object(cli, "write_termination_log"),
        mock.patch.dict("os.environ", {"WAITFOR_DRY_RUN": "1"}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = cli.run(arguments)
        assert sys.stdout is out
    behind = "--" in arguments
    assert code in ((0, 2, 126, 127) if behind else (0, 2)), err.getvalue()
    assert bool(out.getvalue()) == (code == 0)
    assert len(err.getvalue().splitlines()) == (code != 0)

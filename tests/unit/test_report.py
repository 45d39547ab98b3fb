"""What is told of a wait, line by line."""

import io
import json

import pytest

from waitfor.events import Finished, GaveUp, Looked, Ready, ReasonChanged, StillWaiting
from waitfor.hints import HINTS
from waitfor.plan import Mode, make_plan
from waitfor.report import (
    MOST_CHARACTERS,
    MOST_TARGETS,
    TERMINATION_BYTES,
    TERMINATION_LOG,
    Reporter,
    Verbosity,
    json_line,
    last_words,
    plan_lines,
    plan_object,
    printable,
    summary,
    write_termination_log,
)
from waitfor.result import Cause, Outcome, Report, Result, State, TargetReport

REFUSED = Result(Cause.REFUSED, "connection refused by 10.0.0.1:5432")
CONNECTED = Result(Cause.READY, "connected to 10.0.0.1:5432")
HINT = f"waitfor:   hint: {HINTS[Cause.REFUSED]}"


def target(name="tcp://db:5432", state=State.WAITING, result=REFUSED, waited=1.25, looks=7):
    """A target as the runner reports it."""
    return TargetReport(name, "tcp", state, waited, looks, result)


def report(*targets, outcome=Outcome.DEADLINE, timeout=300.0, signal=""):
    """The end of a wait."""
    return Report(outcome, 12.34, timeout, targets, signal)


def told(*events, verbosity=Verbosity.NORMAL, json_lines=False):
    """The lines that events make."""
    stream = io.StringIO()
    reporter = Reporter(stream, json_lines=json_lines, verbosity=verbosity)
    for event in events:
        reporter(event)
    return stream.getvalue().splitlines()


def test_every_line_names_target_time_and_looks():
    """Each line about a target has its name, its reason, the time waited and the looks made."""
    assert told(
        ReasonChanged(target()),
        StillWaiting(30.0, (target(waited=30.0, looks=25),)),
        Ready(target(state=State.READY, result=CONNECTED, waited=61.2, looks=1)),
        GaveUp(target(state=State.GAVE_UP)),
    ) == [
        "waitfor: tcp://db:5432 is not ready: connection refused by 10.0.0.1:5432 (1.2s, 7 looks)",
        HINT,
        "waitfor: tcp://db:5432 is still not ready:"
        " connection refused by 10.0.0.1:5432 (30.0s, 25 looks)",
        "waitfor: tcp://db:5432 is ready: connected to 10.0.0.1:5432 (1m01s, 1 look)",
        "waitfor: tcp://db:5432 is given up (1.2s, 7 looks)",
    ]


def test_hint_once_then_again_after_a_heartbeat():
    """A hint is told once for all targets with that cause, and again once it has scrolled away."""
    again = [ReasonChanged(target("tcp://a:1")), ReasonChanged(target("tcp://b:1"))]
    lines = told(*again, StillWaiting(30.0, (target(),)), *again)
    assert [line == HINT for line in lines] == [False, True, False, False, False, True, False]


def test_summary_hints_what_was_not_hinted():
    """The summary ends a quiet log, or one with a heartbeat before it, with the hint."""
    finished = Finished(report(target()))
    expected = [
        "waitfor: timed out after 5m: 0 of 1 target ready",
        "waitfor:   tcp://db:5432: connection refused by 10.0.0.1:5432 (1.2s, 7 looks)",
    ]
    assert told(finished, verbosity=Verbosity.QUIET) == [*expected, HINT]
    assert told(StillWaiting(30.0, ()), finished) == [*expected, HINT]
    assert told(ReasonChanged(target()), finished)[2:] == expected


@pytest.mark.parametrize(
    ("ended", "first"),
    [
        (report(target(), target()), "timed out after 5m: 0 of 2 targets ready"),
        (
            report(
                target(state=State.READY, result=CONNECTED),
                target(state=State.GAVE_UP),
                outcome=Outcome.GAVE_UP,
            ),
            "gave up after 12.3s: 1 of 2 targets ready",
        ),
        (
            report(target(), outcome=Outcome.INTERRUPTED, signal="SIGTERM"),
            "stopped by SIGTERM after 12.3s: 0 of 1 target ready",
        ),
        (
            report(target(), outcome=Outcome.INTERRUPTED),
            "stopped by its caller after 12.3s: 0 of 1 target ready",
        ),
        (
            report(*[target(state=State.READY)] * 3, outcome=Outcome.READY),
            "all 3 targets ready (12.3s, 21 looks)",
        ),
        (
            report(target(), target("tcp://b:1", State.READY), outcome=Outcome.READY),
            "1 of 2 targets ready, one was enough: tcp://b:1 (12.3s, 14 looks)",
        ),
    ],
)
def test_first_line_of_the_summary(ended, first):
    """The summary begins with how the wait ended, when, and how many targets are ready."""
    assert summary(ended)[0] == first


def test_summary_says_what_was_never_looked_at():
    """A target whose turn did not come has no reason of its own, and the summary says so."""
    waiting = target("dns://a", result=None, looks=0)
    pending = target("tcp://b:1", State.PENDING, None, 0.0, 0)
    assert summary(report(waiting, pending))[1:] == [
        "  dns://a: not looked at yet (1.2s, 0 looks)",
        "  tcp://b:1: its turn did not come",
    ]


def test_what_gave_up_is_named_first():
    """Among a thousand targets the one that ended the wait is named, the rest is counted."""
    targets = [target(f"tcp://t{number}:1") for number in range(1000)]
    targets[900] = target("tcp://culprit:1", State.GAVE_UP)
    lines = summary(report(*targets, outcome=Outcome.GAVE_UP))
    assert lines[1].startswith("  tcp://culprit:1: ")
    assert lines[-1] == f"  and {1000 - MOST_TARGETS} more targets"
    assert len(lines) == 1 + MOST_TARGETS + 1 + len([line for line in lines if "hint:" in line])


def test_heartbeat_of_a_thousand_targets_is_bounded():
    """A heartbeat names twenty targets and counts the others."""
    lines = told(StillWaiting(30.0, tuple(target(f"tcp://t{n}:1") for n in range(21))))
    assert len(lines) == MOST_TARGETS + 1
    assert lines[-1] == "waitfor:   and 1 more target"


def test_ready_but_not_often_enough():
    """A target that was found ready, but not success-threshold times, is not called refused or
    such, nor ready.
    """
    line = summary(report(target(result=CONNECTED)))[1]
    assert "connected to 10.0.0.1:5432, but not yet success-threshold looks in a row" in line


def test_the_only_target_needs_no_summary():
    """The line that says that the only target is ready ends the log."""
    finished = Finished(report(target(state=State.READY), outcome=Outcome.READY))
    assert told(finished) == []
    assert len(told(finished, json_lines=True)) == 1


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (Verbosity.QUIET, ["finished"]),
        (Verbosity.NORMAL, ["not-ready", "still-waiting", "finished"]),
        (Verbosity.VERBOSE, ["looked", "not-ready", "still-waiting", "finished"]),
    ],
)
def test_verbosity(verbosity, expected):
    """--quiet tells failures only, --verbose tells every look."""
    events = [
        Looked(target()),
        ReasonChanged(target()),
        StillWaiting(30.0, (target(),)),
        Finished(report(target())),
    ]
    lines = told(*events, verbosity=verbosity, json_lines=True)
    assert [json.loads(line)["event"] for line in lines] == expected


def test_quiet_success_is_silent():
    """With --quiet a wait that succeeds says nothing."""
    finished = Finished(report(target(), target(), outcome=Outcome.READY))
    assert told(Ready(target()), finished, verbosity=Verbosity.QUIET) == []


def test_a_look_in_verbose_mode():
    """A look is told with its number and the time waited."""
    line = told(Looked(target()), verbosity=Verbosity.VERBOSE)
    assert line == ["waitfor: tcp://db:5432 look 7 (1.2s): connection refused by 10.0.0.1:5432"]


CONTROLS = "".join(map(chr, [*range(32), 0x7F, 0x85, 0x9B, 0x202E, 0x2028, 0xE0001, 0xDC80]))


def test_control_characters_in_text():
    """What a server sends cannot move the cursor, fake a line or hide one."""
    evil = Result(Cause.OTHER_RECORDS, f"a has {CONTROLS}b é✓")
    (line,) = told(ReasonChanged(target(result=evil)))
    assert line.isprintable()
    assert "\\x1b" in line
    assert "b é✓" in line
    assert printable("tab\there") == "tab\\there"


def test_control_characters_in_json():
    """A JSON line with any character of a server is one line of ASCII and reads back the same."""
    line = json_line({"detail": CONTROLS, "name": "é✓"})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["detail"] == CONTROLS


def test_a_very_long_reason():
    """Of a very long line the start and the end are shown: the target, and the looks made."""
    (line,) = told(ReasonChanged(target(result=Result(Cause.OTHER_RECORDS, "x" * 100_000))))
    assert len(line) == MOST_CHARACTERS + len(" ... ")
    assert line.startswith("waitfor: tcp://db:5432 is not ready: xxx")
    assert line.endswith("xxx (1.2s, 7 looks)")


class Stream(io.StringIO):
    """Fails with the errors it is given, one a write, then works."""

    def __init__(self, *errors):
        super().__init__()
        self.failures = list(errors)

    def write(self, text):
        if self.failures:
            raise self.failures.pop()
        return super().write(text)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(28, "full"), BlockingIOError(), ValueError("closed")]
)
def test_a_stream_that_fails(error):
    """A line that cannot be written is no error, and the next one is tried."""
    stream = Stream(error)
    reporter = Reporter(stream, json_lines=False, verbosity=Verbosity.NORMAL)
    reporter(ReasonChanged(target()))
    assert stream.getvalue() == HINT + "\n"


def test_no_stream():
    """Without stderr nothing is told, and nothing fails."""
    reporter = Reporter(None, json_lines=False, verbosity=Verbosity.NORMAL)
    reporter(Finished(report(target())))
    reporter.error("no", 2)


def test_an_error_of_several_lines():
    """Each line of an error says whose it is; as JSON it is one object."""
    stream = io.StringIO()
    Reporter(stream, json_lines=False, verbosity=Verbosity.QUIET).error("a\nb", 3)
    assert stream.getvalue() == "waitfor: a\nwaitfor: b\n"
    stream = io.StringIO()
    Reporter(stream, json_lines=True, verbosity=Verbosity.QUIET).error("a\nb", 3)
    told = json.loads(stream.getvalue())
    assert (told["event"], told["message"], told["exit_code"]) == ("error", "a\nb", 3)


def test_termination_log_holds_the_summary_with_its_hint(tmp_path):
    """The last words are the summary with hints, whatever was told before."""
    path = tmp_path / "log"
    write_termination_log(str(path), last_words(report(target())))
    assert path.read_text() == (
        "timed out after 5m: 0 of 1 target ready\n"
        "  tcp://db:5432: connection refused by 10.0.0.1:5432 (1.2s, 7 looks)\n"
        f"  hint: {HINTS[Cause.REFUSED]}\n"
    )


@pytest.mark.parametrize("shift", range(4))
def test_termination_log_is_cut_between_characters(tmp_path, shift):
    """At most 4096 octets, valid UTF-8, with the first lines and the last ones."""
    path = tmp_path / "log"
    message = "\n".join(["x" * shift + "first", *["🐘é" * 90] * 30, "last"])
    write_termination_log(str(path), message)
    octets = path.read_bytes()
    assert TERMINATION_BYTES - 8 <= len(octets) <= TERMINATION_BYTES
    text = octets.decode()
    assert text.startswith("x" * shift + "first\n🐘é🐘")
    assert text.endswith("é\nlast\n")
    assert "\n...\n" in text


def test_termination_log_of_exactly_its_size(tmp_path):
    """A message that just fits is whole."""
    path = tmp_path / "log"
    lines = ["x" * 1023] * 4
    write_termination_log(str(path), "\n".join(lines))
    shown = path.read_bytes()
    write_termination_log(str(path), "short")
    assert len(shown) <= TERMINATION_BYTES
    assert path.read_text() == "short\n"


def test_the_usual_termination_log_is_not_made(tmp_path, monkeypatch):
    """Only Kubernetes makes /dev/termination-log; elsewhere waitfor leaves no file there."""
    path = tmp_path / "log"
    monkeypatch.setattr("waitfor.report.TERMINATION_LOG", str(path))
    write_termination_log(str(path), "words")
    assert not path.exists()
    path.write_text("older words, and longer")
    write_termination_log(str(path), "words")
    assert path.read_text() == "words\n"
    assert TERMINATION_LOG == "/dev/termination-log"


def test_termination_log_that_cannot_be_written(tmp_path):
    """A folder, a path under a file, a NUL in it: said on stderr is enough."""
    (tmp_path / "file").touch()
    for path in (str(tmp_path), str(tmp_path / "file" / "log"), "a\0b"):
        write_termination_log(path, "words")


def test_plan():
    """A plan in text and JSON has the same settings, and of COMMAND only the program."""
    plan = make_plan(
        ["http://u:pass@api/x?token=abc#header=X-Key:abc,contains=a%0Ab,period=1s", "db:5432"],
        timeout=0,
        mode=Mode.ANY,
        policy={},
    )
    lines = plan_lines(plan, ["psql", "--password=abc"])
    made = json.loads(json_line(plan_object(plan, ["psql", "--password=abc"])))
    assert lines[0] == "wait for ever, any one of them:"
    assert lines[-1] == "then run: psql"
    assert "contains=a\\nb" in lines[2]
    assert made["event"] == "plan"
    assert made["timeout"] == 0
    assert made["command"] == "psql"
    for wait, name, words in zip(made["targets"], lines[1::2], lines[2::2], strict=False):
        assert name == f"  {wait['target']}"
        for key, value in (wait["options"] | wait["policy"]).items():
            assert f"{key}={printable(value)}" in words
    assert "abc" not in str(lines) + str(made)
    assert "pass" not in str(lines) + str(made)

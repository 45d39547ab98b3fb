"""--dry-run: the plan on stdout, and nothing sent."""

import json

import pytest
from support.inside import Inside, nothing_arrives


@pytest.fixture
def inside(capfd):
    """Call the command in this process."""
    return Inside(capfd)


def test_a_plan_is_printed_and_nothing_is_sent(inside):
    """Order, targets, what is set, COMMAND's program; stderr stays empty."""
    with nothing_arrives() as (tcp, dns):
        told = inside(
            "--dry-run", tcp, f"{dns}#period=1s,type=SRV", "-t90s", "--", "echo", "secret"
        )
    assert (told.code, told.err) == (0, "")
    usual = "max-period=2s backoff=1.1 jitter=10% success-threshold=1 failure-threshold=never"
    assert told.out.splitlines() == [
        "wait for at most 1m30s, one after another:",
        f"  {tcp}",
        f"    attempt-timeout=5s period=50ms {usual} initial-delay=0s",
        f"  {dns}",
        f"    type=SRV attempt-timeout=5s period=1s {usual} initial-delay=0s",
        "then run: echo",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-t0"], "wait for ever, one after another:"),
        (["--parallel"], "wait for at most 5m, all at once:"),
        (["--any", "-t", "1h"], "wait for at most 1h, any one of them:"),
    ],
)
def test_the_first_line_says_how_long_and_in_which_order(inside, arguments, line):
    """In words."""
    assert inside("--dry-run", "x:1", *arguments).out.splitlines()[0] == line


def test_a_plan_in_json_is_one_object(inside):
    """With the values as they are written in a target."""
    told = inside(
        "--dry-run", "-ojson", "http://api/#status=2xx,status=401", "--", "echo", "secret"
    )
    assert told.out.count("\n") == 1
    made = json.loads(told.out)
    assert (made["event"], made["mode"], made["command"]) == ("plan", "sequence", "echo")
    (target,) = made["targets"]
    assert target["target"] == "http://api/"
    assert target["options"] == {"status": "200-299, 401"}
    assert "secret" not in told.out


def test_a_command_of_a_plan_is_not_run(waitfor, tmp_path):
    """Neither waited for nor become."""
    run = waitfor("--dry-run", "x:1", "--", "touch", str(tmp_path / "touched"))
    assert (run.code, run.err) == (0, "")
    assert not (tmp_path / "touched").exists()


def test_a_plan_with_a_command_that_is_missing_is_refused(inside):
    """A dry run tells what a real one would."""
    told = inside("--dry-run", "x:1", "--", "no-such-program")
    assert (told.code, told.out) == (127, "")


def test_a_command_whose_name_is_not_utf_8_can_be_shown(waitfor, tmp_path):
    """Octets that are no text are escaped, in text as in JSON."""
    program = tmp_path / "a\udcffb"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for form in ("text", "json"):
        run = waitfor("--dry-run", "-o", form, "x:1", "--", str(program))
        assert (run.code, run.err) == (0, "")
        assert r"a\udcffb" in run.out


def test_a_full_disk_under_a_plan_is_told(waitfor):
    """What was asked for on stdout and could not be written is an error."""
    with open("/dev/full", "w") as full:
        run = waitfor("--dry-run", "x:1", stdout=full)
    assert run.code == 2
    assert run.err == "waitfor: stdout cannot be written: No space left on device\n"

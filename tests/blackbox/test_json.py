"""JSON lines: every line of every situation keeps the schema of docs/events.schema.json."""

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from support.dns import DnsServer
from support.servers import TcpServer, drip, free_port, hang_up, respond, stay_silent
from support.story import CLUSTER, NAMES, OK, UNAVAILABLE, story

from waitfor.report import ERROR, EVENT_NAMES, PLAN
from waitfor.result import Cause, Outcome, State

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
GARBAGE = b"SSH-2.0-OpenSSH_9.2\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"


def lines(text):
    """The objects of JSON lines, each held against the schema."""
    objects = [json.loads(line) for line in text.splitlines()]
    for each in objects:
        VALIDATOR.validate(each)
    return objects


def test_the_schema_is_one():
    """The schema is a JSON Schema 2020-12, and has the lists that the code has."""
    Draft202012Validator.check_schema(SCHEMA)
    names = [each["title"] for each in SCHEMA["oneOf"]]
    assert names == [*EVENT_NAMES.values(), ERROR, PLAN]
    for name, enum in (("cause", Cause), ("state", State), ("outcome", Outcome)):
        assert SCHEMA["$defs"][name]["enum"] == list(enum)


def test_the_main_job(waitfor):
    """Events come in order, with what changed, and the last one has every target."""
    with story() as told:
        process = waitfor.start("-o", "json", *told.targets, env=CLUSTER)
        events = lines("\n".join(told.play(process)))
    assert process.returncode == 0
    assert [(each["event"], each.get("cause")) for each in events] == [
        ("not-ready", "nxdomain"),
        ("ready", "ready"),
        ("not-ready", "refused"),
        ("ready", "ready"),
        ("not-ready", "refused"),
        ("not-ready", "status"),
        ("ready", "ready"),
        ("finished", None),
    ]
    assert [each["kind"] for each in events[-1]["targets"]] == ["dns", "tcp", "http"]
    assert events[-1]["outcome"] == "ready"
    assert events[5]["facts"]["status"] == 503


@pytest.mark.parametrize(
    ("talk", "form", "cause"),
    [
        (respond(b""), "http://{}/", Cause.CLOSED),
        (hang_up, "https://{}/", Cause.TLS_FAILED),
        (hang_up, "tcp://{}#expect=x", Cause.CLOSED),
        (stay_silent, "http://{}/", Cause.RESPONSE_TIMEOUT),
        (stay_silent, "https://{}/", Cause.TLS_TIMEOUT),
        (stay_silent, "tcp://{}#expect=x", Cause.RESPONSE_TIMEOUT),
        (drip(b"x" * 9), "tcp://{}#expect=y", Cause.BODY),
        (drip(GARBAGE, 0), "http://{}/", Cause.PROTOCOL),
        (drip(GARBAGE, 0), "https://{}/", Cause.TLS_FAILED),
        (respond(GZIP), "http://{}/", Cause.PROTOCOL),
        (respond(UNAVAILABLE), "http://{}/", Cause.STATUS),
        (respond(OK), "http://{}/#contains=x", Cause.BODY),
    ],
)
def test_causes_of_a_server(waitfor, talk, form, cause):
    """Whatever a server does, the lines keep the schema and name the cause."""
    with TcpServer(talk) as server:
        target = form.format(f"127.0.0.1:{server.port}") + ("," if "#" in form else "#")
        arguments = ["-o", "json", "-v", "--failure-threshold", "1"]
        run = waitfor(*arguments, f"{target}attempt-timeout=300ms")
    events = lines(run.err)
    assert run.code == 1
    assert [each["event"] for each in events] == ["looked", "not-ready", "gave-up", "finished"]
    assert events[0]["cause"] == cause
    assert events[-1]["outcome"] == "gave-up"


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("dns://127.0.0.1:{}/nosuch.", Cause.NXDOMAIN),
        ("dns://127.0.0.1:{}/mydb.default.svc.cluster.local.#type=AAAA", Cause.NO_RECORDS),
        ("dns://127.0.0.1:{}/mydb#min=2", Cause.TOO_FEW_RECORDS),
        ("dns://127.0.0.1:{}/mydb#expect=10.0.0.1", Cause.OTHER_RECORDS),
        ("dns://127.0.0.1:1/mydb", Cause.DNS_UNREACHABLE),
    ],
)
def test_causes_of_dns(waitfor, target, cause):
    """Whatever a nameserver says, the lines keep the schema and name the cause."""
    with DnsServer(NAMES) as zone:
        arguments = ["-o", "json", "--failure-threshold", "1"]
        run = waitfor(*arguments, target.format(zone.port), env=CLUSTER)
    assert lines(run.err)[0]["cause"] == cause


def test_deadline_in_sequence(waitfor):
    """At the deadline a target whose turn did not come has no cause."""
    port = free_port()
    run = waitfor("-o", "json", "-t", "200ms", f"127.0.0.1:{port}", "127.0.0.1:1")
    first, second = lines(run.err)[-1]["targets"]
    assert (first["state"], first["cause"]) == ("waiting", "refused")
    assert (second["state"], second["looks"]) == ("pending", 0)
    assert "cause" not in second
    assert lines(run.err)[-1]["timeout"] == 0.2


def test_any(waitfor):
    """With --any the last line says which target is ready."""
    with TcpServer() as server:
        targets = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{server.port}"]
        run = waitfor("-o", "json", "--any", *targets)
    assert [each["state"] for each in lines(run.err)[-1]["targets"]] == ["waiting", "ready"]


def test_signal(waitfor):
    """A wait that a signal ended says which."""
    process = waitfor.start("-o", "json", f"127.0.0.1:{free_port()}")
    with process:
        first = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 143
    last = lines(first + rest)[-1]
    assert (last["outcome"], last["signal"]) == ("interrupted", "SIGTERM")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nosuch"], 2),
        (["tpc://x:1"], 2),
        (["--no-such", "x:1"], 2),
        (["-t", "x", "x:1"], 2),
        ([], 2),
        (["x:1\x07\n"], 2),
        (["x:1", "--", "/nonexistent"], 127),
        (["x:1", "--", "/etc/passwd"], 126),
    ],
)
def test_errors(waitfor, arguments, code):
    """A mistake is one object with the message and the exit code."""
    run = waitfor("--output=json", *arguments)
    (told,) = lines(run.err)
    assert run.code == told["exit_code"] == code
    assert told["event"] == "error"
    assert told["message"]


def test_dry_run(waitfor):
    """The plan is a line of the schema too, on stdout."""
    run = waitfor(
        *("--dry-run", "-o", "json", "--parallel", "-t", "90s"),
        *("http://u:pw@api/x?t=s3#header=K:s3,contains=%C3%A9%7F%C2%9B", "db:5432#period=1s"),
        *("--", "echo", "s3"),
    )
    (plan,) = lines(run.out)
    assert run.err == ""
    assert (plan["mode"], plan["timeout"], plan["command"]) == ("parallel", 90, "echo")
    assert plan["targets"][0]["options"]["contains"] == "é\x7f\x9b"
    assert plan["targets"][1]["policy"]["period"] == "1s"
    assert "s3" not in run.out
    assert run.out.isascii()


def test_many_targets(waitfor):
    """The last line of a wait for many targets has them all, in the order given."""
    with ExitStack() as stack:
        ports = [stack.enter_context(TcpServer()).port for _ in range(30)]
        targets = [f"127.0.0.1:{port}" for port in ports]
        run = waitfor(
            "-q", "--parallel", "-o", "json", *targets, f"127.0.0.1:{free_port()}", "-t", "300ms"
        )
    (finished,) = lines(run.err)
    assert [each["target"] for each in finished["targets"]][:30] == [f"tcp://{t}" for t in targets]
    assert [each["state"] for each in finished["targets"]] == ["ready"] * 30 + ["waiting"]


def test_the_schema_refuses():
    """A line with a field too many, one too few or an unknown word is none of the schema."""
    good = {
        "time": "2026-01-02T03:04:05.678Z",
        "event": "ready",
        "target": "tcp://db:5432",
        "kind": "tcp",
        "state": "ready",
        "waited": 0.1,
        "looks": 1,
        "cause": "ready",
        "detail": "connected",
        "facts": {},
    }
    VALIDATOR.validate(good)
    for change in ({"event": "redy"}, {"looks": -1}, {"more": 1}, {"cause": "x"}, {"time": "now"}):
        assert not VALIDATOR.is_valid(good | change)
    for name in good:
        assert not VALIDATOR.is_valid({key: good[key] for key in good if key != name})

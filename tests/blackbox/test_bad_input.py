"""Bad input: exit 2 and one line that names the word, before the first packet."""

import os
from pathlib import Path

import pytest
from support.inside import Inside, nothing_arrives

from waitfor.values import quoted

LONG = ".".join(["a" * 60] * 5)

# A target at fault, and what the line must hold beside it: what is allowed, what is nearest.
TARGETS = {
    # a scheme
    "postgres://u:p@db/x": ("postgres", "dns, tcp, http, https"),
    "htp://api/": ("htp", "did you mean http?", "dns, tcp, http, https"),
    "dsn://mydb": ("did you mean dns?",),
    "HTPS://api/": ("did you mean https?",),
    "://x": ("unknown scheme",),
    "http:/api": ("write http://",),
    "tcp:db:5432": ("write tcp://",),
    "dns:mydb": ("write dns://",),
    "tcp//db:5432": ("the scheme is missing", "dns://, tcp://, http://, https://"),
    "./start.sh": ("the scheme is missing", "COMMAND stands behind --"),
    # a port
    "mydb": ("the port is missing", "HOST:PORT or dns://HOST"),
    "npm": ("COMMAND stands behind --",),
    "-": ("the port is missing",),
    "tcp://db": ("the port is missing", "tcp://HOST:PORT"),
    "tcp://[::1]": ("the port is missing",),
    "tcp://db:": ("the port", "1 to 65535"),
    "tcp://db:0": ("the port is out of range", "1 to 65535"),
    "tcp://db:65536": ("the port is out of range", "1 to 65535"),
    "tcp://db:99999999999": ("the port", "1 to 65535"),
    "tcp://db:postgres": ("the port is not a number", "1 to 65535"),
    "tcp://db:+80": ("the port is not a number",),
    "tcp://db:\uff15\uff14": ("the port is not a number",),
    "http://api:http/x": ("the port is not a number",),
    "dns://10.0.0.1:99999/x": ("the port is out of range",),
    # a host
    "": ("empty",),
    "  ": ("empty",),
    ":5432": ("the host is empty",),
    "tcp://:5432": ("the host is empty",),
    "http:///healthz": ("the host is empty",),
    "dns://": ("the host is empty",),
    "dns:///mydb": ("the host is empty",),
    f"tcp://{LONG}:1": ("304 octets", "at most 253"),
    f"tcp://{'a' * 64}:1": ("64 octets", "at most 63"),
    "tcp://a..b:1": ("empty part",),
    "tcp://a*b:1": ("letters, digits, hyphens, dots",),
    "tcp://<host>:1": ("letters, digits, hyphens, dots",),
    "tcp://10.0.0.256:1": ("IPv4",),
    "::1:5432": ("brackets", "[::1]:80"),
    "tcp://[::1:5432": ("brackets",),
    "tcp://[::g]:1": ("brackets",),
    "tcp://[::1]x:1": ("after ']'",),
    "tcp://\N{LATIN SMALL LETTER SHARP S}\N{ZERO WIDTH JOINER}:1": ("IDNA",),
    "dns://10.0.0.1": ("type=PTR",),
    "dns://mydb:53": ("SERVER:PORT/NAME",),
    # what Kubernetes, a template or a shell did not fill in
    "$(DB_HOST):5432": ("never filled in",),
    "${DB_HOST}:5432": ("never filled in",),
    "mydb:$(DB_PORT)": ("never filled in",),
    "tcp://$DB_HOST:5432": ("never filled in",),
    "http://{{ .Values.host }}/": ("never filled in",),
    # typing
    "\u201cmydb:5432\u201d": ("quotation marks",),
    "'tcp://mydb:5432'": ("quotation marks",),
    "\u2013timeout": ("hyphens",),
    "mydb:5432 ": ("white space",),
    " mydb:5432": ("white space",),
    "mydb:5432 redis:6379": ("a word of its own",),
    "mydb:5432,redis:6379": ("not a comma",),
    "tcp://mydb:5432,tcp://redis:6379": ("not a comma",),
    "mydb:5432\n": ("line break",),
    "http://api/\0": ("NUL",),
    "http://api/#header=A:b\r\nC:d": ("line break",),
    "http://\udcff/": ("UTF-8",),
    # what a kind does not take
    "tcp://db:5432/path": ("no path",),
    "tcp://db:5432?x=1": ("no query",),
    "tcp://user@db:5432": ("no user name",),
    "http://api:80/@scope/x": ("%40",),
    "dns://user@db": ("no user name",),
    "dns://db?x": ("no query", "'#'"),
    # an option
    "mydb:5432#perod=1s": ("'perod'", "did you mean period?", "hold"),
    "mydb:5432#timeout=1s": ("'timeout'", "did you mean attempt-timeout?"),
    "mydb:5432#attempt_timeout=1s": ("did you mean attempt-timeout?",),
    "http://api/#staus=200": ("'staus'", "did you mean status?", "contains"),
    "http://api/#foo=200": ("'foo'", "status, method"),
    "mydb:5432#period": ("write period=VALUE",),
    "mydb:5432#=1s": ("KEY=VALUE",),
    "mydb:5432#,period=1s": ("KEY=VALUE",),
    "mydb:5432#period=1s,period=2s": ("period is given twice",),
    "http://api/#status=200,404": ("status", "%2C", "another status="),
    "http://api/#contains=a,b": ("contains", "%2C"),
    "http://api/#header=Accept:a/b, c/d": ("header", "%2C"),
    "tcp://db:1#send=a,b": ("send", "%2C"),
    "http://api/#header=A:b,contians=ok": ("did you mean contains?",),
    # a value
    "mydb:5432#period=": ("period: ''", "500ms, 10s, 2m or 1h30m"),
    "mydb:5432#period=5x": ("'5x'", "500ms, 10s, 2m or 1h30m"),
    "mydb:5432#period=0": ("more than 0",),
    "mydb:5432#initial-delay=9000h": ("longer than a year",),
    "mydb:5432#jitter=10": ("'10'", "0% to 100%"),
    "mydb:5432#jitter=101%": ("'101%'", "0% to 100%"),
    "mydb:5432#backoff=0.5": ("'0.5'", "1 to 10"),
    "mydb:5432#success-threshold=0": ("'0'", "from 1"),
    "mydb:5432#failure-threshold=-1": ("'-1'", "from 1"),
    "mydb:5432#fatal=nxdomian": ("did you mean nxdomain?", "refused"),
    "http://api/#status=abc": ("'abc'", "404, 200-299 or 2xx"),
    "http://api/#status=6xx": ("'6xx'",),
    "http://api/#status=299-200": ("'299-200'",),
    "http://api/#method=GTE": ("'GTE'", "did you mean GET?", "POST"),
    "http://api/#matches=(": ("'('", "regular expression"),
    "http://api/#insecure=yes": ("true", "false"),
    "http://api/#header=Host:x": ("write host=",),
    "http://api/#header=nocolon": ("NAME:VALUE",),
    "http://api/#header=A:b%0AC:d": ("line break",),
    "http://api/#header=A:b%00": ("control character",),
    "http://api/#header=A%0A:b": ("NAME:VALUE",),
    "http://api/#proxy=http://proxy:3128": ("env",),
    "http://api/#redirects=some": ("'some'", "from 0"),
    "dns://mydb#type=AAA": ("'AAA'", "did you mean", "SRV"),
    "dns://mydb#min=0": ("'0'", "from 1"),
    # what contradicts itself
    "http://api/#body=x": ("method=POST",),
    "http://api/#method=HEAD,contains=x": ("HEAD",),
    "http://api/#ca=/x": ("https://",),
    "https://api/#insecure=true,ca=/x": ("exclude each other",),
    "http://u:p@api/#header=Authorization:x": ("exclude each other",),
    "mydb:5432#period=5s,max-period=1s": ("period 5s", "max-period 1s"),
    "mydb:5432#hold=6s": ("hold 6s", "attempt-timeout 5s"),
    "mydb:5432#initial-delay=5m": ("initial-delay 5m", "timeout 5m"),
    # a file
    "https://api/#ca=/nonexistent/ca.crt": ("ca '/nonexistent/ca.crt'", "No such file"),
    "https://api/#ca=/dev/null": ("ca '/dev/null'", "empty"),
    "https://api/#key=/dev/null": ("add cert=FILE",),
    "https://api/#cert=/nonexistent/tls.crt": ("cert '/nonexistent/tls.crt'", "No such file"),
}

# Arguments at fault beside good targets, and what the line must hold.
ARGUMENTS = {
    ("--timout", "5s"): ("--timout", "did you mean --timeout?", "--dry-run"),
    ("--retries", "3"): ("--retries", "--failure-threshold"),
    ("-x",): ("-x", "--timeout"),
    ("--timeout",): ("--timeout",),
    ("-t", "-1"): ("--timeout", "'-1'", "500ms, 10s, 2m or 1h30m"),
    ("--timeout=1h30",): ("'1h30'", "1h30m"),
    ("--timeout=",): ("--timeout", "''"),
    ("--timeout=5min",): ("'5min'", "2m"),
    ("--timeout", "5", "m"): ("'m'", "the port is missing"),
    ("-t", "9000h"): ("longer than a year",),
    ("-t", "5s", "--timeout", "6s"): ("--timeout is given twice",),
    ("--attempt-timeout", "0"): ("--attempt-timeout", "more than 0"),
    ("--jitter", "0.1"): ("'0.1'", "0% to 100%"),
    ("--backoff", "x"): ("'x'", "1 to 10"),
    ("--success-threshold", "1.5"): ("'1.5'", "from 1"),
    ("--fatal", "nxdomian"): ("did you mean nxdomain?",),
    ("--output", "jsn"): ("--output", "'jsn'", "did you mean json?", "text, json"),
    ("-o", "yaml"): ("'yaml'", "text, json"),
    ("--parallel=yes",): ("--parallel",),
    ("--termination-log", "/nonexistent/log"): ("'/nonexistent/log'", "none"),
    ("--termination-log", "/"): ("--termination-log", "'/'"),
    ("-q", "-v"): ("--quiet", "--verbose"),
    ("--period", "5s", "--max-period", "1s"): ("period 5s", "max-period 1s"),
    ("-t", "1s", "--initial-delay", "1s"): ("initial-delay 1s", "timeout 1s"),
    ("--",): ("COMMAND is missing", "--"),
    ("-t", "--", "5s"): ("-t",),
    ("\udcff",): ("UTF-8",),
}

VARIABLES = {
    ("WAITFOR_TIMEOUT", "soon"): ("WAITFOR_TIMEOUT", "'soon'", "500ms, 10s, 2m or 1h30m"),
    ("WAITFOR_JITTER", "5"): ("WAITFOR_JITTER", "'5'", "0% to 100%"),
    ("WAITFOR_ATTEMPT_TIMEOUT", "5 s"): ("WAITFOR_ATTEMPT_TIMEOUT", "'5 s'"),
    ("WAITFOR_FATAL", "refused nxdomian"): ("WAITFOR_FATAL", "did you mean nxdomain?"),
    ("WAITFOR_OUTPUT", "jsn"): ("WAITFOR_OUTPUT", "did you mean json?"),
    ("WAITFOR_ANY", "perhaps"): ("WAITFOR_ANY", "'perhaps'", "true", "false"),
    ("WAITFOR_TERMINATION_LOG", "/nonexistent/log"): ("WAITFOR_TERMINATION_LOG", "none"),
    ("WAITFOR_TARGETS", "mydb:5432"): ("arguments", "WAITFOR_TARGETS"),
}


@pytest.fixture
def inside(capfd):
    """Call the command in this process."""
    return Inside(capfd)


def assert_refused(told, *words):
    """Exit 2, nothing on stdout, and one line on stderr that holds the words."""
    assert told.code == 2, told
    assert told.out == ""
    assert told.err.count("\n") == 1, told.err
    assert told.err.startswith("waitfor: ")
    assert told.err.endswith("\n")
    for word in words:
        assert word in told.err


@pytest.mark.parametrize("target", TARGETS)
def test_a_bad_target_is_refused_before_a_packet_is_sent(inside, target):
    """A target at fault ends with exit 2 and one line that says what is allowed."""
    with nothing_arrives() as good:
        told = inside(*good, target)
    assert_refused(told, *TARGETS[target])
    assert quoted(target) in told.err or f"'tcp://{target.partition('#')[0]}'" in told.err


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_a_bad_option_is_refused_before_a_packet_is_sent(inside, arguments):
    """An option at fault ends with exit 2 and one line that says what is allowed."""
    with nothing_arrives() as good:
        told = inside(*good, *arguments)
    assert_refused(told, *ARGUMENTS[arguments])


@pytest.mark.parametrize("variable", VARIABLES, ids="=".join)
def test_a_bad_variable_is_refused_by_its_name(inside, variable):
    """A variable at fault is named as such, not as the option that it stands for."""
    with nothing_arrives() as good:
        told = inside(*good, env=dict([variable]))
    assert_refused(told, *VARIABLES[variable])


def test_no_target_is_refused(inside):
    """Without targets the line shows how each kind is written."""
    assert_refused(inside(), "no target", "tcp://HOST:PORT", "dns://NAME", "http://HOST/PATH")
    assert_refused(inside(env={"WAITFOR_TARGETS": " \n"}), "no target")
    assert_refused(inside("--", "true"), "no target")


def test_a_proxy_variable_that_is_no_url_is_refused(inside):
    """With proxy=env a bad HTTP_PROXY is refused by its name, not shown."""
    told = inside("http://api/#proxy=env", env={"HTTP_PROXY": "ftp://proxy"})
    assert_refused(told, "HTTP_PROXY")


def test_an_empty_authority_file_is_told_from_one_without_certificates(inside, tmp_path):
    """A CA file that holds something else than certificates is named."""
    path = tmp_path / "ca.crt"
    path.write_text("not a certificate")
    assert_refused(inside(f"https://api/#ca={path}"), f"ca '{path}'", "PEM")


@pytest.mark.parametrize("arguments", [["mydb"], ["-o", "text", "mydb"], ["--bogus", "mydb:1"]])
def test_the_command_itself_refuses(waitfor, arguments):
    """The whole process: exit 2, one line on stderr, nothing on stdout."""
    assert_refused(waitfor(*arguments), "waitfor: ")


def test_arguments_that_are_not_utf_8_are_refused(waitfor):
    """Octets that are no UTF-8 are shown escaped."""
    run = waitfor(os.fsdecode(b"tcp://\xff\xfe:1"))
    assert_refused(run, "UTF-8", r"\udcff")


def test_an_error_in_json_is_one_object(inside):
    """With -o json, wherever it stands, an error is one JSON line."""
    for arguments in (["--bogus", "-o", "json"], ["-vojson", "mydb"], ["--output=json", "-t", "x"]):
        told = inside(*arguments)
        assert told.code == 2
        assert told.err.count("\n") == 1
        assert '"event": "error"' in told.err


def test_text_in_the_arguments_wins_over_json_in_the_environment_for_an_error_too(inside):
    """-o text with WAITFOR_OUTPUT=json tells an error as text."""
    assert_refused(inside("-o", "text", "mydb", env={"WAITFOR_OUTPUT": "json"}), "mydb")


def test_an_error_is_left_in_the_termination_log_that_was_asked_for(inside, tmp_path):
    """A pod's description shows a usage error too; 'none' and a PATH count even then."""
    log = tmp_path / "log"
    told = inside("mydb", "--bogus", "--termination-log", str(log))
    assert told.err == f"waitfor: {log.read_text()}"
    other = tmp_path / "other"
    inside("mydb", "--termination-log=none", env={"WAITFOR_TERMINATION_LOG": str(other)})
    assert not other.exists()


def test_variables_that_are_not_ours_are_no_error(inside):
    """Kubernetes injects such variables for a Service called waitfor."""
    with nothing_arrives() as good:
        told = inside(
            "--dry-run",
            *good,
            env={
                "WAITFOR_PORT": "tcp://10.0.0.1:80",
                "WAITFOR_PORT_80_TCP": "tcp://10.0.0.1:80",
                "WAITFOR_PORT_80_TCP_PROTO": "tcp",
                "WAITFOR_SERVICE_HOST": "10.0.0.1",
                "WAITFOR_SERVICE_PORT": "80",
                "WAITFOR_SERVICE_PORT_TIMEOUT": "80",
                "WAITFOR_VERSION": "1",
                "WAITFOR_HELP": "1",
                "WAITFOR_FROBNICATE": "x",
            },
        )
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("wait for at most 5m")


@pytest.mark.parametrize(
    "target",
    [
        "HTTP://API:8080/x",
        "TCP://DB:5432",
        "http://münchen.example/",
        "tcp://[fe80::1%25eth0]:1",
        "a_b:1",
        "http://api/it's",
        "http://u:pa$s,w:d@api/",
        "http://api/a,b?c=d,e",
        "http://api/#header=A:b c,contains=x y",
        "mydb:5432#",
        "mydb.:5432",
        f"{'.'.join(['a' * 49] * 5)}.aaa:1",
    ],
)
def test_what_is_unusual_but_right_is_taken(inside, target):
    """Schemes and hosts in any case, IDNA, zones, sub-delims, 253 octets: no error."""
    told = inside("--dry-run", target)
    assert (told.code, told.err) == (0, "")


def test_a_command_that_is_missing_is_told_before_the_wait(inside):
    """A COMMAND that cannot run is refused at once: 127 not found, 126 not executable."""
    with nothing_arrives() as good:
        missing = inside(*good, "--", "no-such-program")
        plain = inside(*good, "--", str(Path(__file__)))
    assert (missing.code, plain.code) == (127, 126)
    assert missing.err == "waitfor: COMMAND 'no-such-program' is not found\n"
    assert missing.out == plain.out == ""

"""No secret of ours appears anywhere: each failure, each mistake, each form of output."""

import base64
import json
import signal
import socket
import ssl
import threading
from contextlib import ExitStack

import pytest
import trustme
from support.inside import Inside
from support.servers import TcpServer, free_port, stay_silent

import waitfor as library
from waitfor.probes.http import Http
from waitfor.values import quoted

SECRET = "TroUbaDorXq"
"""Of letters, so that it could be a key, and stays itself when percent-encoded or escaped."""
ENCODED = "%40%3A%2F%3F%23%2C%22%C3%A9"
"""@:/?#,"é, put around the secret."""


def traces(secret):
    """The texts that betray it: itself, and its part of any base64 of a text that holds it."""
    yield secret.lower()
    yield secret.encode().hex()
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        # The first and the last characters depend on what stands around the secret.
        yield coded[4:-4].lower()


def assert_kept(*outputs):
    """The secret is in none of the outputs, in no form."""
    for output in outputs:
        for trace in traces(SECRET):
            assert trace not in output.lower(), output


def test_the_search_itself_finds_a_secret():
    """What the other tests rely on: a secret is found in each of its forms."""
    basic = base64.b64encode(f"user:{SECRET}".encode()).decode()
    for betrayal in (SECRET, SECRET.upper(), repr(f"'{SECRET}"), basic, f"x%40{SECRET}"):
        with pytest.raises(AssertionError):
            assert_kept("", f"waitfor: {betrayal}!")


# --- Failures: what a server does, and the target that finds it so.

FULL = (
    f"{{scheme}}://{SECRET}u{ENCODED}:{SECRET}{ENCODED}@{{where}}/x?a={SECRET}&{SECRET}&b=c%20{SECRET}"
    f"#method=POST,body={SECRET}{ENCODED},header=X-Token:{SECRET}{ENCODED},header=Cookie:a={SECRET}"
)
SENT = f"tcp://{{where}}#send={SECRET}{ENCODED}"


def read_request(sock):
    """A whole request, or the text that was sent."""
    request = b""
    while chunk := sock.recv(65536):
        request += chunk
        head, end, body = request.partition(b"\r\n\r\n")
        if SECRET.encode() in body or (end and head.startswith(b"CONNECT")):
            break
        if b"HTTP/" not in head and SECRET.encode() in head:
            break
    return request


def echo(head, *, raw=False):
    """Answer with what was asked, in the header lines, the reason phrase and the body."""

    def talk(sock):
        request = read_request(sock)
        if raw:
            return sock.sendall(request)
        line = request.split(b"\r\n")[0].replace(b" ", b"_")
        answer = head.replace(b"LINE", line) + b"X-Echo: " + line + b"\r\n"
        sock.sendall(answer + b"Content-Length: %d\r\n\r\n" % len(request) + request)
        return None

    return talk


def reset(sock):
    """Read a request and reset the connection."""
    read_request(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def half(sock):
    """Begin an answer that repeats the request and does not end."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + read_request(sock))
    stay_silent(sock)


def echo_text(sock):
    """Send back what comes first."""
    sock.sendall(sock.recv(65536))


ELSEWHERE = f"http://{SECRET}:{SECRET}@elsewhere.example/{SECRET}?{SECRET}".encode()

FAILURES = {
    "refused": (None, FULL),
    "status": (echo(b"HTTP/1.1 500 LINE\r\n"), FULL),
    "unauthorized": (echo(b"HTTP/1.1 401 no\r\nWWW-Authenticate: Basic realm=LINE\r\n"), FULL),
    "body": (echo(b"HTTP/1.1 200 OK\r\n"), FULL + ",contains=absent,matches=ab+sent"),
    "ready": (echo(b"HTTP/1.1 200 OK\r\n"), FULL),
    "redirects": (echo(b"HTTP/1.1 307 x\r\nLocation: /LINE\r\n"), FULL + ",redirects=1"),
    "redirect elsewhere": (
        echo(b"HTTP/1.1 302 x\r\nLocation: " + ELSEWHERE + b"\r\n"),
        FULL + ",status=200",
    ),
    "bad redirect": (echo(b"HTTP/1.1 302 x\r\nLocation: http://[LINE\r\n"), FULL + ",status=200"),
    "no http": (echo(b"", raw=True), FULL),
    "bad header": (echo(b"HTTP/1.1 200 OK\r\nLINE\0\r\n"), FULL),
    "bad gzip": (echo(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"), FULL),
    "closed": (read_request, FULL),
    "reset": (reset, FULL),
    "silent": (stay_silent, FULL + ",attempt-timeout=100ms"),
    "endless body": (half, FULL + ",attempt-timeout=100ms"),
    "no tls": (echo_text, FULL.replace("{scheme}", "https")),
    "tls silent": (stay_silent, FULL.replace("{scheme}", "https") + ",attempt-timeout=100ms"),
    "sent, refused": (None, SENT),
    "sent, ready": (echo_text, SENT),
    "sent, answered otherwise": (echo_text, f"{SENT},expect={SECRET}other,attempt-timeout=100ms"),
    "sent, silent": (stay_silent, f"{SENT},expect={SECRET},attempt-timeout=100ms"),
    "sent, closed": (read_request, f"{SENT},expect={SECRET}"),
    "sent, not held": (echo_text, f"{SENT},hold=1s"),
}


@pytest.fixture
def inside(capfd):
    """Call the command in this process."""
    return Inside(capfd)


@pytest.fixture
def everywhere(inside, tmp_path):
    """Runs the command in each form of output, and keeps the secret out of all of them."""
    log = tmp_path / "termination-log"

    def run(*arguments, env=None):
        told = []
        for form in (["-v"], ["-vo", "json"], ["-q"], ["--dry-run"], ["--dry-run", "-ojson"]):
            log.write_text("")
            told.append(inside(*form, *arguments, "--termination-log", str(log), env=env))
            assert_kept(told[-1].out, told[-1].err, log.read_text())
        return told

    return run


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_keeps_secrets(everywhere, failure):
    """Whatever a server does, even repeat what it was sent, no output holds a secret."""
    talk, template = FAILURES[failure]
    with ExitStack() as stack:
        port = stack.enter_context(TcpServer(talk)).port if talk else free_port()
        target = template.format(scheme="http", where=f"127.0.0.1:{port}")
        told, *_ = everywhere("-t10s", "--failure-threshold=1", target)
        assert told.code == (0 if "ready" in failure else 1), told
        assert f"127.0.0.1:{port}" in told.err
        with pytest.raises(library.NotReady) if told.code else ExitStack() as error:
            report = library.wait_for(target, failure_threshold=1)
        seen = repr(error.value.report) + str(error.value) if told.code else repr(report)
        assert_kept(seen)


def test_a_certificate_that_is_not_trusted_keeps_secrets(everywhere, tmp_path):
    """The reason of a failed handshake is the certificate's, not ours."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with TcpServer(read_request, tls=tls) as server:
        target = FULL.format(scheme="https", where=f"127.0.0.1:{server.port}")
        told, *_ = everywhere("-t10s", "--failure-threshold=1", target)
    assert "certificate" in told.err


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 LINE\r\n", b"LINE\r\n", None])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_keeps_secrets(everywhere, answer, scheme):
    """The proxy's URL is not shown, nor what it says, nor what it was told."""
    with ExitStack() as stack:
        talk = echo(answer) if answer else None
        port = stack.enter_context(TcpServer(talk)).port if talk else free_port()
        proxy = f"http://{SECRET}:{SECRET}{ENCODED}@127.0.0.1:{port}"
        told, *_ = everywhere(
            "-t10s",
            "--failure-threshold=1",
            FULL.format(scheme=scheme, where="api.example") + ",proxy=env,attempt-timeout=300ms",
            env={"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy},
        )
    assert told.code == 1


@pytest.mark.parametrize("proxy", ["ftp://{}:{}@proxy", "http://{}:{}@proxy:x", "{}:{}@proxy:x/"])
def test_a_bad_proxy_keeps_secrets(everywhere, proxy):
    """A proxy's URL that cannot be used is named by its variable."""
    told, *_ = everywhere("http://api/#proxy=env", env={"HTTP_PROXY": proxy.format(SECRET, SECRET)})
    assert told.code == 2
    assert "HTTP_PROXY" in told.err


# --- Mistakes: secrets where they do not belong, or not encoded as they should be.

S = SECRET
MISTAKES = [
    # characters in a password that nobody encoded
    *(f"http://u:{a}{c}{b}@api/x" for c in "/?# \n" for a, b in ((S, "y"), ("y", S))),
    *(f"http://u:7{c}{S}@api/x" for c in "/#"),
    *(f"http://me@corp.com:{a}{c}{b}@api:x/" for c in "/?#@" for a, b in ((S, "y"), ("y", S))),
    f"http://u:y@{S}@api:x/",
    f"http://u:y#{S}=z@api/",
    f"http://u:7#{S}=z@api/",
    f"http://u:7#period={S}@api/",
    f"http://u:{S}%40api:80/",
    f"http://u:{S}%40api/",
    f"http://{S}:y#z@api/",
    f"http://u:y@7/{S}@api",
    f"http://u@7/{S}@api",
    # a host or a port that is none
    f"http://u:{S}@api:x/",
    f"http://u:{S}@api:99999/",
    f"http://u:{S}@",
    f"http://u:{S}@a*b/",
    f"http://u:{S}@$(HOST)/",
    f"http://u:{S}@[::g]/",
    f"http://u:{S}@münchen..de/",
    f"http://u:{S}@{'a' * 300}/",
    f"http://u:{S}\udcff@api/",
    # a scheme that is none, or none
    f"postgres://u:{S}@db/x",
    f"postgres//u:{S}@db/x",
    f"amqp+ssl://u:{S}@mq:5671/x?y={S}#{S}",
    f"redis://:{S}@redis:6379/0",
    f"jdbc:postgresql://u:{S}@db:5432/x",
    f"u:{S}@db:5432",
    f"u:{S}@http://api",
    f"http:/u:{S}@api",
    f"http:u:{S}@api",
    f"\u201chttp://u:{S}@api\u201d",
    f"tcp://u:{S}@db:5432",
    f"dns://u:{S}@db",
    f"http://u:{S}@api/?a=http://x#perod=1",
    f"http://api?a={S}#perod=1s",
    f"http://api:x?{S}",
    f"dns://mydb?{S}",
    f"tcp://db:1?{S}",
    # options
    *(f"http://api/#header=Cookie:a,{x}" for x in (S, f"{S}=", f"{S}=x", f"b={S}", f" {S}=x; y=z")),
    f"http://api/#header=Authorization:Basic {S}==,{S}=",
    f"http://api/#header=Authorization:Basic {S},contians=x",
    f"http://api/#header=Authorization:Basic {S},perod",
    f"http://api/#header={S}",
    f"http://api/#header=X:{S}%0A{S}",
    f"http://api/#header=X {S}:{S}",
    f"http://api/#header=Host:{S}",
    f"http://api/#headr=X:{S},{S}",
    f"http://api/#Authorization:Bearer {S}",
    f"http://api/#Authorization:Basic {S}==",
    f"http://api/#perod=1,header=X:{S}",
    f"http://api/#body={S}",
    f"http://api/#body={S},{S}",
    f"http://api/#method=POST,body={S},body={S}",
    f"http://u:{S}@api/#header=Authorization:{S}",
    f"http://api/#header=X:{S},status=x",
    f"http://api/#host=u:{S}@api",
    f"http://api/#host=http://u:{S}@api",
    f"tcp://db:1#send={S},{S}",
    f"tcp://db:1#send={S},send={S}",
    f"tcp://db:1#send={S},hold=1h",
    f"tcp://db:1#sned={S}",
    f"http://u:{S}@api/?q={S}#header=X:{S},period=5m,max-period=1s",
    f"http://u:{S}@api/?q={S}#header=X:{S},initial-delay=5m",
    f"https://u:{S}@api/?q={S}#header=X:{S},ca=/nonexistent",
]

ARGUMENTS = [
    ["--timeout", f"http://u:{S}@api/"],
    ["-o", f"http://u:{S}@api/"],
    ["--termination-log", f"http://u:{S}@api/"],
    ["--fatal", f"http://u:{S}@api/?{S}"],
    ["--jitter", f"http://api/?{S}"],
    ["--header", f"Authorization: Bearer {S}"],
    [f"--header=Authorization: Bearer {S}"],
    [f"-HAuthorization: Bearer {S}"],
    [f"--http://u:{S}@api/"],
    [f"-http://u:{S}@api/"],
    ["mydb:5432", "--", "no-such-program", f"--password={S}"],
    ["mydb:5432", f"http://u:{S}@api/", "--bogus"],
    ["mydb:5432", f"http://u:{S}@api/", "-q", "-v"],
    ["--help", f"http://u:{S}@api/"],
]


@pytest.mark.parametrize("target", MISTAKES)
def test_a_bad_target_keeps_secrets(inside, tmp_path, target):
    """A target that cannot be read is told without what may be secret in it."""
    log = tmp_path / "log"
    for form in ("text", "json"):
        told = inside("--dry-run", target, "-o", form, "--termination-log", str(log))
        assert told.code == 2
        assert_kept(told.out, told.err, log.read_text())
    with pytest.raises(library.InvalidTarget) as error:
        library.wait_for(target)
    assert_kept(str(error.value), repr(error.value))


@pytest.mark.parametrize("password", [f"7:{S}", f"7,{S}", f"7@{S}", f"7?{S}", f"7{S}", f"{S}%2F"])
def test_a_target_that_can_be_read_keeps_secrets(inside, password):
    """What stands before the last @, and a query, is masked in a plan."""
    for form in ("text", "json"):
        told = inside("--dry-run", f"http://u:{password}@api/x", "-o", form)
        assert told.code == 0
        assert_kept(told.out, told.err)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_bad_arguments_keep_secrets(inside, arguments):
    """A target where the value of an option belongs, an option of curl: neither is quoted."""
    told = inside(*arguments)
    assert_kept(told.out, told.err)


@pytest.mark.parametrize("name", ["TIMEOUT", "OUTPUT", "ANY", "TERMINATION_LOG", "TARGETS"])
def test_bad_variables_keep_secrets(inside, name):
    """A target in the wrong variable is not quoted, nor is one that cannot be read."""
    told = inside("mydb:1", env={f"WAITFOR_{name}": f"http://u:{SECRET}@api:x/"})
    assert told.code == 2
    assert_kept(told.out, told.err)


def test_a_crash_of_ours_keeps_secrets(inside, tmp_path, monkeypatch):
    """A crash is told with its place and its type, not with its words."""

    async def attempt(self, look):
        raise RuntimeError(f"{self} {self.userinfo} {self.header}")

    monkeypatch.setattr(Http, "attempt", attempt)
    log = tmp_path / "log"
    target = FULL.format(scheme="http", where="127.0.0.1:1")
    for form in ("text", "json"):
        told = inside(target, "-o", form, "--termination-log", str(log))
        assert told.code == 3
        assert "RuntimeError" in told.err
        assert "test_secrets.py" in told.err
        assert "this is a bug in waitfor" in told.err
        assert_kept(told.out, told.err, log.read_text())


def test_a_signal_keeps_secrets(waitfor, tmp_path):
    """The summary after SIGTERM, also with several targets at once."""
    log = tmp_path / "log"
    accepted = threading.Event()

    def talk(sock):
        read_request(sock)
        accepted.set()
        stay_silent(sock)

    with TcpServer(talk) as server:
        where = f"127.0.0.1:{server.port}"
        targets = [FULL.format(scheme="http", where=where), SENT.format(where=where) + ",expect=x"]
        process = waitfor.start("--parallel", "-v", *targets, "--termination-log", str(log))
        assert accepted.wait(10)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "SIGTERM" in err
    assert where in err
    assert_kept(out, err, log.read_text())


def test_a_plan_names_options_that_are_secret_without_their_values(inside):
    """Who reads a plan sees that a header is set, and not which."""
    target = FULL.format(scheme="http", where="api:8080")
    told = inside("--dry-run", "-ojson", target)
    (planned,) = json.loads(told.out)["targets"]
    assert planned["target"] == "http://***@api:8080/x?a=***&***&b=***"
    assert planned["options"] == {"method": "POST", "body": "***", "header": "***"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mydb:5432", "'mydb:5432'"),
        ("1h30", "'1h30'"),
        ("", "''"),
        ("a\nb", r"'a\nb'"),
        ("http://api:8080/healthz", "'http://api:8080/healthz'"),
        ("http://api/x?token=1", "'http://api/x...'"),
        ("http://api/x#header=A:b", "'http://api/x...'"),
        ("http://u:p@api:80/x", "'http://***@api...'"),
        ("http://u:p@[::1]:80/x", "'http://***@[::1]...'"),
        ("http://u:p/x@api/y", "'http://***@api...'"),
        ("http://u:p?x@api/y", "'http://...'"),
        ("u:p@db:5432", "'***@db...'"),
        ("a" * 200, f"'{'a' * 100}...'"),
    ],
)
def test_an_error_quotes_what_cannot_be_secret(text, shown):
    """The one gate through which texts get into errors."""
    assert quoted(text) == shown

"""What is asked, what counts as ready, and what is said of it."""

import datetime
import email.utils
import gzip
import json
import zlib

import pytest
from support.http import OK, HttpServer, look_at
from support.servers import free_port

from waitfor.result import Cause, InvalidTarget
from waitfor.target import parse_target


def answering(status, *headers, body=b""):
    """A ready-made answer, ended by the close of its connection."""
    lines = [f"HTTP/1.1 {status} Words", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("status", "options", "ready"),
    [
        (200, "", True),
        (204, "", True),
        (302, "", True),
        (304, "", True),
        (399, "", True),
        (400, "", False),
        (404, "", False),
        (500, "", False),
        (503, "", False),
        (999, "", False),
        (404, "status=404", True),
        (200, "status=404", False),
        (299, "status=200-299", True),
        (300, "status=200-299", False),
        (418, "status=4xx", True),
        (401, "status=2xx,status=401", True),
        (403, "status=2xx,status=401", False),
    ],
)
def test_status(status, options, ready):
    """200 to 399 is ready as with kubelet's probes, unless `status` says otherwise."""
    with HttpServer(answering(status)) as server:
        result = look_at(f"http://{server.at}/#{options}" if options else f"http://{server.at}/")
    assert result.ready is ready
    assert result.cause is (Cause.READY if ready else Cause.STATUS)


def test_words_of_status():
    """A status that is not ready is said with its phrase, who sent it, and what would be ready."""
    with HttpServer(answering(503)) as server:
        result = look_at(f"http://{server.at}/#status=2xx,status=404")
    assert result.detail == (
        f"status 503 Service Unavailable from {server.at}; ready is 200-299, 404"
    )
    assert result.facts == {"status": 503, "address": server.at}


def test_request():
    """A plain look is a GET with the query exactly as written, on a connection to be closed."""
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/a/../b%2F%zz?x=%7e&y='[|]\"&&z=%C3%A9").ready
    (request,) = server.requests
    assert (request.method, request.target, request.body) == (
        "GET",
        "/a/../b%2F%zz?x=%7e&y='[|]\"&&z=%C3%A9",
        b"",
    )
    assert request.header("Host") == server.at
    assert request.header("Connection") == "close"
    assert request.header("User-Agent").startswith("waitfor/")
    assert request.header("Authorization") is None
    assert request.header("Content-Length") is None


def test_path_outside_ascii():
    """Letters outside ASCII go out as percent-encoded UTF-8; an empty path is a slash."""
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/é?ü=ö").ready
        assert look_at(f"http://{server.at}").ready
        assert look_at(f"http://{server.at}?q").ready
    assert [each.target for each in server.requests] == ["/%C3%A9?%C3%BC=%C3%B6", "/", "/?q"]


def test_body_at_every_look():
    """The body is sent in full at every look, not at the first alone."""
    probe = "#method=POST,body=%7B%22name%22%3A%22%C3%A9%22%7D,header=Content-Type:application/json"
    with HttpServer() as server:
        for _ in range(3):
            assert look_at(f"http://{server.at}/{probe}").ready
    for request in server.requests:
        assert request.method == "POST"
        assert json.loads(request.body) == {"name": "é"}
        assert request.header("Content-Type") == "application/json"
    assert len(server.requests) == server.accepted == 3


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "post"])
def test_method(method):
    """The method is the one asked for; one that carries a body says that there is none."""
    with HttpServer(
        answering(200, "Content-Length: 7", body=b"" if method == "HEAD" else b"1234567")
    ) as server:
        assert look_at(f"http://{server.at}/#method={method}").ready
    (request,) = server.requests
    assert request.method == method.upper()
    length = "0" if method.upper() in ("POST", "PUT", "PATCH") else None
    assert request.header("Content-Length") == length


def test_headers():
    """Headers are sent as written, repeated, non-ASCII as UTF-8, and instead of ours."""
    options = (
        "header=X-One: 1,header=X-Two:a%2Cb,header=X-Two:c,header=X-Three:grün,header=X-Empty:,"
        "header=user-agent:probe"
    )
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/#{options}").ready
    (request,) = server.requests
    assert request.header("X-One") == "1"
    assert request.header("X-Two") == "a,b, c"
    assert request.header("X-Three") == "grün"
    assert request.header("X-Empty") == ""
    assert request.header("User-Agent") == "probe"


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("api.example", "api.example"),
        ("[::1]:8", "[::1]:8"),
        ("münchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_host(host, sent):
    """`host` is the Host header, in the form that servers compare."""
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/#host={host}").ready
    assert server.requests[0].header("Host") == sent


def test_ipv6_literal():
    """An IPv6 literal is connected to, and stands in brackets in Host and in words."""
    with HttpServer(host="::1") as server:
        result = look_at(f"http://[::1]:{server.port}/")
    assert result.detail == f"status 200 OK from [::1]:{server.port}"
    assert server.requests[0].header("Host") == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("userinfo", "basic"),
    [
        ("me:pass", b"me:pass"),
        ("me%40home:a%2Fb%3Ac%25", b"me@home:a/b:c%"),
        ("me", b"me:"),
        ("m%C3%A9:%FF", "mé:".encode() + b"\xff"),
    ],
)
def test_userinfo(userinfo, basic):
    """User and password go out as Basic authorization, octet by octet what was encoded."""
    from base64 import b64decode

    with HttpServer() as server:
        assert look_at(f"http://{userinfo}@{server.at}/").ready
    kind, _, encoded = server.requests[0].header("Authorization").partition(" ")
    assert (kind, b64decode(encoded)) == ("Basic", basic)


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        ("contains=all,contains=fine", None),
        ("contains=all fine,matches=^all\\b,matches=f.ne$", None),
        ("contains=all,contains=well", "'well'"),
        ("matches=^fine", "a match of '^fine'"),
        ("contains=one,matches=tw+o", "'one', a match of 'tw+o'"),
    ],
)
def test_body_expected(options, lacks):
    """All of `contains` and `matches` must be found; what is not is named, the body never."""
    with HttpServer(OK) as server:
        result = look_at(f"http://{server.at}/#{options}")
    if lacks is None:
        assert result.ready
    else:
        assert result.cause is Cause.BODY
        assert result.detail == f"status 200 OK from {server.at}, without {lacks} in the body"


def test_expectation_behind_the_bound():
    """The body is searched up to 1 MiB, and said to be so."""
    body = b"x" * (1024 * 1024 - 2) + b"end of it"
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + body
    with HttpServer(answer) as server:
        assert look_at(f"http://{server.at}/#contains=xen").ready
        result = look_at(f"http://{server.at}/#contains=end")
        assert result.detail.endswith("without 'end' in the first 1 MiB of its body")
        assert look_at(f"http://{server.at}/#matches=xe$").cause is Cause.BODY
        assert look_at(f"http://{server.at}/#matches=xen$").ready
        assert look_at(f"http://{server.at}/").ready


def test_wrong_status_and_wrong_body():
    """The status is judged first: an error page that holds the text is not ready."""
    with HttpServer(answering(500, body=b"all fine")) as server:
        assert look_at(f"http://{server.at}/#contains=fine").cause is Cause.STATUS


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"all fine")),
        ("deflate", zlib.compress(b"all fine")),
        ("GZIP", gzip.compress(b"all fine")),
        ("identity", b"all fine"),
    ],
)
def test_compressed_body(coding, body):
    """A compressed body is searched as it was before compression."""
    with HttpServer(answering(200, f"Content-Encoding: {coding}", body=body)) as server:
        assert look_at(f"http://{server.at}/#contains=all fine,matches=^all fine$").ready
    assert server.requests[0].header("Accept-Encoding") == "gzip"


def test_no_body_to_decompress():
    """The announcement of a compression without a body, as for HEAD, is no fault."""
    answer = answering(200, "Content-Encoding: gzip", "Content-Length: 0")
    with HttpServer(answer) as server:
        assert look_at(f"http://{server.at}/").ready
        assert look_at(f"http://{server.at}/#method=HEAD").ready


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("later", None),
        ("-3", None),
        ("1.5", None),
        ("9" * 40, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_seconds(header, seconds):
    """Retry-After in seconds is handed on; nonsense is as if it were not there."""
    with HttpServer(
        answering(503, f"Retry-After: {header}", "Date: Mon, 01 Jan 2024 00:00:00 GMT")
    ) as server:
        assert look_at(f"http://{server.at}/").retry_after == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90.0), (-90, 0.0)])
def test_retry_after_date(ahead, seconds):
    """Retry-After as a date counts from the server's own Date, whose clock may differ from ours."""
    now = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    at = email.utils.format_datetime(now + datetime.timedelta(seconds=ahead), usegmt=True)
    date = email.utils.format_datetime(now, usegmt=True)
    with HttpServer(answering(503, f"Retry-After: {at}", f"Date: {date}")) as server:
        assert look_at(f"http://{server.at}/").retry_after == seconds
    with HttpServer(answering(503, f"Retry-After: {at}")) as server:
        assert look_at(f"http://{server.at}/").retry_after is None


SECRET = "s3cr3t"
PATHS = {
    "ready": OK,
    "status": answering(500, body=SECRET.encode()),
    "body": answering(200, body=SECRET.encode()),
    "elsewhere": answering(302, f"Location: http://u:{SECRET}@other.example/{SECRET}?{SECRET}"),
    "loop": answering(302, f"Location: /{SECRET}?{SECRET}#{SECRET}"),
    "no URL": answering(302, f"Location: http://[::1/{SECRET}"),
    "not HTTP": SECRET.encode() + b"\r\n\r\n",
    "improper HTTP": f"HTTP/1.1 {SECRET}\r\n{SECRET}\r\n\r\n".encode(),
    "broken gzip": answering(200, "Content-Encoding: gzip", body=SECRET.encode()),
    "hung up": b"",
    "cut": answering(200, "Content-Length: 99", body=SECRET.encode()),
}


@pytest.mark.parametrize("answer", PATHS.values(), ids=PATHS)
def test_no_secrets(answer, caplog):
    """No user, header, query, body or Location is in result, name or log, whatever happens."""
    caplog.set_level("INFO")
    with HttpServer(answer) as server:
        target = (
            f"http://{SECRET}:{SECRET}@{server.at}/p?{SECRET}&k={SECRET}"
            f"#header=X-Key:{SECRET},method=POST,body={SECRET},status=2xx,contains=x,redirects=2"
        )
        result = look_at(target)
    assert SECRET in server.requests[0].target
    assert not result.ready
    assert SECRET not in repr(result)
    assert SECRET not in caplog.text
    assert parse_target(target).name == f"http://***@{server.at}/p?***&k=***"
    assert SECRET not in repr(parse_target(target))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://a/#header=Host:b", "Host cannot be set as a header: write host="),
        ("http://a/#header=Content-Length:1", "Content-Length cannot be set as a header"),
        ("http://a/#header=X", "header: write NAME:VALUE"),
        ("http://a/#header=X%20Y:1", "header: write NAME:VALUE"),
        ("http://a/#header=X:a%0D%0Ab", "the value of X has a line break"),
        ("http://a/#header=X:%00", "the value of X has a line break"),
        ("http://a/#status=600", "status: '600' is not a status: write 404, 200-299 or 2xx"),
        ("http://a/#method=GTE", "method: 'GTE' is not a method: did you mean GET?"),
        ("http://a/#body=x", "body: a GET sends none: add method=POST"),
        ("http://a/#method=HEAD,contains=x", "the answer to HEAD has no body to search"),
        ("http://a/#matches=(", "matches: '(' is not a regular expression: missing )"),
        ("http://a/#contains=", "contains: it is empty"),
        ("http://a/#redirects=-1", "redirects: '-1' is not a count"),
        ("http://a/#proxy=http://p:1", "proxy: write env"),
        ("http://a/#ca=x", "ca is for https://"),
        ("http://a/#cert=x", "cert is for https://"),
        ("http://a/#insecure=true", "insecure is for https://"),
        ("http://a/#key=x", "key: its certificate is missing: add cert=FILE"),
        ("https://a/#insecure=true,ca=x", "insecure=true and ca exclude each other"),
        ("http://u:p@a/#header=authorization:Bearer x", "exclude each other"),
        (f"http://a/{'x' * 70_000}", "the host, the path or the query is not one of a URL"),
    ],
)
def test_refused(target, words):
    """What cannot be asked for is refused before any packet, in words that say what can."""
    with pytest.raises(InvalidTarget) as raised:
        parse_target(target)
    assert words in str(raised.value)


@pytest.mark.filterwarnings("error")
def test_regex_that_python_warns_of():
    """A pattern that a later Python may read otherwise makes no warning on stderr."""
    with HttpServer(answering(200, body=b"[a")) as server:
        assert look_at(f"http://{server.at}/#matches=[[]a").ready


def test_refused_connection():
    """Nobody listening has the same cause and words as for tcp."""
    at = f"127.0.0.1:{free_port()}"
    result = look_at(f"http://{at}/")
    assert result.cause is Cause.REFUSED
    assert result.detail == f"connection refused by {at}"


def test_no_such_name():
    """A name that does not exist has the same cause and words as for tcp."""
    result = look_at("http://nosuch.invalid:1/")
    assert result.cause in (Cause.NXDOMAIN, Cause.LOOKUP_FAILED, Cause.NO_NAMESERVER)
    assert "nosuch.invalid" in result.detail


@pytest.mark.parametrize("redirected", [False, True])
def test_name_that_idna_cannot_read(redirected):
    """A host that begins as IDNA's do and is none of them is looked up or named all the same."""
    if not redirected:
        assert not look_at("http://xn--a.invalid:1/").ready
        return
    with HttpServer(answering(302, "Location: http://xn--a/")) as server:
        result = look_at(f"http://{server.at}/")
    assert "a redirect to another host, http://xn--a, not followed" in result.detail

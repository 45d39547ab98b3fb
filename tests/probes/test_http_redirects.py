"""Redirects: which are followed, with what, and what counts otherwise."""

import socket

import pytest
from support.http import OK, HttpServer, look_at, read_request
from support.servers import TcpServer
from support.tls import CA, server_context

from waitfor.result import Cause


def redirect(location, status=302):
    """The answer of a server that redirects."""
    return f"HTTP/1.1 {status} Words\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def routes(**answers):
    """An answer by path; ``start`` is the path ``/``."""
    return lambda request: answers[request.target.partition("?")[0].strip("/") or "start"]


@pytest.fixture
def ca(tmp_path):
    """The file of our authority."""
    CA.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path / "ca.crt"


@pytest.mark.parametrize(
    "location", ["/ready", "ready", "//{at}/ready", "http://{at}/ready", "?/../ready"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_followed_on_the_same_host(location, status):
    """Every kind of redirect to the same host is followed, relative or not."""

    def answer(request):
        first = len(server.requests) == 1
        return redirect(location.format(at=server.at), status) if first else OK

    with HttpServer(answer) as server:
        assert look_at(f"http://{server.at}/#status=200,contains=fine").ready
    assert len(server.requests) == server.accepted == 2
    assert "ready" in server.requests[1].target


def test_to_another_port_of_the_same_host():
    """Another port of the same host is the same host, as for kubelet."""
    with HttpServer() as second, HttpServer(redirect(f"http://{second.at}/")) as first:
        result = look_at(f"http://{first.at}/#status=200")
    assert result.detail == f"status 200 OK from {second.at}"
    assert second.requests[0].header("Host") == second.at


def test_from_http_to_https(ca, monkeypatch):
    """A redirect to https on the same host is followed and verified."""
    with (
        HttpServer(tls=server_context()) as secure,
        HttpServer(redirect(f"https://{secure.at}/")) as plain,
    ):
        assert look_at(f"http://{plain.at}/#status=200").cause is Cause.TLS_VERIFY
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        assert look_at(f"http://{plain.at}/#status=200").ready
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        result = look_at(f"http://{plain.at}/#status=200")
        assert result.cause is Cause.TLS_FAILED
        assert result.detail == (
            "SSL_CERT_FILE '/nonexistent' cannot be read: No such file or directory"
        )


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "PUT", "GET", b""),
        (303, "POST", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (307, "POST", "POST", b"text"),
        (308, "PUT", "PUT", b"text"),
    ],
)
def test_method_of_the_next_request(status, method, then, body):
    """307 and 308 repeat the request and its body; the others ask with GET, as Go's client does."""
    options = f"method={method}" + ("" if method == "HEAD" else ",body=text")
    with HttpServer(routes(start=redirect("/next", status), next=OK)) as server:
        assert look_at(f"http://{server.at}/#{options}").ready
    assert (server.requests[1].method, server.requests[1].body) == (then, body)


def test_as_many_as_allowed():
    """As many redirects as `redirects` says are followed, one more is the end, with its cause."""
    answer = routes(start=redirect("/1"), **{"1": redirect("/2"), "2": OK})
    with HttpServer(answer) as server:
        assert look_at(f"http://{server.at}/#redirects=2,status=200").ready
        result = look_at(f"http://{server.at}/#redirects=1")
        assert result.cause is Cause.REDIRECTS
        assert result.detail == f"status 302 Found from {server.at}, and redirects=1 are used up"


def test_loop():
    """A loop ends after the ten redirects of the default."""
    with HttpServer(redirect("/")) as server:
        assert look_at(f"http://{server.at}/").cause is Cause.REDIRECTS
    assert len(server.requests) == 11


def test_none_followed():
    """redirects=0 judges the redirect itself."""
    with HttpServer(redirect("/next")) as server:
        assert look_at(f"http://{server.at}/#redirects=0").ready
        assert look_at(f"http://{server.at}/#redirects=0,status=200").cause is Cause.STATUS
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://other.example:81/x?y", "http://other.example:81"),
        ("https://other.example/", "https://other.example"),
        ("//other.example/", "http://other.example"),
        ("ftp://127.0.0.1/", "ftp://127.0.0.1"),
    ],
)
def test_to_another_host(location, said):
    """One to another host is not followed; it is ready by default, as for kubelet, and said."""
    with HttpServer(redirect(location)) as server:
        result = look_at(f"http://{server.at}/")
        strict = look_at(f"http://{server.at}/#status=200")
    words = f"status 302 Found from {server.at}, a redirect to another host, {said}, not followed"
    assert (result.cause, result.detail) == (Cause.READY, words)
    assert result.facts["redirect"] == said
    assert (strict.cause, strict.detail) == (Cause.STATUS, f"{words}; ready is 200")


@pytest.mark.parametrize("location", ["http://[::1/", "http://127.0.0.1:99999/", "http://a:0/"])
def test_location_that_is_no_url(location):
    """A redirect to what is no URL is the server's fault, as in Go's client."""
    with HttpServer(redirect(location)) as server:
        result = look_at(f"http://{server.at}/")
    assert result.cause is Cause.PROTOCOL
    assert result.detail == (
        f"status 302 Found from {server.at}, a redirect whose Location is not a URL"
    )


def test_without_location():
    """A status of redirects without Location is a status like any other."""
    with HttpServer(b"HTTP/1.1 302 Found\r\n\r\n") as server:
        assert look_at(f"http://{server.at}/").ready


def test_headers_on_the_same_origin():
    """User, Cookie and other headers go along to another path of the same server."""
    options = "header=Cookie:c=1,header=X-Key:1"
    with HttpServer(routes(start=redirect("/next"), next=OK)) as server:
        assert look_at(f"http://u:p@{server.at}/#{options}").ready
    first, second = server.requests
    for name in ("Authorization", "Cookie", "X-Key", "Host", "User-Agent"):
        assert first.header(name) == second.header(name) is not None


@pytest.mark.parametrize("credentials", ["user", "header"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_credentials_on_another_origin(credentials, scheme, ca):
    """Authorization and Cookie never go to another port, nor from https down to http."""
    user = "u:p@" if credentials == "user" else ""
    options = "header=Cookie:c=1" if user else "header=Authorization:Bearer x,header=Cookie:c=1"
    tls = server_context() if scheme == "https" else None
    trust = f",ca={ca}" if tls else ""
    with HttpServer() as second, HttpServer(redirect(f"http://{second.at}/"), tls=tls) as first:
        assert look_at(f"{scheme}://{user}{first.at}/#{options}{trust}").ready
    assert first.requests[0].header("Authorization")
    assert second.requests[0].header("Authorization") is None
    assert second.requests[0].header("Cookie") is None


def test_credentials_under_another_scheme(monkeypatch, ca):
    """Another scheme is another origin, also on the same port."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    context, requests = server_context(), []

    def talk(sock):
        if sock.recv(1, socket.MSG_PEEK) != b"\x16":
            requests.append(read_request(sock))
            sock.sendall(redirect(f"https://127.0.0.1:{server.port}/"))
            return
        with context.wrap_socket(sock, server_side=True) as secure:
            requests.append(read_request(secure))
            secure.sendall(OK)

    with TcpServer(talk) as server:
        assert look_at(f"http://u:p@127.0.0.1:{server.port}/#status=200").ready
    assert [bool(each.header("Authorization")) for each in requests] == [True, False]


def test_to_the_host_asked_for():
    """With `host` a redirect to that name is one to the same host, and goes to the same address."""
    with HttpServer() as second:
        to = f"http://API.example:{second.port}/next"
        with HttpServer(redirect(to)) as first:
            assert look_at(f"http://{first.at}/#host=api.example,status=200").ready
    assert second.requests[0].header("Host") == f"api.example:{second.port}"


def test_redirect_that_is_waited_for():
    """status=302 asks for the redirect itself, which then is not followed."""
    with HttpServer(redirect("/elsewhere")) as server:
        assert look_at(f"http://{server.at}/#status=302").ready
        assert look_at(f"http://{server.at}/#status=3xx,status=200").ready
        assert len(server.requests) == 2

"""A proxy is used when asked for, and not otherwise."""

from base64 import b64decode

import pytest
from support.http import OK, HttpServer, Proxy, look_at
from support.servers import TcpServer, free_port, stay_silent
from support.tls import CA, server_context

from waitfor.result import Cause, InvalidTarget
from waitfor.target import parse_target


@pytest.fixture
def ca(tmp_path):
    """The file of our authority."""
    CA.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path / "ca.crt"


def test_none_unless_asked_for(monkeypatch):
    """No variable of the environment makes a proxy be used, as with kubelet's probes."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/").ready


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_http(monkeypatch, variable):
    """Http goes to the proxy with the whole URL; the name is the proxy's to look up."""
    with HttpServer() as server, Proxy(server.port) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        result = look_at("http://nosuch.invalid:81/p?q='#proxy=env,contains=fine")
    assert result.detail == f"status 200 OK from the proxy 127.0.0.1:{proxy.port}"
    assert proxy.requests[0].target == "http://nosuch.invalid:81/p?q='"
    assert proxy.requests[0].header("Host") == "nosuch.invalid:81"


@pytest.mark.parametrize(
    ("target", "certificate", "connect"),
    [
        ("https://nosuch.invalid/#", "nosuch.invalid", "nosuch.invalid:443"),
        ("https://nosuch.invalid.:444/#", "nosuch.invalid", "nosuch.invalid.:444"),
        ("https://nosuch.invalid/#host=api.example,", "api.example", "nosuch.invalid:443"),
        ("https://[::1]/#", "::1", "[::1]:443"),
    ],
)
def test_https(monkeypatch, ca, target, certificate, connect):
    """Https goes through a tunnel, the certificate that of the server."""
    names = []
    context = server_context(certificate)
    context.sni_callback = lambda sock, name, _: names.append(name)
    with HttpServer(tls=context) as server, Proxy(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        result = look_at(f"{target}proxy=env,ca={ca},contains=fine")
        assert result.ready, result
        (request,) = proxy.requests
        assert (request.method, request.target) == ("CONNECT", connect)
        # Addresses are not sent (RFC 6066, section 3).
        assert names == [None if ":" in certificate else certificate]
        other = look_at(f"https://other.example/#proxy=env,ca={ca}")
    assert other.cause is Cause.TLS_VERIFY
    assert other.detail.startswith(
        f"certificate of other.example:443 behind the proxy 127.0.0.1:{proxy.port} not accepted"
    )


@pytest.mark.parametrize(
    ("excepted", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("other.example, 127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:{port}", "127.0.0.1"),
        ("*", "127.0.0.1"),
        ("localhost", "localhost"),
        ("::1", "[::1]"),
    ],
)
def test_no_proxy(monkeypatch, excepted, host):
    """What NO_PROXY names is asked directly."""
    address = "::1" if host == "[::1]" else "127.0.0.1"
    with HttpServer(host=address) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setenv("NO_PROXY", excepted.format(port=server.port))
        assert look_at(f"http://{host}:{server.port}/#proxy=env").ready


def test_redirect_chooses_anew(monkeypatch, ca):
    """A redirect to https goes to the proxy of https, or to none if there is none."""
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with HttpServer(tls=server_context()) as secure:
        location = f"Location: https://{secure.at}/".encode()
        with (
            HttpServer(b"HTTP/1.1 302 Found\r\n" + location + b"\r\n\r\n") as plain,
            Proxy(plain.port) as proxy,
        ):
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            result = look_at(f"http://{plain.at}/#proxy=env,status=200")
    assert result.detail == f"status 200 OK from {secure.at}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_user_of_the_proxy(monkeypatch, ca, scheme):
    """User and password of the proxy's URL go to the proxy, and into no word."""
    tls = server_context("a.example") if scheme == "https" else None
    with HttpServer(tls=tls) as server, Proxy(server.port) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://me:s3cr3t%40@127.0.0.1:{proxy.port}")
        options = f",ca={ca}" if tls else ""
        result = look_at(f"{scheme}://a.example/#proxy=env{options}")
    assert result.ready
    assert "s3cr3t" not in repr(result)
    _, _, encoded = proxy.requests[0].header("Proxy-Authorization").partition(" ")
    assert b64decode(encoded) == b"me:s3cr3t@"
    assert server.requests[0].header("Proxy-Authorization") is None


def test_refusing_proxy(monkeypatch):
    """A proxy that refuses the tunnel is named with its status, and its words are not shown."""
    with Proxy(0, refuse=b"HTTP/1.1 407 s3cr3t") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s3cr3t@127.0.0.1:{proxy.port}")
        result = look_at("https://a.example/#proxy=env,insecure=true")
    assert (result.cause, result.detail) == (
        Cause.PROXY,
        f"the proxy 127.0.0.1:{proxy.port} refused the connection: status 407",
    )


@pytest.mark.parametrize("target", ["http://a.example/#proxy=env", "https://a.example/#proxy=env"])
def test_absent_proxy(monkeypatch, target):
    """That it is the proxy that cannot be reached, or is silent, is said."""
    at = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("ALL_PROXY", f"http://me:s3cr3t@{at}")
    result = look_at(target)
    assert result.cause is Cause.REFUSED
    assert result.detail == f"the proxy cannot be reached: connection refused by {at}"
    with TcpServer(stay_silent) as proxy:
        at = f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv("ALL_PROXY", f"http://me:s3cr3t@{at}")
        result = look_at(target, within=0.3)
    assert result.detail == f"the proxy {at} accepts but does not answer within 0.3s"
    monkeypatch.setenv("ALL_PROXY", "http://nosuch.invalid:3128")
    assert look_at(target).detail.startswith("the proxy cannot be reached: ")


@pytest.mark.parametrize(
    "url",
    [
        "socks5://127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://",
        "http://127.0.0.1:99999",
        "http://me:s3cr3t@[::1",
        "ftp://s3cr3t@a",
    ],
)
def test_refused(monkeypatch, url):
    """A proxy that cannot be used is refused at once, by the variable's name alone."""
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(InvalidTarget) as raised:
        parse_target("http://a.example/#proxy=env")
    assert "HTTP_PROXY is not the URL of an http:// proxy" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    parse_target("http://a.example/")


def test_answer_ahead_of_the_handshake(monkeypatch, ca):
    """What a proxy slips in before the TLS handshake is not taken for the server's answer."""
    established = b"HTTP/1.1 200 OK\r\nX: "
    established += b"x" * (8192 - len(established) - 4) + b"\r\n\r\n"
    context = server_context("a.example")

    def talk(sock):
        request = b""
        while b"\r\n\r\n" not in request:
            request += sock.recv(65536)
        sock.sendall(established + OK)
        with context.wrap_socket(sock, server_side=True) as secure:
            stay_silent(secure)

    with TcpServer(talk) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        result = look_at(f"https://a.example/#proxy=env,ca={ca}", within=1)
    assert not result.ready

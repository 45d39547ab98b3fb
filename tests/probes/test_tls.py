"""TLS: what is trusted, what is shown, what is refused before any packet."""

import socket
import ssl
import struct

import pytest
from support.http import OK, HttpServer, look_at
from support.servers import TcpServer, hang_up, respond, stay_silent
from support.tls import (
    CA,
    STRANGER,
    client_files,
    encrypted_key,
    self_signed_context,
    server_context,
)

from waitfor.probes import _tls
from waitfor.probes import http as http_probe
from waitfor.probes._tls import tls_context
from waitfor.result import Cause, InvalidTarget
from waitfor.target import parse_target


@pytest.fixture
def ca(tmp_path):
    """The file of our authority."""
    CA.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path / "ca.crt"


def look(server, options=""):
    """One look over https."""
    return look_at(
        f"https://127.0.0.1:{server.port}/#{options}" if options else f"https://{server.at}/"
    )


def test_ca(ca):
    """A certificate of the authority that `ca` names is accepted, with it alone."""
    with HttpServer(tls=server_context()) as server:
        assert look(server, f"ca={ca},contains=fine").detail == f"status 200 OK from {server.at}"
    with HttpServer(tls=server_context(ca=STRANGER)) as server:
        assert look(server, f"ca={ca}").cause is Cause.TLS_VERIFY


def test_intermediate_authority(tmp_path):
    """An intermediate authority may be the one that is trusted, as for curl and Go."""
    between = CA.create_child_ca()
    between.cert_pem.write_to_path(tmp_path / "between.crt")
    with HttpServer(tls=server_context(ca=between)) as server:
        assert look(server, f"ca={tmp_path / 'between.crt'}").ready


CERTIFICATES = {
    "unknown authority": (
        lambda _: server_context(ca=STRANGER),
        "unable to get local issuer certificate",
    ),
    "expired": (lambda _: server_context(days=-1), "certificate has expired"),
    "another address": (
        lambda _: server_context("127.0.0.2"),
        "IP address mismatch, certificate is not valid for '127.0.0.1'",
    ),
    "self-signed": (self_signed_context, "self-signed certificate"),
}


@pytest.mark.parametrize(("context", "reason"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_not_accepted(context, reason, ca, tmp_path):
    """A certificate that proves nothing is not ready, with the reason; `insecure` takes it."""
    with HttpServer(tls=context(tmp_path)) as server:
        result = look(server, f"ca={ca}")
        assert result.cause is Cause.TLS_VERIFY
        assert result.detail == f"certificate of {server.at} not accepted: {reason}"
        assert server.requests == []
        assert look(server, "insecure=true").ready


def test_not_accepted_by_default():
    """Without options the system's authorities are those that count."""
    with HttpServer(tls=server_context()) as server:
        assert look(server).cause is Cause.TLS_VERIFY


@pytest.mark.parametrize(
    ("authority", "host", "asked"),
    [
        ("localhost:{port}", "", "localhost"),
        ("127.0.0.1:{port}", "host=api.example,", "api.example"),
        ("127.0.0.1:{port}", "host=api.example:444,", "api.example"),
        ("127.0.0.1:{port}", "host=api.example.,", "api.example"),
        ("127.0.0.1:{port}", "", None),
    ],
)
def test_name(authority, host, asked, ca):
    """The name asked for, without a dot at its end, goes into SNI and is the certificate's."""
    names = []
    context = server_context(asked or "127.0.0.1")
    context.sni_callback = lambda sock, name, _: names.append(name)
    with HttpServer(tls=context) as server:
        at = authority.format(port=server.port)
        assert look_at(f"https://{at}/#{host}ca={ca}").ready
        result = look_at(f"https://127.0.0.1:{server.port}/#host=other.example,ca={ca}")
    assert names[0] == asked
    assert "certificate is not valid for 'other.example'" in result.detail


def test_ipv6(ca):
    """The address in the certificate counts for an IPv6 literal too."""
    with HttpServer(tls=server_context("::1"), host="::1") as server:
        assert look_at(f"https://[::1]:{server.port}/#ca={ca}").ready


def reset(sock):
    """Read a little and reset."""
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer_in_plain(sock):
    """What a server of plain HTTP says to a TLS handshake."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    stay_silent(sock)


CLOSED = (Cause.TLS_FAILED, "{at} closed the connection during the TLS handshake")
HANDSHAKES = {
    "plain HTTP": (answer_in_plain, (Cause.TLS_FAILED, "{at} does not speak TLS")),
    "closed": (lambda sock: sock.recv(65536), CLOSED),
    "closed at once": (hang_up, CLOSED),
    "reset": (reset, CLOSED),
    "silent": (
        stay_silent,
        (Cause.TLS_TIMEOUT, "{at} accepts but does not finish the TLS handshake within 0.3s"),
    ),
}


@pytest.mark.parametrize(("talk", "expected"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_handshake_that_fails(talk, expected):
    """A handshake that comes to nothing has a cause of its own, and words that say how."""
    cause, words = expected
    with TcpServer(talk) as server:
        at = f"127.0.0.1:{server.port}"
        result = look_at(f"https://{at}/", within=0.3 if cause is Cause.TLS_TIMEOUT else 10)
    assert (result.cause, result.detail) == (cause, words.format(at=at))
    assert result.facts == {"address": at}


def test_versions_that_do_not_meet():
    """A server that refuses our version of TLS says so in the words of its alert, or nothing."""
    context = server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.MonkeyPatch.context() as patch, HttpServer(tls=context) as server:
        patch.setattr(http_probe, "tls_context", lambda *_: old)
        result = look(server)
    assert result.cause is Cause.TLS_FAILED
    assert result.detail == f"{server.at} refused the TLS handshake: protocol version"


def test_silent_after_the_handshake():
    """Silence after the handshake is silence of the server, not of TLS."""

    def talk(sock):
        stay_silent(sock)

    with TcpServer(talk, tls=server_context()) as server:
        at = f"127.0.0.1:{server.port}"
        result = look_at(f"https://{at}/#insecure=true", within=0.3)
    assert result.cause is Cause.RESPONSE_TIMEOUT
    assert result.detail == f"{at} accepts but does not answer within 0.3s"


def test_closed_after_the_handshake():
    """A server that closes after the handshake is said to, not to answer in some other protocol."""
    with TcpServer(lambda sock: sock.recv(65536), tls=server_context()) as server:
        at = f"127.0.0.1:{server.port}"
        result = look_at(f"https://{at}/#insecure=true")
    assert (result.cause, result.detail) == (
        Cause.CLOSED,
        f"{at} closed the connection without an answer",
    )


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("TLSv1_2", "{at} refused the TLS handshake: handshake failure"),
        ("TLSv1_3", "{at} wants a client's certificate: add cert=FILE"),
    ],
)
def test_client_certificate(version, words, ca, tmp_path):
    """`cert` and `key`, or both in one file, are shown; without them its refusal is said."""
    cert, key = client_files(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = getattr(ssl.TLSVersion, version)
    CA.configure_trust(context)

    def talk(sock):
        with context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as secure:
            try:
                secure.do_handshake()
            except ssl.SSLError:
                # A close with octets unread would be a reset, which can overtake the alert.
                with socket.socket(fileno=secure.detach()) as plain:
                    stay_silent(plain)
            else:
                respond(OK)(secure)

    with TcpServer(talk) as server:
        assert look(server, f"ca={ca},cert={cert},key={key}").ready
        assert look(server, f"ca={ca},cert={both}").ready
        assert look(server, f"insecure=true,cert={both}").ready
        refused = look(server, f"ca={ca}")
    at = f"127.0.0.1:{server.port}"
    assert (refused.cause, refused.detail) == (Cause.TLS_FAILED, words.format(at=at))


def test_ssl_cert_file(monkeypatch, ca):
    """SSL_CERT_FILE names the authorities, unless `ca` does."""
    with HttpServer(tls=server_context()) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        assert look(server).ready
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
        assert look(server, f"ca={ca}").ready
        assert look(server, "insecure=true").ready


def test_certificates_renewed(ca):
    """A file that changed is read anew, as Kubernetes renews the files of a Secret."""
    STRANGER.cert_pem.write_to_path(ca)
    with HttpServer(tls=server_context()) as server:
        assert not look(server, f"ca={ca}").ready
        CA.cert_pem.write_to_path(ca)
        assert look(server, f"ca={ca}").ready


@pytest.mark.parametrize("capath", [None, "empty"])
def test_system_without_authorities(capath, monkeypatch, tmp_path, ca):
    """Where the system has no authorities, or an empty folder of them, certifi's are trusted."""
    (tmp_path / "empty").mkdir()
    folder = capath and str(tmp_path / capath)
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=folder)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr("certifi.where", lambda: str(ca))
    _tls._made.cache_clear()
    try:
        assert tls_context().cert_store_stats()["x509_ca"] == 1
    finally:
        _tls._made.cache_clear()


def test_made_once_and_only_for_https(monkeypatch, ca):
    """All looks and targets with the same files share one context; plain http makes none."""
    one, other = (parse_target(f"https://{name}.example/#ca={ca}").probe for name in "ab")
    assert one._tls() is one._tls() is other._tls()
    assert one._tls() is not parse_target("https://a.example/#insecure=true").probe._tls()
    monkeypatch.setattr(http_probe, "tls_context", None)
    with HttpServer() as server:
        assert look_at(f"http://{server.at}/").ready


@pytest.fixture
def files(tmp_path, ca):
    """Files that are and are not what they should be, by name."""
    cert, key = client_files(tmp_path)
    garbage, empty = tmp_path / "garbage", tmp_path / "empty"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    empty.touch()
    other = tmp_path / "other"
    other.mkdir()
    encrypted = encrypted_key(key, tmp_path / "encrypted.key")
    packed = tmp_path / "packed.pem"
    packed.write_bytes(encrypted.read_bytes() + cert.read_bytes())
    return {
        "ca": ca,
        "cert": cert,
        "key": key,
        "garbage": garbage,
        "empty": empty,
        "folder": other,
        "other": client_files(other)[1],
        "encrypted": encrypted,
        "packed": packed,
        "absent": tmp_path / "absent",
    }


PAIR = "a PEM certificate and its key"
BAD_FILES = [
    ("ca={absent}", "ca '{absent}' cannot be read: No such file or directory"),
    ("ca={folder}", "ca '{folder}' cannot be read: Is a directory"),
    ("ca={empty}", "ca '{empty}' is empty"),
    ("ca={garbage}", "ca '{garbage}' holds no PEM certificate"),
    ("ca={key}", "ca '{key}' holds no PEM certificate"),
    ("cert={absent}", "cert '{absent}' cannot be read: No such file or directory"),
    ("cert={empty}", "cert '{empty}' is empty"),
    ("cert={cert}", "cert '{cert}' is not " + PAIR),
    ("cert={garbage},key={key}", "cert '{garbage}' and key '{key}' are not " + PAIR),
    ("cert={cert},key={absent}", "key '{absent}' cannot be read: No such file or directory"),
    ("cert={cert},key={empty}", "key '{empty}' is empty"),
    ("cert={cert},key={garbage}", "cert '{cert}' and key '{garbage}' are not " + PAIR),
    ("cert={cert},key={other}", "key '{other}' does not belong to the certificate"),
    ("cert={cert},key={encrypted}", "key '{encrypted}' is encrypted: give one without a password"),
    ("cert={packed}", "the key in cert '{packed}' is encrypted: give one without a password"),
]


@pytest.mark.parametrize(("options", "words"), BAD_FILES)
def test_refused(options, words, files):
    """A file that cannot serve is refused at once, by its name and what is wrong with it."""
    with pytest.raises(InvalidTarget) as raised:
        parse_target(f"https://a.example/#{options.format(**files)}")
    assert str(raised.value).endswith(words.format(**files))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("absent", "SSL_CERT_FILE '{}' cannot be read: No such file or directory"),
        ("empty", "SSL_CERT_FILE '{}' is empty"),
        ("garbage", "SSL_CERT_FILE '{}' holds no PEM certificate"),
    ],
)
def test_refused_ssl_cert_file(file, words, files, monkeypatch):
    """An SSL_CERT_FILE that cannot serve is refused for https, and nothing to http."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files[file]))
    parse_target("http://a.example/")
    with pytest.raises(InvalidTarget) as raised:
        parse_target("https://a.example/")
    assert str(raised.value).endswith(words.format(files[file]))


def test_refused_before_any_packet(waitfor, files):
    """The command refuses an encrypted key, asks for no password, and connects nowhere."""
    with TcpServer(respond(OK)) as server:
        target = f"127.0.0.1:{server.port}"
        run = waitfor(
            f"tcp://{target}",
            f"https://{target}/#cert={files['cert']},key={files['encrypted']}",
            within=5,
            start_new_session=True,
        )
    assert run.code == 2
    assert run.err.count("\n") == 1
    assert "is encrypted: give one without a password" in run.err
    assert server.accepted == 0


def test_folder_of_authorities_that_cannot_be_read(monkeypatch, tmp_path):
    """An SSL_CERT_DIR that cannot be listed is refused, as a file is."""
    gone = tmp_path / "gone"
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=str(gone))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    with pytest.raises(ValueError, match=f"SSL_CERT_DIR '{gone}' cannot be read: No such file"):
        tls_context()

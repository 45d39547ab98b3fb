"""The same against a real nginx, which has its own idea of each of these."""

import pytest
from conftest import find_tool
from support.http import look_at, nginx
from support.servers import free_port
from support.tls import CA, STRANGER, client_files

from waitfor.result import Cause

pytestmark = pytest.mark.needs("nginx")

SERVERS = """
default_type text/plain;
server {{
    listen 127.0.0.1:{plain};
    location = /ok {{ return 200 "all fine"; }}
    location = /gzip {{ gzip on; gzip_min_length 1; return 200 "all fine"; }}
    location = /busy {{ add_header Retry-After 7 always; return 503; }}
    location = /empty {{ return 204; }}
    location = /cut {{ return 444; }}
    location = /teapot {{ return 418; }}
    location = /relative {{ absolute_redirect off; return 301 /ok; }}
    location = /absolute {{ return 302 /ok; }}
    location = /secure {{ return 308 https://127.0.0.1:{tls}/ok; }}
    location = /elsewhere {{ return 302 http://other.example/; }}
    location = /loop {{ return 302 /loop; }}
    location = /private {{
        auth_basic x;
        auth_basic_user_file {folder}/users;
        try_files /page =500;
    }}
    location = /post {{
        if ($request_method != POST) {{ return 405; }}
        return 200 $content_length;
    }}
    location = /echo {{ return 200 "$host $http_x_key $request_uri"; }}
    root {folder};
}}
server {{
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    location = /ok {{ return 200 "$ssl_server_name $http_authorization"; }}
}}
server {{
    listen 127.0.0.1:{mutual} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/ca.crt;
    ssl_verify_client on;
    location = /ok {{ return 200 $ssl_client_verify; }}
}}
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    """Where nginx listens, by kind, and the folder of its files."""
    folder = tmp_path_factory.mktemp("nginx")
    # Its workers, which may be another user's, read files here.
    folder.chmod(0o755)
    names = ("plain", "tls", "mutual")
    ports = {name: free_port() for name in names}
    CA.cert_pem.write_to_path(folder / "ca.crt")
    CA.issue_cert("127.0.0.1", "api.example").private_key_and_cert_chain_pem.write_to_path(
        folder / "server.pem"
    )
    (folder / "users").write_text("me:{PLAIN}p@ss/w0rd\n")
    (folder / "page").write_text("private page")
    config = SERVERS.format(folder=folder, **ports)
    with nginx(find_tool("nginx"), folder, config, ports["plain"]):
        yield {name: f"127.0.0.1:{port}" for name, port in ports.items()} | {"folder": folder}


@pytest.mark.parametrize(
    ("path", "options", "cause"),
    [
        ("ok", "", Cause.READY),
        ("ok", "contains=all,contains=fine,matches=^a", Cause.READY),
        ("ok", "contains=bad", Cause.BODY),
        ("ok", "method=HEAD", Cause.READY),
        ("gzip", "contains=all fine", Cause.READY),
        ("empty", "", Cause.READY),
        ("empty", "contains=x", Cause.BODY),
        ("busy", "", Cause.STATUS),
        ("busy", "status=503", Cause.READY),
        ("teapot", "status=2xx,status=418", Cause.READY),
        ("absent", "", Cause.STATUS),
        ("relative", "status=200,contains=fine", Cause.READY),
        ("absolute", "status=200,contains=fine", Cause.READY),
        ("absolute", "status=200,redirects=0", Cause.STATUS),
        ("elsewhere", "", Cause.READY),
        ("elsewhere", "status=200", Cause.STATUS),
        ("loop", "", Cause.REDIRECTS),
        ("cut", "", Cause.CLOSED),
        ("post", "", Cause.STATUS),
        ("post", "method=POST,body=12345,contains=5", Cause.READY),
        (
            "echo?a=%2F'",
            "header=X-Key:k,host=api.example,contains=api.example k /echo?a=%252F'",
            Cause.READY,
        ),
        ("private", "status=401", Cause.READY),
        ("private", "", Cause.STATUS),
    ],
)
def test_plain(at, path, options, cause):
    """What nginx answers is judged by status, redirects and body."""
    assert look_at(f"http://{at['plain']}/{path}#{options}".rstrip("#")).cause is cause


def test_basic_authorization(at):
    """User and password of the URL open what wants them; a wrong one is status 401."""
    page = f"{at['plain']}/private#contains=private page"
    assert look_at(f"http://me:p%40ss%2Fw0rd@{page}").ready
    assert look_at(f"http://me:wrong@{page}").detail == (
        f"status 401 Unauthorized from {at['plain']}; ready is 200-399"
    )


def test_retry_after(at):
    """The header of a 503 is handed on."""
    assert look_at(f"http://{at['plain']}/busy").retry_after == 7.0


def test_tls(at, monkeypatch):
    """The authority decides, the name goes into SNI, and http may redirect to https."""
    ca = at["folder"] / "ca.crt"
    tls = f"https://{at['tls']}/ok#"
    assert look_at(f"{tls}ca={ca},host=api.example,matches=^api.example ").ready
    assert look_at(f"{tls}ca={ca},host=other.example").cause is Cause.TLS_VERIFY
    assert look_at(f"{tls}insecure=true").ready
    assert look_at(tls.rstrip("#")).cause is Cause.TLS_VERIFY
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    result = look_at(f"http://me:secret@{at['plain']}/secure#status=200,matches=^ $")
    assert result.detail == f"status 200 OK from {at['tls']}"


def test_the_other_protocol(at):
    """A TLS port answers http with nginx's 400; a plain one that is asked for https has no TLS."""
    assert look_at(f"http://{at['tls']}/ok").detail.startswith("status 400 Bad Request from ")
    assert look_at(f"https://{at['plain']}/ok").detail == f"{at['plain']} does not speak TLS"


def test_client_certificate(at, tmp_path):
    """A client's certificate opens what wants one of its authority."""
    cert, key = client_files(tmp_path)
    (tmp_path / "strange").mkdir()
    strange_cert, strange_key = client_files(tmp_path / "strange", STRANGER)
    mutual = f"https://{at['mutual']}/ok#ca={at['folder'] / 'ca.crt'}"
    assert look_at(f"{mutual},cert={cert},key={key},contains=SUCCESS").ready
    assert look_at(mutual).detail.startswith("status 400 Bad Request from ")
    assert look_at(f"{mutual},cert={strange_cert},key={strange_key}").cause is Cause.STATUS


def test_command(waitfor, at):
    """The command waits for nginx and says what it answered."""
    ready = waitfor(f"http://{at['plain']}/ok?token=s3cr3t#contains=fine")
    assert (ready.code, ready.out) == (0, "")
    assert f"status 200 OK from {at['plain']}" in ready.err
    assert "s3cr3t" not in ready.err
    busy = waitfor("-t", "300ms", f"http://{at['plain']}/busy")
    assert busy.code == 124
    assert f"status 503 Service Unavailable from {at['plain']}; ready is 200-399" in busy.err

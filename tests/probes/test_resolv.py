"""/etc/resolv.conf, read as the C library reads it."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.dns import DnsServer
from support.netns import Namespace

from waitfor.probes import _resolv
from waitfor.probes._resolv import ResolvConf, resolv_conf

CLUSTER = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the file that is read for /etc/resolv.conf."""
    monkeypatch.delenv("LOCALDOMAIN")
    monkeypatch.setattr(_resolv, "PATH", str(tmp_path / "resolv.conf"))
    monkeypatch.setattr(socket, "gethostname", lambda: "pod")
    return (tmp_path / "resolv.conf").write_bytes


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("", ResolvConf()),
        ("nameserver 10.0.0.1\nnameserver\tfd00::1 # why\n", ResolvConf(("10.0.0.1", "fd00::1"))),
        ("nameserver fe80::1%eth0\n", ResolvConf(("fe80::1%eth0",))),
        ("nameserver\nnameserver dns.example\nnameserver 10.0.0\n", ResolvConf()),
        ("# nameserver 10.0.0.1\n;nameserver 10.0.0.1\n nameserver 10.0.0.1\n", ResolvConf()),
        ("nameservers 10.0.0.1\nNAMESERVER 10.0.0.1\n\n", ResolvConf()),
        ("search a.b\nsearch c.d. e\n", ResolvConf((), ("c.d", "e"))),
        ("search a\ndomain b c\n", ResolvConf((), ("b",))),
        ("domain b\nsearch a c\n", ResolvConf((), ("a", "c"))),
        ("search .\n", ResolvConf((), ("",))),
        ("options ndots:2 rotate\noptions timeout:1\n", ResolvConf((), (), 2)),
        ("options ndots:99\n", ResolvConf((), (), 15)),
        ("options ndots:0\n", ResolvConf((), (), 0)),
        ("options ndots: ndots:x ndots ndots:-1\n", ResolvConf((), (), 1)),
        (f"options ndots:{'9' * 5000}\n", ResolvConf((), (), 15)),
        ("nameserver 10.0.0.1", ResolvConf(("10.0.0.1",))),
        ("nameserver 10.0.0.1\r\nsearch a\r\n", ResolvConf(("10.0.0.1",), ("a",))),
        (b"search \xff\xfe\nnameserver 10.0.0.1\0\n", ResolvConf((), ("\ufffd\ufffd",))),
    ],
)
def test_reading(written, text, conf):
    """Each line counts as resolv.conf(5) has it; what makes no sense is passed over."""
    written(text if isinstance(text, bytes) else text.encode())
    assert resolv_conf() == conf


def test_missing_or_unreadable(written, tmp_path):
    """A file that is missing, or cannot be read, counts as empty."""
    assert resolv_conf() == ResolvConf()
    (tmp_path / "resolv.conf").mkdir()
    assert resolv_conf() == ResolvConf()


def test_domain_of_the_host(written, monkeypatch):
    """Without a search list the domain of the host's own name is searched."""
    monkeypatch.setattr(socket, "gethostname", lambda: "pod.example.com")
    written(b"nameserver 10.0.0.1\n")
    assert resolv_conf().search == ("example.com",)


def test_environment(written, monkeypatch):
    """LOCALDOMAIN takes the place of the search list, RES_OPTIONS comes after the options."""
    written(CLUSTER.encode())
    monkeypatch.setenv("LOCALDOMAIN", "a.b c")
    monkeypatch.setenv("RES_OPTIONS", "attempts:1 ndots:2")
    assert resolv_conf() == ResolvConf((), ("a.b", "c"), 2)
    monkeypatch.setenv("LOCALDOMAIN", "")
    assert resolv_conf().search == ()


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("mydb", ["mydb.ns.svc", "mydb.svc", "mydb"]),
        ("mydb.ns", ["mydb.ns.ns.svc", "mydb.ns.svc", "mydb.ns"]),
        ("a.b.c", ["a.b.c", "a.b.c.ns.svc", "a.b.c.svc"]),
        ("mydb.", ["mydb"]),
        ("a.b.c.", ["a.b.c"]),
        ("a" * 63 + ".b" * 93, ["a" * 63 + ".b" * 93, "a" * 63 + ".b" * 93 + ".svc"]),
    ],
)
def test_names(name, names):
    """With fewer dots than ndots the name itself comes last; with a dot at the end, alone."""
    conf = ResolvConf((), ("ns.svc", "svc", "a..b", "l" * 64, "svc"), 2)
    assert conf.names(name) == names


@pytest.mark.parametrize(("name", "names"), [("a", ["a", "a.b"]), ("a.c", ["a.c", "a.c.b"])])
def test_names_without_ndots(name, names):
    """ndots:0 tries every name as it stands first."""
    assert ResolvConf((), ("b",), 0).names(name) == names


# Asks for each name as a program does, and for one that marks the end of its walk.
ASK = """
import json, os, socket, sys
for lines, env, name in json.load(sys.stdin):
    with open("/etc/resolv.conf", "w") as file:
        file.write(lines)
    if not os.fork():
        os.environ.update(env)
        for each in (name, "end."):
            try:
                socket.getaddrinfo(each, None, socket.AF_INET)
            except socket.gaierror:
                pass
        os._exit(0)
    os.wait()
"""
TEXTS = [
    CLUSTER,
    "search a.b c.d.\noptions ndots:2\n",
    "search a\ndomain b.c d\n",
    "search a\n search b\n",
    "search .\noptions ndots:3",
    "search a . b\noptions ndots:0",
    "search a a\noptions ndots:99",
    "search a.b\noptions ndots:2\noptions rotate",
    " options ndots:2\nsearch x\n",
    "; search y\n#search z\nsearch x\n",
]
ENVIRONMENTS = [{"LOCALDOMAIN": ""}, {"LOCALDOMAIN": "q.r s"}, {"RES_OPTIONS": "ndots:1"}]


@pytest.mark.needs("root", "ip")
def test_same_names_as_the_c_library(monkeypatch):
    """The names tried, and their order, are those that the C library asks a nameserver for."""
    monkeypatch.delenv("LOCALDOMAIN")
    kinds = [(text, {}) for text in TEXTS] + [(CLUSTER, env) for env in ENVIRONMENTS]
    cases = [
        (f"nameserver 127.0.0.1\n{text}", env, name)
        for text, env in kinds
        for name in ("mydb", "mydb.ns", "a.b.c", "mydb.", "a.b.c.d.e.f", "mydb.ns.")
    ]

    def ours(lines, env, name):
        Path("/etc/resolv.conf").write_text(lines)
        with monkeypatch.context() as patch:
            for key, value in env.items():
                patch.setenv(key, value)
            return resolv_conf().names(name)

    with Namespace() as pod, pod.inside(lambda: DnsServer(port=53)) as server:
        ask = [*pod.enter, sys.executable, "-c", ASK]
        subprocess.run(ask, input=json.dumps(cases), text=True, check=True)
        asked = iter([query.name for query in server.queries])
        for case in cases:
            theirs = [*dict.fromkeys(iter(lambda: next(asked), "end"))]
            assert (case, pod.inside(lambda case=case: ours(*case))) == (case, theirs)
    assert next(asked, None) is None

"""Nameservers and search list of a real /etc/resolv.conf, in a network of a pod's own."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.dns import (
    DnsServer,
    answer,
    fails,
    hang_up_over_tcp,
    look_at,
    nodata,
    nxdomain,
    silent,
    truncated,
)
from support.netns import Namespace

from waitfor.hints import HINTS
from waitfor.probes import dns
from waitfor.result import Cause

pytestmark = pytest.mark.needs("root", "ip")

SEARCH = "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
CLUSTER = f"nameserver 127.0.0.1\n{SEARCH}"
WALK = ["mydb.default.svc.cluster.local", "mydb.svc.cluster.local", "mydb.cluster.local", "mydb"]
RECORDS = {
    "A": "A 10.0.0.1",
    "AAAA": "AAAA fd00::1",
    "CNAME": "CNAME db.example.",
    "SRV": "SRV 0 0 80 db.example.",
    "TXT": 'TXT "ready"',
    "MX": "MX 10 mx.example.",
    "NS": "NS ns.example.",
    "PTR": "PTR host.example.",
    "CAA": 'CAA 0 issue "ca.example"',
}
THREE = "nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 127.0.0.3\n"


@pytest.fixture(scope="module")
def pod():
    """A network whose nameservers are at 127.0.0.x, port 53."""
    with Namespace(hosts="127.0.0.1 localhost\n", resolv_conf=CLUSTER) as network:
        yield network


@pytest.fixture
def look(pod, monkeypatch):
    """Looks once at a target from inside, with a resolv.conf."""
    monkeypatch.delenv("LOCALDOMAIN")

    def look(target, conf=CLUSTER, seconds=5.0):
        def there():
            Path("/etc/resolv.conf").write_text(conf)
            return look_at(target, seconds)

        return pod.inside(there)

    return look


@pytest.fixture
def serve(pod):
    """Starts nameservers inside, each at the next address of loopback; None leaves one out."""
    with ExitStack() as stack:

        def serve(*scripts):
            servers = [
                pod.inside(lambda s=script, n=number: DnsServer(**s, host=f"127.0.0.{n}", port=53))
                for number, script in enumerate(scripts, 1)
                if script is not None
            ]
            return [stack.enter_context(server) for server in servers]

        yield serve


@pytest.mark.parametrize("type", RECORDS)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_search_list_for_every_type(look, serve, type, place):
    """Each type is looked for under the search list, and the first name that has some counts."""
    (server,) = serve({"script": {WALK[place]: answer(RECORDS[type])}})
    result = look(f"dns://mydb#type={type}")
    assert result.ready
    assert result.facts["name"] == WALK[place]
    assert result.facts["names"] == WALK[: place + 1]
    assert result.facts["causes"] == ["nxdomain"] * place + ["ready"]
    assert server.asked() == [f"{name} {type}" for name in WALK[: place + 1]]


def test_no_such_name(look, serve):
    """A name that exists nowhere is told with all that was tried."""
    serve({})
    result = look("dns://mydb")
    assert (result.cause, result.detail) == (
        Cause.NXDOMAIN,
        f"no such name: {', '.join(WALK)} (NXDOMAIN from 127.0.0.1)",
    )
    assert result.facts == {
        "names": WALK,
        "causes": ["nxdomain"] * 4,
        "servers": ["127.0.0.1"],
    }


@pytest.mark.parametrize("name", ["mydb.", "mydb.default.svc.cluster.local.", "a.b.c.d.e.f"])
def test_walk_without_search_list(look, serve, name):
    """A dot at the end keeps the search list out; a name with many dots stands first."""
    bare = name.removesuffix(".")
    (server,) = serve({"script": {bare: answer("A 10.0.0.1")}})
    assert look(f"dns://{name}").ready
    assert {query.name for query in server.queries} == {bare}


@pytest.mark.parametrize("first", [fails("SERVFAIL"), fails("REFUSED"), fails("NOTIMP"), nodata()])
def test_a_bad_name_does_not_hide_the_next(look, serve, first):
    """Neither a failure under one name nor its lack of records hides an answer under the next."""
    serve({"script": {WALK[0]: first, WALK[1]: answer("A 10.0.0.1")}})
    result = look("dns://mydb")
    assert (result.cause, result.detail) == (Cause.READY, f"{WALK[1]} has 10.0.0.1")


@pytest.mark.parametrize("denial", [nxdomain(), nodata(), fails("SERVFAIL")])
def test_aaaa_dropped_all_along(look, serve, denial, monkeypatch):
    """A nameserver that drops every AAAA does not keep A under the last name from being found."""
    monkeypatch.setattr(dns, "STAGGER", 0.2)
    monkeypatch.setattr(dns, "HURRY", 0.05)

    def reply(question, tcp):
        if question.q.qtype == 28:
            return []
        found = str(question.q.qname) == "mydb."
        return (answer("A 10.0.0.1") if found else denial)(question, tcp)

    serve({"otherwise": reply})
    assert look("dns://mydb").ready


def test_causes_by_weight(look, serve):
    """A name that exists outweighs one that failed, which outweighs those that do not exist."""
    serve({"script": {WALK[1]: fails("SERVFAIL"), WALK[3]: fails("REFUSED")}})
    result = look("dns://mydb")
    assert (result.cause, result.detail) == (
        Cause.SERVFAIL,
        f"SERVFAIL from 127.0.0.1 for {WALK[1]}; REFUSED from 127.0.0.1 for mydb;"
        f" no such name: {WALK[0]}, {WALK[2]} (NXDOMAIN from 127.0.0.1)",
    )
    assert result.facts["causes"] == ["nxdomain", "servfail", "nxdomain", "dns-refused"]


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        (fails("SERVFAIL"), nodata(), Cause.NO_RECORDS),
        (nodata(), fails("SERVFAIL"), Cause.NO_RECORDS),
        (nxdomain(), hang_up_over_tcp, Cause.DNS_UNREACHABLE),
        (fails("NOTIMP"), fails("REFUSED"), Cause.DNS_REFUSED),
    ],
)
def test_one_cause_for_several_names(look, serve, first, second, cause):
    """The cause is that of the name that tells most, wherever in the walk it stands."""
    serve({"script": {WALK[1]: first, WALK[2]: second}})
    assert look("dns://mydb").cause is cause


def test_headless_service_without_pods(look, serve):
    """A headless Service without ready pods is told as a name without records."""
    serve({"script": {WALK[0]: nodata()}})
    result = look("dns://mydb")
    assert result.cause is Cause.NO_RECORDS
    assert result.detail == (
        f"{WALK[0]} has no A or AAAA record;"
        f" no such name: {', '.join(WALK[1:])} (NXDOMAIN from 127.0.0.1)"
    )


@pytest.mark.parametrize(
    "dead",
    [
        None,
        {"otherwise": silent},
        {"otherwise": fails("SERVFAIL")},
        {"otherwise": fails("REFUSED")},
    ],
    ids=["nothing listens", "silent", "SERVFAIL", "REFUSED"],
)
def test_dead_nameservers(look, serve, dead):
    """With two dead nameservers in front the third answers for the whole walk within one look."""
    serve(dead, dead, {"script": {"mydb": answer("A 10.0.0.1")}})
    result = look("dns://mydb", THREE + SEARCH)
    assert result.ready
    assert result.facts["servers"] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_a_slow_nameserver_is_still_listened_to(look, serve, monkeypatch):
    """The first nameserver's answer counts also when the second was asked meanwhile."""
    monkeypatch.setattr(dns, "STAGGER", 0.05)
    (first, second) = serve({"otherwise": silent}, {"otherwise": silent})

    def asked_second(question, tcp):
        first.script["mydb"] = answer("A 10.0.0.1")
        return []

    second.script["mydb"] = asked_second
    # The lost question is sent again after a second.
    result = look("dns://mydb.#type=A", THREE)
    assert (result.cause, result.detail) == (Cause.READY, "mydb has 10.0.0.1")


@pytest.mark.parametrize(
    ("replies", "cause", "detail"),
    [
        (
            (None, None),
            Cause.DNS_UNREACHABLE,
            "no nameserver listens at 127.0.0.1:53, 127.0.0.2:53",
        ),
        (
            (None, fails("SERVFAIL")),
            Cause.SERVFAIL,
            "no nameserver listens at 127.0.0.1:53; SERVFAIL from 127.0.0.2 for mydb",
        ),
        (
            (fails("REFUSED"), fails("REFUSED")),
            Cause.DNS_REFUSED,
            "REFUSED from 127.0.0.1, 127.0.0.2 for mydb",
        ),
        (
            (fails("SERVFAIL"), silent),
            Cause.DNS_TIMEOUT,
            "SERVFAIL from 127.0.0.1 for mydb; no answer from 127.0.0.2 for mydb within 0.3s",
        ),
        (
            (None, silent),
            Cause.DNS_TIMEOUT,
            "no nameserver listens at 127.0.0.1:53; no answer from 127.0.0.2 for mydb within 0.3s",
        ),
    ],
)
def test_no_nameserver_helps(look, serve, replies, cause, detail):
    """Where all fail each is told with its own failure, and silence only of those that kept it."""
    serve(*(reply and {"otherwise": reply} for reply in replies))
    conf = "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"
    result = look("dns://mydb.", conf, 0.3 if cause is Cause.DNS_TIMEOUT else 5)
    assert (result.cause, result.detail) == (cause, detail)
    assert result.facts["servers"][: len(replies)]


def test_a_denial_outweighs_a_server_that_failed(look, serve):
    """Where one nameserver failed and the next one answered, the answer alone is told."""
    serve({"otherwise": fails("SERVFAIL")}, {"otherwise": nxdomain()})
    result = look("dns://mydb.", "nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
    assert (result.cause, result.detail) == (
        Cause.NXDOMAIN,
        "no such name: mydb (NXDOMAIN from 127.0.0.2)",
    )


def test_look_cut_short_in_the_walk(look, serve):
    """A look that is cut says which server was silent for which name, and what was found before."""
    serve({"script": {WALK[2]: silent}})
    result = look("dns://mydb", seconds=0.3)
    assert (result.cause, result.detail) == (
        Cause.DNS_TIMEOUT,
        f"no such name: {WALK[0]}, {WALK[1]} (NXDOMAIN from 127.0.0.1);"
        f" no answer from 127.0.0.1 for {WALK[2]} within 0.3s",
    )
    assert result.facts["names"] == WALK[:3]
    assert result.facts["causes"] == ["nxdomain", "nxdomain", "dns-timeout"]


@pytest.mark.parametrize(
    ("nameserver", "words"),
    [
        ("203.0.113.1", "no route to 203.0.113.1:53"),
        ("2001:db8::1", "no route to [2001:db8::1]:53"),
        ("fe80::1%nowhere", ", asking [fe80::1%nowhere]:53"),
        ("fe80::1%\u00e9", ", asking [fe80::1%\u00e9]:53"),
    ],
)
def test_no_way_to_the_nameserver(look, nameserver, words):
    """A nameserver that no network leads to is told as unreachable."""
    result = look("dns://mydb.", f"nameserver {nameserver}\n")
    assert result.cause is Cause.DNS_UNREACHABLE
    assert result.detail.endswith(words)


def test_nameserver_with_a_zone(pod, look):
    """A nameserver at a link-local address is reached through the interface that it names."""
    pod.run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    pod.run("ip", "address", "add", "fe80::53/64", "dev", "veth0", "nodad")
    pod.run("ip", "link", "set", "veth0", "up")
    pod.run("ip", "link", "set", "veth1", "up")
    reply = truncated(answer("A 10.0.0.1"))
    with pod.inside(lambda: DnsServer(otherwise=reply, host="::", port=53)) as server:
        result = look("dns://mydb.#type=A", "nameserver fe80::53%veth0\n")
    assert (result.cause, result.facts["servers"]) == (Cause.READY, ["fe80::53%veth0"])
    assert [query.tcp for query in server.queries] == [False, True]


@pytest.mark.parametrize("conf", ["", "search a b\n", "nameserver nonsense\n"])
def test_no_nameserver(look, conf):
    """Where resolv.conf has no nameserver nothing can be asked, and that is said."""
    result = look("dns://mydb", conf)
    assert (result.cause, result.detail) == (
        Cause.NO_NAMESERVER,
        "cannot look up mydb: /etc/resolv.conf has no nameserver",
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("port", [53, 5353])
def test_server(pod, look, host, port):
    """SERVER alone is asked, an address of either family or a name, under the search list."""
    address = "::1" if host == "[::1]" else "127.0.0.1"
    script = {WALK[0]: answer("A 10.0.0.1")}
    with pod.inside(lambda: DnsServer(script, host=address, port=port)):
        where = host if port == 53 else f"{host}:{port}"
        result = look(f"dns://{where}/mydb", f"nameserver 127.0.0.9\n{SEARCH}")
    assert (result.cause, result.facts["name"]) == (Cause.READY, WALK[0])


def test_server_without_an_address(look, serve):
    """A SERVER whose own name cannot be looked up is told as such."""
    serve({})
    result = look("dns://ns1/mydb")
    names = ", ".join(name.replace("mydb", "ns1") for name in WALK)
    assert result.cause is Cause.NXDOMAIN
    assert result.detail == f"nameserver ns1: no such name: {names}"


def test_cached_denials_of_a_whole_walk(look, serve):
    """Asking again is useless until the first denial leaves the cache, if all are in one."""
    soa = "SOA ns.test. hostmaster.test. 1 3600 600 86400 30"

    def held(seconds):
        denial = answer(rcode="NXDOMAIN", authority=soa, ttl=seconds)

        def reply(question, tcp):
            (octets,) = denial(question, tcp)
            return [octets[:2] + bytes([octets[2] & ~4]) + octets[3:]]

        return reply

    (server,) = serve({"otherwise": held(20), "script": {WALK[1]: held(7)}})
    assert look("dns://mydb").retry_after == 7.0
    server.script[WALK[2]] = fails("SERVFAIL")
    assert look("dns://mydb").retry_after is None


def test_command(pod, serve, waitfor):
    """The command in a pod says why, hints at the remedy, and goes on when the name appears."""
    (server,) = serve({})
    pod.inside(lambda: Path("/etc/resolv.conf").write_text(CLUSTER))
    waitfor.argv = ["env", "-u", "LOCALDOMAIN", *pod.enter, *waitfor.argv]
    process = waitfor.start("-t", "20s", "dns://mydb", "--", "echo", "go")
    first, hint = process.stderr.readline(), process.stderr.readline()
    server.script[WALK[0]] = answer("A 10.0.0.1")
    out, err = process.communicate(timeout=20)
    assert first.startswith(
        f"waitfor: dns://mydb is not ready: no such name: {', '.join(WALK)}"
        " (NXDOMAIN from 127.0.0.1) ("
    )
    assert hint == f"waitfor:   hint: {HINTS[Cause.NXDOMAIN]}\n"
    assert re.search(f"dns://mydb is ready: {WALK[0]} has 10.0.0.1 ", err)
    assert (process.returncode, out) == (0, "go\n")


def test_command_with_a_silent_nameserver(pod, serve, waitfor):
    """At the deadline the command names the server that was silent and the name asked for."""
    serve({"otherwise": silent})
    pod.inside(lambda: Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n"))
    waitfor.argv = [*pod.enter, *waitfor.argv]
    run = waitfor("-t", "500ms", "dns://mydb")
    assert run.code == 124
    assert "no answer from 127.0.0.1 for mydb within 0.5s" in run.err


def test_command_without_resolv_conf(waitfor):
    """Without an /etc/resolv.conf the command says that no nameserver is known."""
    with Namespace() as pod:
        pod.run("sh", "-c", "umount /etc/resolv.conf; mount -t tmpfs none /etc")
        waitfor.argv = [*pod.enter, *waitfor.argv]
        run = waitfor("-t", "200ms", "dns://mydb")
    assert run.code == 124
    assert "cannot look up mydb: /etc/resolv.conf has no nameserver" in run.err

"""Names and addresses under every kind that connects: look-ups, Happy Eyeballs, reasons."""

import asyncio
import errno
import socket
import threading

import dnslib
import pytest
from support.netns import Namespace
from support.servers import TcpServer, free_port

from waitfor.probes import _connect
from waitfor.probes.tcp import Tcp
from waitfor.result import Cause, Look

V4, V6 = "192.0.2.1", "2001:db8::1"
HOSTS = f"{V6} db\n{V4} db\n"


@pytest.fixture(autouse=True)
def _own_search_list(monkeypatch):
    """What a test writes into its /etc/resolv.conf holds."""
    monkeypatch.delenv("LOCALDOMAIN")


def look_at(probe, seconds=5.0):
    """One look, bounded as the runner bounds it."""

    async def bounded():
        look = Look()
        try:
            async with asyncio.timeout(seconds):
                return await probe.attempt(look)
        except TimeoutError:
            return look.cut_short("this time")

    return asyncio.run(bounded())


@pytest.mark.needs("root", "ip", "nft")
def test_black_holed_address_beside_healthy_one():
    """An IPv6 address that swallows packets does not keep a healthy IPv4 one from being ready."""
    with Namespace(addresses=(V4, V6), hosts=HOSTS) as network:
        network.filter_incoming(f"ip6 daddr {V6} drop")
        with network.inside(lambda: TcpServer(host=V4)) as server:
            result = network.inside(lambda: look_at(Tcp("db", server.port), 1.0))
    assert (result.cause, result.detail) == (Cause.READY, f"connected to {V4}:{server.port}")


@pytest.mark.needs("root", "ip", "nft")
@pytest.mark.parametrize(
    ("addresses", "rules", "cause", "words"),
    [
        ((V4, V6), (), Cause.REFUSED, f"connection refused by {V4}:9, [{V6}]:9"),
        (
            (V6,),
            (),
            Cause.REFUSED,
            f"connection refused by [{V6}]:9; no route to {V4}:9",
        ),
        (
            (V4, V6),
            (f"ip daddr {V4} drop", f"ip6 daddr {V6} drop"),
            Cause.CONNECT_TIMEOUT,
            f"no answer from {V4}:9, [{V6}]:9 within this time",
        ),
        (
            (V4, V6),
            (f"ip6 daddr {V6} drop",),
            Cause.REFUSED,
            f"connection refused by {V4}:9; no answer from [{V6}]:9 within this time",
        ),
        (
            (V4,),
            (f"ip daddr {V4} drop",),
            Cause.CONNECT_TIMEOUT,
            f"no route to [{V6}]:9; no answer from {V4}:9 within this time",
        ),
    ],
    ids=["refused", "one unreachable", "silent", "one silent", "unreachable and silent"],
)
def test_each_address_has_its_failure(addresses, rules, cause, words):
    """The reason names what happened at each address; what tells most of the service decides."""
    with Namespace(addresses=addresses, hosts=HOSTS) as network:
        network.filter_incoming(*rules)
        result = network.inside(lambda: look_at(Tcp("db", 9), 0.5))
    assert (result.cause, result.detail) == (cause, words)
    assert sorted(result.facts["addresses"]) == [f"{V4}:9", f"[{V6}]:9"]


@pytest.mark.needs("root", "ip")
def test_no_network_leads_there():
    """Without a route there is no way to an address, and the look ends at once."""
    with Namespace() as network:
        result = network.inside(lambda: look_at(Tcp(V4, 9)))
    assert (result.cause, result.detail) == (Cause.UNREACHABLE, f"no route to {V4}:9")


@pytest.mark.needs("root", "ip")
def test_connection_to_itself():
    """A connection that a look made to itself is not readiness, and leaves the port free."""
    with Namespace() as network:
        # The only port that a connection can come from is the one it goes to.
        network.run("sh", "-c", "echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range")
        result = network.inside(lambda: look_at(Tcp("127.0.0.1", 40000)))

        def bind():
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 40000))

        network.inside(bind)
    assert (result.cause, result.detail) == (
        Cause.REFUSED,
        "connection refused by 127.0.0.1:40000",
    )


@pytest.mark.needs("root", "ip")
@pytest.mark.parametrize(
    ("resolv_conf", "cause", "words"),
    [
        ("", Cause.NO_NAMESERVER, "cannot look up mydb: /etc/resolv.conf has no nameserver"),
        (
            "nameserver 127.0.0.1\nsearch a.test b.test",
            Cause.LOOKUP_FAILED,
            "cannot look up mydb.a.test, mydb.b.test, mydb: no useful answer from any nameserver",
        ),
    ],
    ids=["none", "none that answers"],
)
def test_look_up_without_nameserver(resolv_conf, cause, words):
    """Without a nameserver the reason is that, not the name."""
    with Namespace(resolv_conf=resolv_conf) as network:
        result = network.inside(lambda: look_at(Tcp("mydb", 9)))
    assert (result.cause, result.detail) == (cause, words)


def start_nameserver(network, answer, names=1):
    """Answer each question with a code, but not before so many names were asked for."""
    sock = network.inside(lambda: socket.socket(type=socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 53))

    def serve():
        asked, seen = [], set()
        while True:
            message, client = sock.recvfrom(512)
            question = dnslib.DNSRecord.parse(message)
            seen.add(question.q.qname)
            asked.append((question.reply(), client))
            while len(seen) >= names and asked:
                reply, client = asked.pop()
                reply.header.rcode = answer
                sock.sendto(reply.pack(), client)

    threading.Thread(target=serve, daemon=True).start()


@pytest.mark.needs("root", "ip")
@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (dnslib.RCODE.NXDOMAIN, Cause.NXDOMAIN, "no such name: mydb.a.test, mydb"),
        (dnslib.RCODE.NOERROR, Cause.NO_RECORDS, "no address under the name mydb.a.test, mydb"),
        (
            dnslib.RCODE.SERVFAIL,
            Cause.LOOKUP_FAILED,
            "cannot look up mydb.a.test, mydb: no useful answer from any nameserver",
        ),
        (
            dnslib.RCODE.REFUSED,
            Cause.LOOKUP_FAILED,
            "cannot look up mydb.a.test, mydb: no useful answer from any nameserver",
        ),
    ],
    ids=["nxdomain", "no records", "servfail", "refused"],
)
def test_name_without_address(answer, cause, words):
    """What the nameserver said of a name is told apart, with the names that were tried."""
    with Namespace(resolv_conf="nameserver 127.0.0.1\nsearch a.test\n") as network:
        start_nameserver(network, answer)
        result = network.inside(lambda: look_at(Tcp("mydb", 9)))
    assert (result.cause, result.detail) == (cause, words)
    assert result.facts == {"host": "mydb", "names": ["mydb.a.test", "mydb"]}


@pytest.mark.needs("root", "ip")
def test_many_names_at_once():
    """A hundred names are looked up side by side: none waits for the answer to another."""
    with Namespace(resolv_conf="nameserver 127.0.0.1\nsearch .\n") as network:
        start_nameserver(network, dnslib.RCODE.NXDOMAIN, 100)

        async def look_at_all():
            looks = (Tcp(f"name{number}", 9).attempt(Look()) for number in range(100))
            async with asyncio.timeout(4):
                return await asyncio.gather(*looks)

        results = network.inside(lambda: asyncio.run(look_at_all()))
    assert {result.cause for result in results} == {Cause.NXDOMAIN}


class SlowLookUp:
    """Stands in for getaddrinfo, which ends only when it is let."""

    def __init__(self, monkeypatch):
        self.asked = []
        self.let = threading.Event()
        monkeypatch.setattr(_connect.socket, "getaddrinfo", self)

    def __call__(self, host, *_, **__):
        self.asked.append(host)
        assert self.let.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (V4, 0))]


def test_one_look_up_at_a_time(monkeypatch):
    """While the look-up of a name is stuck, the looks that come after wait for the same one."""
    slow = SlowLookUp(monkeypatch)

    async def look_up_often():
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await _connect.look_up("mydb", Look())
        waiting = asyncio.ensure_future(_connect.look_up("mydb", Look()))
        await asyncio.sleep(0)
        slow.let.set()
        first = await waiting
        return first, await _connect.look_up("mydb", Look())

    first, second = asyncio.run(look_up_often())
    assert first == second == [(socket.AF_INET, V4)]
    # The first four looks shared one look-up; a new look asks anew, for the answer may change.
    assert slow.asked == [b"mydb", b"mydb"]


def test_look_up_that_is_stuck(monkeypatch):
    """A look that is cut during the look-up says that the name was looked up, and ends at once."""
    slow = SlowLookUp(monkeypatch)
    result = look_at(Tcp("stuck", 9), 0.01)
    slow.let.set()
    assert result.cause is Cause.LOOKUP_TIMEOUT
    assert result.detail == "no answer to the look-up of stuck within this time"


def test_no_thread_for_a_look_up(monkeypatch):
    """Where no more threads may be made, a look fails with that reason, and the next may not."""

    class NoThread:
        def __init__(self, **_):
            pass

        def start(self):
            raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_connect.threading, "Thread", NoThread)
        result = look_at(Tcp("localhost", 9))
    assert result.cause is Cause.LOOKUP_FAILED
    assert result.detail == "cannot look up localhost: can't start new thread"
    assert look_at(Tcp("localhost", free_port())).cause is Cause.REFUSED


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("socket", "too many open files (ulimit -n) to connect to 127.0.0.1:9"),
        ("getaddrinfo", "cannot look up mydb: too many open files"),
    ],
)
def test_too_many_open_files(monkeypatch, where, words):
    """A look that finds no free file says so; the nameserver is not to blame."""

    def fail(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    class NoSocket(socket.socket):
        __init__ = fail

    # Only what asyncio makes itself stays as it is.
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(_connect.socket, where, NoSocket if where == "socket" else fail)
    host = "127.0.0.1" if where == "socket" else "mydb"
    result = loop.run_until_complete(Tcp(host, 9).attempt(Look()))
    loop.close()
    assert result.detail == words


def test_zone_that_does_not_exist():
    """An IPv6 address on an interface that is not there is a reason, not a crash."""
    result = look_at(Tcp("fe80::1%nope", 9))
    assert result.detail == "no interface with this name, connecting to [fe80::1%nope]:9"


@pytest.mark.needs("root", "ip")
def test_address_with_a_zone():
    """A link-local IPv6 address is reached through the interface that its zone names."""
    with Namespace() as network:
        network.run("ip", "link", "add", "left", "type", "veth", "peer", "name", "right")
        network.run("ip", "link", "set", "right", "up")
        network.run("ip", "link", "set", "left", "up")
        network.run("ip", "address", "add", "fe80::1/64", "dev", "left", "nodad")
        with network.inside(lambda: TcpServer(host="::")) as server:
            result = network.inside(lambda: look_at(Tcp("fe80::1%left", server.port)))
    assert result.cause is Cause.READY
    assert result.detail.endswith(f"]:{server.port}")


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ("a", "a"),
        ("abc", "abc"),
        ("ab1", "a1b"),
        ("1ab2", "1a2b"),
        ("abc1", "a1bc"),
    ],
)
def test_families_take_turns(addresses, order):
    """The families are tried in turn, the system's favourite first (RFC 8305, section 4)."""

    def paired(names):
        return [(socket.AF_INET if n.isdigit() else socket.AF_INET6, n) for n in names]

    assert _connect.interleave(paired(addresses)) == paired(order)


def test_peer_that_is_gone():
    """A connection that was reset before anybody asked whom it is to is a reason, not a crash."""
    sock = socket.socket()
    with pytest.raises(_connect.Failed) as failed:
        _connect.peer(sock)
    assert failed.value.result.cause is Cause.RESET
    assert sock.fileno() == -1


def test_look_up_in_flight_at_a_fork(monkeypatch):
    """A forked child looks names up by itself: the thread that did so is its parent's."""
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(10))
    _connect._look_up_in_thread("forked.example")
    assert "forked.example" in _connect._in_flight
    _connect._forget_threads()
    assert _connect._in_flight == {}
    _connect._in_flight["forked.example"] = None
    release.set()

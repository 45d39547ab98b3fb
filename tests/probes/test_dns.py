"""What a name has: types, numbers, values, aliases, and the words for it; asked of one server."""

import asyncio
import threading

import pytest
from dnslib import DNSQuestion, DNSRecord
from support.dns import (
    SOA,
    DnsServer,
    answer,
    fails,
    hang_up_over_tcp,
    in_turn,
    look_at,
    nodata,
    nxdomain,
    raw,
    silent,
    truncated,
)

from waitfor.probes import _exchange, dns
from waitfor.result import Cause, InvalidTarget, Look
from waitfor.target import parse_target

BOTH = {"mydb A": answer("A 10.0.0.2", "A 10.0.0.1"), "mydb AAAA": answer("AAAA fd00::1")}


def test_both_families():
    """A and AAAA are asked together, and what both have is told, in an order that stays."""
    with DnsServer(BOTH) as server:
        result = look_at(server.url("mydb"))
    assert (result.cause, result.detail) == (
        Cause.READY,
        "mydb has 10.0.0.1, 10.0.0.2, fd00::1",
    )
    assert result.facts == {
        "name": "mydb",
        "names": ["mydb"],
        "causes": ["ready"],
        "servers": [server.where],
        "records": ["A 10.0.0.1", "A 10.0.0.2", "AAAA fd00::1"],
    }
    assert sorted(server.asked()) == ["mydb A", "mydb AAAA"]


def test_asked_as_the_c_library_asks():
    """Recursion is desired and nothing newer than RFC 1035 is sent, so that no middlebox chokes."""
    with DnsServer(BOTH) as server:
        look_at(server.url("mydb"))
    for query in server.queries:
        assert query.record.header.rd == 1
        assert query.record.ar == []
    assert server.queries[0].record.header.id != server.queries[1].record.header.id


@pytest.mark.parametrize(
    "other", [nodata(), nxdomain(), fails("SERVFAIL"), fails("REFUSED"), silent]
)
@pytest.mark.parametrize(
    ("good", "bad", "line"), [("A", "AAAA", "A 10.0.0.1"), ("AAAA", "A", "AAAA fd00::1")]
)
def test_one_family_is_enough(good, bad, line, other):
    """Records of one family are ready at once, whatever the server does about the other."""
    with DnsServer({f"mydb {good}": answer(line), f"mydb {bad}": other}) as server:
        result = look_at(server.url("mydb"), 0.8)
    assert result.ready
    assert result.facts["records"] == [line]


@pytest.mark.parametrize(
    ("name", "type", "line", "shown", "expects"),
    [
        ("mydb", "A", "A 10.0.0.1", "10.0.0.1", ["10.0.0.1"]),
        ("mydb", "AAAA", "AAAA fd00::7", "fd00::7", ["fd00::7", "FD00:0:0::0007"]),
        ("www", "CNAME", "CNAME Web.Example.", "Web.Example", ["web.example", "WEB.example."]),
        (
            "_http._tcp.api",
            "SRV",
            "SRV 0 50 8080 api-0.api.",
            "0 50 8080 api-0.api",
            ["api-0.api", "API-0.api.", "api-0.api:8080", "0 50 8080 api-0.api."],
        ),
        ("mydb", "TXT", 'TXT "v=1;" " Two parts."', "v=1; Two parts.", ["v=1; Two parts."]),
        ("mail", "MX", "MX 10 mx.example.", "10 mx.example", ["mx.example", "10 MX.example."]),
        ("zone", "NS", "NS ns1.example.", "ns1.example", ["ns1.example", "ns1.example."]),
        ("10.1.2.3", "PTR", "PTR host.example.", "host.example", ["Host.example."]),
        (
            "zone",
            "CAA",
            'CAA 0 issue "ca.example"',
            '0 issue "ca.example"',
            ["0 issue ca.example", '0 issue "ca.example"'],
        ),
    ],
)
def test_types(name, type, line, shown, expects):
    """Each type is asked for alone, shown as people write it, and met by what they expect."""
    with DnsServer(otherwise=answer(line)) as server:
        result = look_at(server.url(name, f"type={type.lower()}"))
        assert result.ready
        assert result.detail.endswith(f" has {shown}")
        assert result.facts["records"] == [f"{type} {shown}"]
        assert {query.type for query in server.queries} == {type}
        for value in expects:
            assert look_at(server.url(name, f"type={type},expect={value}")).ready
        for value in (f"{expects[0]}1", "10", ".", "ü ü"):
            other = look_at(server.url(name, f"type={type},expect={value}"))
            assert other.cause is Cause.OTHER_RECORDS
            assert other.detail.endswith(f" has {shown}, not {value}")


def test_text_is_expected_as_it_stands():
    """Of TXT both case and a dot at the end count: it is no name."""
    with DnsServer(otherwise=answer('TXT "Ready."')) as server:
        assert look_at(server.url("mydb", "type=TXT,expect=Ready.")).ready
        for value in ("ready.", "Ready"):
            assert not look_at(server.url("mydb", f"type=TXT,expect={value}")).ready


def test_text_that_is_empty_or_long():
    """The line for a person stays a short line; the facts have it all."""
    script = {"empty": answer('TXT ""'), "long": answer(f"TXT {'a' * 200} {'b' * 200}")}
    with DnsServer(script) as server:
        assert look_at(server.url("empty", "type=TXT")).detail == 'empty has ""'
        result = look_at(server.url("long", "type=TXT"))
    assert result.detail == f"long has {'a' * 97}..."
    assert result.facts["records"] == [f"TXT {'a' * 200}{'b' * 200}"]


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("10.1.2.3", "3.2.1.10.in-addr.arpa"),
        ("[fd00::7]", "7" + ".0" * 29 + ".d.f.ip6.arpa"),
    ],
)
def test_name_of_an_address(address, asked):
    """PTR of an address is asked in its reverse zone, never under the search list."""
    with DnsServer(otherwise=answer("PTR web.example.")) as server:
        assert look_at(server.url(address, "type=PTR")).ready
    assert server.asked() == [f"{asked} PTR"]


def test_other_scripts():
    """A name in another script is asked in its ASCII form (IDNA), and so is one expected."""
    script = {"xn--bcher-kva.example": answer("CNAME xn--fuball-cta.example.")}
    with DnsServer(script) as server:
        assert look_at(server.url("Bücher.example", "type=CNAME,expect=fußball.example")).ready


@pytest.mark.parametrize(
    ("script", "least", "detail"),
    [
        ({"p A": answer("A 10.0.0.1", "A 10.0.0.2", "A 10.0.0.3")}, 3, None),
        # A pod of a dual-stack cluster has two addresses and is one pod.
        (
            {"p A": answer("A 10.0.0.1", "A 10.0.0.2"), "p AAAA": answer("AAAA fd00::1")},
            3,
            "p has only 2 A and 1 AAAA records (min=3): 10.0.0.1, 10.0.0.2, fd00::1",
        ),
        ({"p A": answer("A 10.0.0.1")}, 2, "p has only 1 A record (min=2): 10.0.0.1"),
        ({"p AAAA": answer("AAAA ::1", "AAAA ::2"), "p A": answer("A 10.0.0.1")}, 2, None),
    ],
)
def test_min(script, least, detail):
    """min= counts the records of the more numerous family."""
    with DnsServer(script, otherwise=nodata()) as server:
        result = look_at(server.url("p", f"min={least}"))
    assert result.cause is (Cause.TOO_FEW_RECORDS if detail else Cause.READY)
    assert result.detail == (detail or result.detail)


def test_too_few_although_the_other_family_is_silent(monkeypatch):
    """Too few A records are told, though a server that drops AAAA leaves it open."""
    monkeypatch.setattr(dns, "STAGGER", 0.05)
    with DnsServer({"p A": answer("A 10.0.0.1"), "p AAAA": silent}) as server:
        assert look_at(server.url("p", "min=2")).cause is Cause.TOO_FEW_RECORDS


def test_expect_several():
    """All values expected must be there, of either family; the missing ones are named."""
    with DnsServer(BOTH) as server:
        assert look_at(server.url("mydb", "expect=10.0.0.1,expect=fd00:0::1")).ready
        result = look_at(server.url("mydb", "expect=10.0.0.1,expect=10.0.0.9,expect=fd00::9"))
    assert result.cause is Cause.OTHER_RECORDS
    assert result.detail == "mydb has 10.0.0.1, 10.0.0.2, fd00::1, not 10.0.0.9, fd00::9"


def test_search_list_of_the_environment(monkeypatch):
    """LOCALDOMAIN and RES_OPTIONS set which names are tried, as for every program."""
    monkeypatch.setenv("LOCALDOMAIN", "a.test b.test")
    monkeypatch.setenv("RES_OPTIONS", "ndots:2")
    with DnsServer({"mydb.ns": answer("TXT ready")}) as server:
        result = look_at(server.url("mydb.ns", "type=TXT"))
        assert look_at(server.url("mydb.ns.", "type=TXT")).facts["names"] == ["mydb.ns"]
    assert result.facts["names"] == ["mydb.ns.a.test", "mydb.ns.b.test", "mydb.ns"]
    assert result.ready


def test_changes_over_time():
    """Each look asks anew: nothing of an earlier look is remembered."""
    script = {"mydb": in_turn(nxdomain(), nodata(), answer("A 10.0.0.1"))}
    with DnsServer(script) as server:
        target = server.url("mydb", "type=A")
        causes = [look_at(target).cause for _ in range(3)]
    assert causes == [Cause.NXDOMAIN, Cause.NO_RECORDS, Cause.READY]


@pytest.mark.parametrize(
    ("reply", "cause", "detail"),
    [
        (nxdomain(), Cause.NXDOMAIN, "no such name: mydb (NXDOMAIN from {})"),
        (nodata(), Cause.NO_RECORDS, "mydb has no A or AAAA record"),
        (answer(), Cause.NO_RECORDS, "mydb has no A or AAAA record"),
        (fails("SERVFAIL"), Cause.SERVFAIL, "SERVFAIL from {} for mydb"),
        (fails("REFUSED"), Cause.DNS_REFUSED, "REFUSED from {} for mydb"),
        (fails("NOTIMP"), Cause.DNS_ERROR, "NOTIMP from {} for mydb"),
        (fails("FORMERR"), Cause.DNS_ERROR, "FORMERR from {} for mydb"),
        (silent, Cause.DNS_TIMEOUT, "no answer from {} for mydb within 0.2s"),
        (
            answer("CNAME db.example.", "db.example. CNAME a.b.", rcode="NXDOMAIN"),
            Cause.NXDOMAIN,
            "mydb is an alias of a.b, which does not exist (NXDOMAIN)",
        ),
        (
            answer("CNAME db.example."),
            Cause.NO_RECORDS,
            "mydb is an alias of db.example, which has no A or AAAA record",
        ),
        (
            answer("CNAME a.example.", "a.example. CNAME mydb."),
            Cause.DNS_ERROR,
            "a contradictory answer from {} for mydb",
        ),
        (
            answer("A 10.0.0.1", "AAAA ::1", rcode="NXDOMAIN"),
            Cause.DNS_ERROR,
            "a contradictory answer from {} for mydb",
        ),
    ],
)
def test_why_not(reply, cause, detail):
    """What went wrong is told apart by cause, in words, and in the facts."""
    with DnsServer(otherwise=reply) as server:
        result = look_at(server.url("mydb"), 0.2 if reply is silent else 5)
    assert (result.cause, result.detail) == (cause, detail.format(server.where))
    assert result.facts == {"names": ["mydb"], "causes": [cause], "servers": [server.where]}


@pytest.mark.parametrize(
    ("a", "aaaa", "cause", "detail"),
    [
        (
            nodata(),
            fails("SERVFAIL"),
            Cause.SERVFAIL,
            "mydb has no A record; SERVFAIL from {} for mydb (AAAA)",
        ),
        (
            nxdomain(),
            fails("REFUSED"),
            Cause.DNS_REFUSED,
            "REFUSED from {0} for mydb (AAAA); no such name: mydb (NXDOMAIN from {0})",
        ),
        (
            nodata(),
            silent,
            Cause.DNS_TIMEOUT,
            "mydb has no A record; no answer from {} for mydb (AAAA)",
        ),
        (
            fails("SERVFAIL"),
            fails("REFUSED"),
            Cause.SERVFAIL,
            "SERVFAIL from {0} for mydb (A); REFUSED from {0} for mydb (AAAA)",
        ),
    ],
)
def test_families_that_fail_differently(a, aaaa, cause, detail, monkeypatch):
    """A family that failed leaves the matter open and is told beside what the other one said."""
    monkeypatch.setattr(dns, "STAGGER", 0.05)
    with DnsServer({"mydb A": a, "mydb AAAA": aaaa}) as server:
        result = look_at(server.url("mydb"))
    assert (result.cause, result.detail) == (cause, detail.format(server.where))


def test_alias():
    """An alias is followed through its chain, and its end is told."""
    chain = answer("CNAME b.example.", "b.example. CNAME C.example.", "c.example. A 10.0.0.1")
    with DnsServer({"api A": chain}, otherwise=answer("CNAME b.example.")) as server:
        result = look_at(server.url("api"))
    assert (result.cause, result.detail) == (
        Cause.READY,
        "api (an alias of C.example) has 10.0.0.1",
    )


def test_many_records_come_over_tcp():
    """An answer too long for a datagram is asked for again over TCP, and all of it counts."""
    lines = [f"A 10.0.{i // 250}.{i % 250}" for i in range(1000)]
    with DnsServer(otherwise=truncated(answer(*lines))) as server:
        result = look_at(server.url("peers", "type=A,min=1000"))
    assert result.ready
    assert result.detail == "peers has 10.0.0.0, 10.0.0.1, 10.0.0.10, 10.0.0.100 and 996 more"
    assert [query.tcp for query in server.queries] == [False, True]


def test_answer_cut_in_the_middle_of_a_record():
    """A datagram that ends in the middle of a record, with TC, is no garbage."""
    whole = answer(f'TXT "{"a" * 250}"', f'TXT "{"b" * 250}"')

    def cut(question, tcp):
        messages = truncated(whole)(question, tcp)
        return messages if tcp else [messages[0][:300]]

    with DnsServer(otherwise=cut) as server:
        assert look_at(server.url("mydb", "type=TXT,min=2")).ready


def _mute_over_tcp(question, tcp):
    return [] if tcp else truncated(answer("A 10.0.0.1"))(question, tcp)


def _cut_over_tcp(question, tcp):
    return truncated(answer("A 10.0.0.1"))(question, False)


@pytest.mark.parametrize(
    ("reply", "listens", "cause", "detail"),
    [
        (hang_up_over_tcp, True, Cause.DNS_UNREACHABLE, "{}, and TCP fails to {}"),
        (hang_up_over_tcp, False, Cause.DNS_UNREACHABLE, "{}, and TCP fails to {}"),
        (_cut_over_tcp, True, Cause.DNS_UNREACHABLE, "{}, and TCP fails to {}"),
        (_mute_over_tcp, True, Cause.DNS_TIMEOUT, None),
    ],
)
def test_no_tcp(reply, listens, cause, detail):
    """Where only UDP is let through, a long answer fails with words that name TCP."""
    with DnsServer(otherwise=reply, tcp=listens) as server:
        result = look_at(server.url("mydb", "type=A"), 0.3)
    words = detail or "no answer over TCP from {1} for mydb within 0.3s"
    told = words.format("the answer is too long for UDP", server.where)
    assert (result.cause, result.detail) == (cause, told)


def test_lost_datagram(monkeypatch):
    """A question that gets lost is asked again, with the same id so that a late answer counts."""
    monkeypatch.setattr(_exchange, "RESEND", 0.05)
    with DnsServer(otherwise=in_turn(silent, silent, answer("A 10.0.0.1"))) as server:
        assert look_at(server.url("mydb", "type=A")).ready
    assert len({query.record.header.id for query in server.queries}) == 1


def _other_id(question):
    reply = question.reply()
    reply.header.id ^= 1
    return reply.pack()


def _other_question(question):
    reply = DNSRecord(question.reply().header)
    reply.add_question(DNSQuestion("evil.example"))
    return reply.pack()


def _no_question(question):
    reply = question.reply()
    reply.questions = []
    return reply.pack()


def _pointer_to_itself(question):
    octets = question.reply().pack()
    return octets[:6] + b"\0\1" + octets[8:] + b"\xc0" + bytes([len(octets)]) + b"\0\1\0\1"


STRANGE = [
    _other_id,
    _other_question,
    _no_question,
    _pointer_to_itself,
    lambda question: question.pack(),
    lambda question: b"",
    lambda question: question.pack()[:2],
    lambda question: question.reply().pack()[:11],
    lambda question: question.reply().pack() + b"junk",
    lambda question: question.reply().pack()[:2] + b"\xff" * 30,
]


@pytest.mark.parametrize("message", STRANGE)
def test_strange_messages(message):
    """What is no answer to the question, a forged or a broken one, is passed over."""
    with DnsServer(otherwise=raw(message, then=answer("A 10.0.0.1"))) as server:
        assert look_at(server.url("mydb", "type=A"), 2).ready


def test_strange_message_over_tcp():
    """Over TCP too what is no answer to the question is passed over."""
    whole = answer("A 10.0.0.1")

    def reply(question, tcp):
        return (raw(_other_id, then=whole) if tcp else truncated(whole))(question, tcp)

    with DnsServer(otherwise=reply) as server:
        assert look_at(server.url("mydb", "type=A"), 2).ready


def test_nothing_but_strange_messages():
    """A server that sends no proper answer counts as silent."""
    with DnsServer(otherwise=raw(*STRANGE)) as server:
        result = look_at(server.url("mydb", "type=A"), 0.2)
    assert result.cause is Cause.DNS_TIMEOUT


def test_broken_answers():
    """Whatever octets of an answer are changed or missing, a look ends with a result."""
    import random

    dice = random.Random(1035)
    reply = answer("CNAME a.b.", "a.b. A 10.0.0.1", 'c.b. TXT "t"', authority=SOA)

    def mangle(question):
        octets = bytearray(reply(question, False)[0])
        for _ in range(dice.choice([1, 2, 8])):
            octets[dice.randrange(2, len(octets))] = dice.choice(
                [0, 1, 255, 0xC0, dice.randrange(256)]
            )
        return bytes(octets[: dice.choice([len(octets), dice.randrange(len(octets))])])

    with DnsServer(otherwise=raw(mangle, then=answer("A 10.0.0.1"))) as server:
        target = server.url("mydb", "type=A")
        causes = {look_at(target).cause for _ in range(400)}
    assert Cause.READY in causes
    assert Cause.DNS_TIMEOUT not in causes


@pytest.mark.parametrize(
    ("ttl", "flag", "retry_after"),
    [(17, 0, 17.0), (30, 0, None), (17, 1, None), (0, 0, None)],
    ids=["counts down", "fresh", "authoritative", "over"],
)
def test_cached_denial(ttl, flag, retry_after):
    """A denial with a TTL that a cache counts down says how long asking again is useless."""
    denial = answer(rcode="NXDOMAIN", authority=SOA, ttl=ttl)

    def reply(question, tcp):
        (octets,) = denial(question, tcp)
        return [octets[:2] + bytes([octets[2] & ~4 | flag << 2]) + octets[3:]]

    with DnsServer(otherwise=reply) as server:
        assert look_at(server.url("mydb")).retry_after == retry_after


def test_cached_denial_of_one_family_alone():
    """Where one family failed instead of being denied, asking again may help."""
    denial = answer(rcode="NXDOMAIN", authority=SOA, ttl=17)

    def cached(question, tcp):
        (octets,) = denial(question, tcp)
        return [octets[:2] + bytes([octets[2] & ~4]) + octets[3:]]

    with DnsServer({"mydb A": cached, "mydb AAAA": fails("SERVFAIL")}) as server:
        assert look_at(server.url("mydb")).retry_after is None


@pytest.mark.parametrize("over_tcp", [False, True])
def test_nothing_is_left_of_a_look_that_is_cut(over_tcp, monkeypatch):
    """A look that is cancelled leaves no task, no socket and no error behind."""
    complaints, sockets = [], []
    arrived = threading.Event()
    make = _exchange._socket

    def made(*arguments):
        sock, address = make(*arguments)
        sockets.append(sock)
        return sock, address

    def reply(question, tcp):
        if tcp == over_tcp:
            arrived.set()
            return []
        return truncated(answer("A 10.0.0.1"))(question, tcp)

    async def main(target):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        task = asyncio.ensure_future(parse_target(target).probe.attempt(Look()))
        await loop.run_in_executor(None, arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        left = asyncio.all_tasks() - {asyncio.current_task()}
        # Transports close their sockets in the loop's next turn.
        await asyncio.sleep(0)
        return left, [sock for sock in sockets if sock.fileno() != -1]

    monkeypatch.setattr(_exchange, "_socket", made)
    with DnsServer(otherwise=reply) as server:
        assert asyncio.run(main(server.url("mydb"))) == (set(), [])
    assert sockets
    assert complaints == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("dns://10.0.0.1", "10.0.0.1 is an address: type=PTR asks for its name"),
        ("dns://[fd00::1]#type=A", "[fd00::1] is an address: type=PTR asks for its name"),
        ("dns://mydb:53", "a name has no port: write dns://SERVER:PORT/NAME to name the server"),
        ("dns://user@server/mydb", "dns:// takes no user name or password"),
        ("dns://mydb?type=A", "dns:// takes no query: options follow '#'"),
        ("dns://mydb#type=AAA", "type: 'AAA' is not a type: did you mean AAAA?"),
        ("dns://mydb#type=SOA", "type: 'SOA' is not a type: "),
        ("dns://mydb#min=0", "min: "),
        ("dns://mydb#expect=", "expect: "),
        ("dns://server:0/mydb", ""),
        ("dns://::1/mydb", ""),
        ("dns:///mydb", ""),
        ("dns://", ""),
        ("dns://my..db", ""),
        ("dns://server/my/db", ""),
    ],
)
def test_bad_targets(target, words):
    """A target that cannot be is refused with what is wrong and what to write instead."""
    with pytest.raises(InvalidTarget) as refused:
        parse_target(target)
    assert f": {words}" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "dns://mydb",
        "dns://mydb.prod.",
        "dns://10.96.0.10/mydb",
        "dns://10.96.0.10:5353/mydb",
        "dns://[fd00::10]/mydb",
        "dns://[fd00::10]:5353/mydb",
        "dns://dns.example/mydb",
    ],
)
def test_name(name):
    """A target is named as it was written, without its options."""
    assert parse_target(f"{name}#type=TXT,min=2").name == name


def test_text_of_a_server_is_printable():
    """Control characters of a record do not reach the terminal of whoever reads the detail."""
    with DnsServer({"a.test": answer('TXT "x\\007\\010ERROR fake"')}) as server:
        result = look_at(server.url("a.test", "type=TXT"))
    assert result.ready
    assert result.detail.isprintable()


def test_referral():
    """A server that only points elsewhere has not said that there is no record."""
    reply = answer(authority="NS ns.test.")

    def refer(question, tcp):
        message = DNSRecord.parse(reply(question, tcp)[0])
        message.header.aa = message.header.ra = 0
        return [message.pack()]

    with DnsServer({"a.test": refer}) as server:
        result = look_at(server.url("a.test"))
    assert result.cause is Cause.DNS_ERROR
    assert "a referral from" in result.detail

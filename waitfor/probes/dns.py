"""``dns://[SERVER[:PORT]/]NAME``: DNS has records for a name."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
from dns.message import QueryMessage

from waitfor.options import option
from waitfor.probes import Probe, Url
from waitfor.probes._connect import Failed, look_up
from waitfor.probes._exchange import NoTcp, Truncated, ask
from waitfor.probes._race import first_of
from waitfor.probes._records import means, show, show_some
from waitfor.probes._resolv import PATH, ResolvConf, resolv_conf
from waitfor.probes._walk import (
    SILENT,
    SILENT_TCP,
    Answer,
    Name,
    Question,
    Unhelpful,
    facts,
    tell,
    weightiest,
)
from waitfor.result import Cause, Look, Result
from waitfor.values import (
    count,
    enumerate_some,
    host_port,
    hostname,
    ip_family,
    nearest,
    percent_decoded,
    quoted,
    split_host_port,
    text,
)

TYPES = ("A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS", "PTR", "CAA")
STAGGER = 1.0
"""Seconds before the next nameserver is asked beside a silent one."""
HURRY = 0.25
"""The same under the further names of a walk, once a server has been silent in it."""
STRAGGLER = 0.05
"""Seconds that the slower of A and AAAA is waited for (RFC 8305, section 3)."""

_OS_ERRORS = {
    errno.ECONNREFUSED: "no nameserver listens at",
    errno.ENETUNREACH: "no route to",
    errno.EHOSTUNREACH: "no route to",
    errno.EADDRNOTAVAIL: "no route to",
    errno.EAFNOSUPPORT: "no route to",
    errno.EMFILE: "too many open files (ulimit -n) to ask",
}


def record_type(text: str) -> str:
    """One of :data:`TYPES`, in any case.

    Raises:
        ValueError: none of them.
    """
    if text.upper() not in TYPES:
        raise ValueError(f"{quoted(text)} is not a type: {nearest(text.upper(), TYPES)}")
    return text.upper()


@dataclass(frozen=True)
class Dns(Probe):
    """DNS has records for a name.

    DNS itself is asked, not /etc/hosts.  A name is looked for under the search list and `ndots`
    of /etc/resolv.conf, whatever the type; the first name that has records counts.  The
    nameservers are those of /etc/resolv.conf, or SERVER alone (an address, an IPv6 one in
    brackets, or a name); the next one is asked when one fails, or is silent for a second.
    Without `type`, A and AAAA are asked together and either is enough.
    """

    FORM: ClassVar[str] = "dns://[SERVER[:PORT]/]NAME"
    READY_WHEN: ClassVar[str] = "DNS has records for the name"
    PERIOD: ClassVar[float] = 0.2
    EXAMPLES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("dns://mydb", "the Service mydb exists in the pod's namespace"),
        ("dns://mydb.prod.svc.cluster.local.", "exactly this name, without the search list"),
        ("dns://peers#min=3", "three ready pods behind the headless Service peers"),
        ("dns://_http._tcp.api#type=SRV", "the named port http of the Service api"),
        ("dns://10.96.0.10/mydb", "the nameserver 10.96.0.10 knows mydb"),
        ("dns://[fd00::10]:53/mydb#type=AAAA,expect=fd00::7", "one address, from one server"),
    )

    domain: str
    server: tuple[str, int] | None = None
    type: str = option(
        record_type,
        "",
        f"The type of the records: {', '.join(TYPES)}.",
        "TYPE",
        default_help="A and AAAA",
    )
    min: int = option(
        count,
        1,
        "How many records there must be; of A and AAAA together, how many of the more numerous,"
        " so that a pod with two addresses counts once.",
        "N",
    )
    expect: tuple[str, ...] = option(
        text,
        (),
        "A value that must be among the records; the host alone will do for SRV and MX.",
        "VALUE",
        repeatable=True,
        show=", ".join,
    )

    @classmethod
    def from_url(cls, url: Url, options: dict[str, Any]) -> Self:
        """The probe for ``dns://[SERVER[:PORT]/]NAME``."""
        if "@" in url.authority:
            raise ValueError("dns:// takes no user name or password")
        if url.query is not None:
            raise ValueError("dns:// takes no query: options follow '#'")
        server, name = None, percent_decoded(url.authority)
        if url.path not in ("", "/"):
            host, port = split_host_port(percent_decoded(url.authority))
            server, name = (host, port or 53), percent_decoded(url.path[1:].removesuffix("/"))
        return cls(cls._domain(name, options.get("type", "")), server, **options)

    @staticmethod
    def _domain(name: str, type: str) -> str:
        address = name.strip("[]")
        if ip_family(address) and type == "PTR":
            return dns.reversename.from_address(address).to_text()
        if ip_family(address):
            raise ValueError(f"{name} is an address: type=PTR asks for its name")
        if ":" in name:
            raise ValueError("a name has no port: write dns://SERVER:PORT/NAME to name the server")
        return hostname(name)

    @property
    def name(self) -> str:
        """``dns://[SERVER[:PORT]/]NAME``."""
        if not self.server:
            return f"dns://{self.domain}"
        host, port = self.server
        where = host_port(host, port) if port != 53 else f"[{host}]" if ":" in host else host
        return f"dns://{where}/{self.domain}"

    @property
    def types(self) -> tuple[str, ...]:
        """The record types that are asked for."""
        return (self.type,) if self.type else ("A", "AAAA")

    async def attempt(self, look: Look) -> Result:
        """Walk the names once, until one has records."""
        conf = resolv_conf()
        try:
            servers = await self._servers(conf, look)
        except Failed as failure:
            return failure.result
        if not servers:
            return Result(
                Cause.NO_NAMESERVER, f"cannot look up {self.domain}: {PATH} has no nameserver"
            )
        walked: list[Name] = []

        def note() -> None:
            look.at(Cause.DNS_TIMEOUT, tell(walked), facts(walked))

        stagger = STAGGER
        for each in conf.names(self.domain):
            name = Name(each, self.types)
            walked.append(name)
            await self._ask_types(name, servers, stagger, note)
            if name.records:
                return self._judge(name, walked)
            if any(question.silent for question in name.questions):
                stagger = HURRY
        return _none(walked)

    async def _servers(self, conf: ResolvConf, look: Look) -> list[tuple[str, int]]:
        if not self.server:
            return [(address, 53) for address in conf.nameservers]
        host, port = self.server
        try:
            return [(address, port) for _, address in await look_up(host, look)]
        except Failed as failure:
            why = failure.result
            raise Failed(replace(why, detail=f"nameserver {host}: {why.detail}")) from None

    async def _ask_types(
        self, name: Name, servers: list[tuple[str, int]], stagger: float, note: Callable[[], None]
    ) -> None:
        """Ask for all types at once; when one is settled, the others get a moment more."""
        tasks = [
            asyncio.ensure_future(_ask_servers(question, servers, stagger, note))
            for question in name.questions
        ]
        pending, patience = set(tasks), None
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if not done:
                    return
                # A server that drops AAAA must not keep the next names from being asked for.
                patience = STRAGGLER if self._enough(name) else stagger * len(servers)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, name: Name) -> int:
        return max(len([1 for t, _ in name.records if t == each]) for each in self.types)

    def _missing(self, name: Name) -> list[str]:
        found = [record for _, record in name.records]
        return [value for value in self.expect if not any(means(value, each) for each in found)]

    def _enough(self, name: Name) -> bool:
        return bool(name.records) and self._count(name) >= self.min and not self._missing(name)

    def _judge(self, name: Name, walked: list[Name]) -> Result:
        shown = enumerate_some(sorted({show_some(record) for _, record in name.records}))
        who = f"{name.name} (an alias of {name.alias})" if name.alias else name.name
        found = facts(walked) | {
            "name": name.name,
            "records": sorted(f"{t} {show(record)}" for t, record in name.records),
        }
        if self._count(name) < self.min:
            numbers = {t: len([1 for each, _ in name.records if each == t]) for t in self.types}
            words = " and ".join(f"{number} {t}" for t, number in numbers.items() if number)
            noun = "record" if len(name.records) == 1 else "records"
            detail = f"{who} has only {words} {noun} (min={self.min}): {shown}"
            return Result(Cause.TOO_FEW_RECORDS, detail, found)
        if missing := self._missing(name):
            detail = f"{who} has {shown}, not {enumerate_some(missing)}"
            return Result(Cause.OTHER_RECORDS, detail, found)
        return Result(Cause.READY, f"{who} has {shown}", found)


def _none(walked: list[Name]) -> Result:
    # Asking again is useless only while a cache holds each of the negative answers.
    held = [q.answer and q.answer.held for name in walked for q in name.questions]
    waits = [seconds for seconds in held if seconds]
    retry_after = min(waits) if len(waits) == len(held) else None
    cause = weightiest(name.cause for name in walked)
    return Result(cause, tell(walked), facts(walked), retry_after)


async def _ask_servers(
    question: Question, servers: list[tuple[str, int]], stagger: float, note: Callable[[], None]
) -> None:
    """Ask one server after another, until one gives an answer."""

    def failed(failure: Unhelpful) -> None:
        question.failures.append(failure)
        note()

    question.answer = await first_of(
        [partial(_ask_server, question, server, note) for server in servers],
        delay=stagger,
        failure=Unhelpful,
        failed=failed,
    )
    note()


async def _ask_server(
    question: Question, server: tuple[str, int], note: Callable[[], None]
) -> Answer:
    where = server[0] if server[1] == 53 else host_port(*server)
    question.asked[where] = SILENT
    note()
    # Without EDNS, as the C library asks: some middleboxes still choke on it.
    query = dns.message.make_query(question.name, question.type)

    def read(octets: bytes) -> QueryMessage | None:
        try:
            message = dns.message.from_wire(octets, raise_on_truncation=True)
        except dns.message.Truncated as error:
            if not query.is_response(error.kwargs["message"]):
                return None
            question.asked[where] = SILENT_TCP
            note()
            raise Truncated from None
        except dns.exception.DNSException:
            return None
        return cast(QueryMessage, message) if query.is_response(message) else None

    try:
        response = await ask(server, query.to_wire(), read)
    except (OSError, NoTcp) as error:
        words = "the answer is too long for UDP, and TCP fails to"
        if isinstance(error, OSError):
            words = _unreachable(error)
        place = host_port(*server)
        raise Unhelpful(Cause.DNS_UNREACHABLE, words, where, place) from None
    return _read_answer(response, question.type, where)


def _unreachable(error: OSError) -> str:
    return _OS_ERRORS.get(error.errno or 0, f"{(error.strerror or str(error)).lower()}, asking")


def _read_answer(response: QueryMessage, rdtype: str, where: str) -> Answer:
    rcode = response.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        cause = {
            dns.rcode.SERVFAIL: Cause.SERVFAIL,
            dns.rcode.REFUSED: Cause.DNS_REFUSED,
        }.get(rcode, Cause.DNS_ERROR)
        raise Unhelpful(cause, f"{dns.rcode.to_text(rcode)} from", where)
    final = dns.flags.AA | dns.flags.RA
    if rcode == dns.rcode.NOERROR and not response.answer and not response.flags & final:
        # A server that is not for us: the C library asks the next one too.
        raise Unhelpful(Cause.DNS_ERROR, "a referral from", where)
    question = response.question[0].name
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException:
        # Aliases in a circle, or records of a name that is said not to exist.
        raise Unhelpful(Cause.DNS_ERROR, "a contradictory answer from", where) from None
    canonical = chain.canonical_name
    alias = canonical.to_text(omit_final_dot=True) if canonical != question else ""
    records = [(rdtype, record) for record in chain.answer or ()]
    held = None
    for rrset in response.authority:
        # From a cache the TTL counts down from what the zone says (RFC 2308, section 5).
        if rrset.rdtype == dns.rdatatype.SOA and not response.flags & dns.flags.AA:
            held = float(rrset.ttl) if rrset.ttl < rrset[0].minimum else None
    return Answer(where, records, rcode == dns.rcode.NOERROR, alias, held)


PROBE = Dns

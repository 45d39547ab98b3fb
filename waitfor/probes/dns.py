"""``dns://[SERVER[:PORT]/]NAME``: DNS has records for a name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self, cast
from urllib.parse import unquote

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.rcode
import dns.rdatatype
import dns.reversename
from dns.message import QueryMessage
from dns.rdata import Rdata

from waitfor.options import option
from waitfor.probes import Probe, Url
from waitfor.probes._connect import Failed, look_up
from waitfor.probes._exchange import Truncated, ask
from waitfor.probes._race import first_of
from waitfor.probes._resolv import PATH, ResolvConf, resolv_conf
from waitfor.result import Cause, Look, Result
from waitfor.values import (
    count,
    enumerate_some,
    host_port,
    hostname,
    ip_family,
    nearest,
    split_host_port,
    text,
)

TYPES = ("A", "AAAA", "CNAME", "SRV", "TXT", "MX", "NS", "PTR", "CAA")
STAGGER = 1.0
"""Seconds before the next nameserver is asked beside a silent one."""
STRAGGLER = 0.05
"""Seconds that the slower of A and AAAA is waited for (RFC 8305, section 3)."""


def record_type(text: str) -> str:
    """One of :data:`TYPES`, in any case.

    Raises:
        ValueError: none of them.
    """
    if text.upper() not in TYPES:
        raise ValueError(f"{text!r} is not a type: {nearest(text.upper(), TYPES)}")
    return text.upper()


class _Unhelpful(Exception):
    """A nameserver that could not answer one question."""

    def __init__(self, cause: Cause, words: str) -> None:
        self.cause, self.words = cause, words


class _Answer(NamedTuple):
    """What one nameserver said to one question."""

    records: list[tuple[str, Rdata]]
    exists: bool
    server: str
    alias: str
    authority: float | None


@dataclass
class _Name:
    """What was found of one name of the search walk."""

    name: str
    answers: list[_Answer] = field(default_factory=list)
    unhelpful: list[_Unhelpful] = field(default_factory=list)

    @property
    def records(self) -> list[tuple[str, Rdata]]:
        return [record for answer in self.answers for record in answer.records]

    @property
    def cause(self) -> Cause:
        """Why it has no records; a failing server leaves open whether there are some."""
        if self.unhelpful:
            return self.unhelpful[0].cause
        exists = any(answer.exists for answer in self.answers)
        return Cause.NO_RECORDS if exists else Cause.NXDOMAIN


@dataclass(frozen=True)
class Dns(Probe):
    """DNS has records for a name.

    DNS itself is asked, not /etc/hosts.  A name is looked for under the search list and `ndots`
    of /etc/resolv.conf, whatever the type; the first name that has records counts.  The
    nameservers are those of /etc/resolv.conf, or SERVER alone (an address, an IPv6 one in
    brackets, or a name); the next one is asked when one fails, or is silent for a second.
    Without `type`, A and AAAA are asked together and either is enough.
    """

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
        server, name = None, unquote(url.authority)
        if url.path not in ("", "/"):
            host, port = split_host_port(unquote(url.authority))
            server, name = (host, port or 53), unquote(url.path[1:].removesuffix("/"))
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
        walked: list[_Name] = []
        names = conf.names(self.domain)
        for each in names:
            name = _Name(each)
            walked.append(name)
            where = enumerate_some(_server_names(servers))
            so_far = f"; {_tell_none(walked[:-1], self.types)}" if walked[1:] else ""
            look.at(
                Cause.DNS_TIMEOUT,
                f"no answer from {where} for {each}{so_far}",
                {"names": names[: len(walked)], "servers": _server_names(servers)},
            )
            await self._ask_types(name, servers)
            if name.records:
                return self._judge(name, walked)
        return self._none(walked)

    async def _servers(self, conf: ResolvConf, look: Look) -> list[tuple[str, int]]:
        if not self.server:
            return [(address, 53) for address in conf.nameservers]
        host, port = self.server
        return [(address, port) for _, address in await look_up(host, look)]

    async def _ask_types(self, name: _Name, servers: list[tuple[str, int]]) -> None:
        """Ask for all types at once; once one has records the others get a moment more."""
        tasks = [asyncio.ensure_future(self._ask_servers(name, t, servers)) for t in self.types]
        pending = set(tasks)
        try:
            while pending:
                patience = STRAGGLER if self._enough(name) else None
                done, pending = await asyncio.wait(
                    pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if not done:
                    return
        finally:
            for task in tasks:
                task.cancel()

    async def _ask_servers(self, name: _Name, rdtype: str, servers: list[tuple[str, int]]) -> None:
        """Ask one server after another for one type, until one gives an answer."""
        unhelpful: list[_Unhelpful] = []
        answer = await first_of(
            [partial(_ask_server, name.name, rdtype, server) for server in servers],
            delay=STAGGER,
            failure=_Unhelpful,
            failed=unhelpful.append,
        )
        if answer:
            name.answers.append(answer)
        else:
            name.unhelpful += unhelpful

    def _count(self, name: _Name) -> int:
        return max(len([1 for t, _ in name.records if t == each]) for each in self.types)

    def _missing(self, name: _Name) -> list[str]:
        found = {form for _, record in name.records for form in _forms(record)}
        return [value for value in self.expect if _normal(value) not in found]

    def _enough(self, name: _Name) -> bool:
        return self._count(name) >= self.min and not self._missing(name)

    def _judge(self, name: _Name, walked: list[_Name]) -> Result:
        shown = enumerate_some(sorted({_show(record) for _, record in name.records}))
        types = " or ".join(self.types)
        facts = _facts(walked) | {
            "name": name.name,
            "records": sorted(f"{t} {_show(record)}" for t, record in name.records),
        }
        found, missing = self._count(name), self._missing(name)
        if found < self.min:
            detail = f"{name.name} has {found} of {self.min} {types} records: {shown}"
            return Result(Cause.TOO_FEW_RECORDS, detail, facts)
        if missing:
            detail = f"{name.name} has {shown}, not {enumerate_some(missing)}"
            return Result(Cause.OTHER_RECORDS, detail, facts)
        return Result(Cause.READY, f"{name.name} has {shown}", facts)

    def _none(self, walked: list[_Name]) -> Result:
        # A name that exists says most; then a server that failed, as it may hide an answer.
        causes = [name.cause for name in walked]
        known = [Cause.NO_RECORDS, Cause.SERVFAIL, Cause.DNS_REFUSED, Cause.DNS_ERROR]
        cause = next((each for each in known if each in causes), causes[0])
        lasting = [answer.authority for name in walked for answer in name.answers]
        # Asking again is useless only while a cache holds each of the negative answers.
        waits = [seconds for seconds in lasting if seconds]
        retry_after = min(waits) if waits and len(waits) == len(lasting) else None
        return Result(cause, _tell_none(walked, self.types), _facts(walked), retry_after)


async def _ask_server(name: str, rdtype: str, server: tuple[str, int]) -> _Answer:
    where = _server_names([server])[0]
    try:
        # Without EDNS, as the C library asks: some middleboxes still choke on it.
        query = dns.message.make_query(name, rdtype)
    except dns.exception.DNSException:
        raise _Unhelpful(Cause.DNS_ERROR, f"no domain name: {name!r} of {PATH}") from None

    def read(octets: bytes) -> QueryMessage | None:
        try:
            message = dns.message.from_wire(octets, raise_on_truncation=True)
        except dns.message.Truncated as error:
            if query.is_response(error.kwargs["message"]):
                raise Truncated from None
            return None
        except dns.exception.DNSException:
            return None
        return cast(QueryMessage, message) if query.is_response(message) else None

    try:
        response = await ask(server, query.to_wire(), read)
    except ConnectionRefusedError:
        raise _Unhelpful(Cause.DNS_UNREACHABLE, f"nothing listens at {where}") from None
    except (OSError, EOFError, Truncated):
        raise _Unhelpful(Cause.DNS_UNREACHABLE, f"no way to {where}") from None
    rcode = response.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        cause = {
            dns.rcode.SERVFAIL: Cause.SERVFAIL,
            dns.rcode.REFUSED: Cause.DNS_REFUSED,
        }.get(rcode, Cause.DNS_ERROR)
        raise _Unhelpful(cause, f"{dns.rcode.to_text(rcode)} from {where}")
    return _read_answer(response, rdtype, where)


def _read_answer(response: QueryMessage, rdtype: str, where: str) -> _Answer:
    question = response.question[0].name
    try:
        chain = response.resolve_chaining()
        records = [(rdtype, record) for record in chain.answer or ()]
        canonical = chain.canonical_name
    except dns.exception.DNSException:
        # An alias whose own name does not exist comes as NXDOMAIN with the alias in the answer.
        records, canonical = [], question
    alias = canonical.to_text(omit_final_dot=True) if canonical != question else ""
    held = None
    for rrset in response.authority:
        # From a cache the TTL counts down from what the zone says (RFC 2308, section 5).
        if rrset.rdtype == dns.rdatatype.SOA and not response.flags & dns.flags.AA:
            held = float(rrset.ttl) if rrset.ttl < rrset[0].minimum else None
    return _Answer(records, response.rcode() == dns.rcode.NOERROR, where, alias, held)


def _server_names(servers: Iterable[tuple[str, int]]) -> list[str]:
    return [host if port == 53 else host_port(host, port) for host, port in servers]


def _tell_none(walked: list[_Name], types: tuple[str, ...]) -> str:
    """Why none of the names has records, in one line."""
    parts = []
    unhelpful: dict[str, list[str]] = {}
    for name in walked:
        if name.cause is Cause.NO_RECORDS:
            aliases = {answer.alias for answer in name.answers if answer.alias}
            whose = f" (an alias of {aliases.pop()})" if aliases else ""
            parts.append(f"{name.name}{whose} has no {' or '.join(types)} record")
        elif name.unhelpful:
            words = ", ".join(sorted({each.words for each in name.unhelpful}))
            unhelpful.setdefault(words, []).append(name.name)
    parts += [f"{words} for {enumerate_some(names, 8)}" for words, names in unhelpful.items()]
    if absent := [name for name in walked if name.cause is Cause.NXDOMAIN]:
        servers = sorted({answer.server for name in absent for answer in name.answers})
        names = enumerate_some((name.name for name in absent), 8)
        parts.append(f"no such name: {names} (NXDOMAIN from {enumerate_some(servers)})")
    return "; ".join(parts)


def _facts(walked: list[_Name]) -> dict[str, Any]:
    return {
        "names": [name.name for name in walked],
        "servers": sorted({answer.server for name in walked for answer in name.answers}),
    }


def _show(record: Rdata) -> str:
    """A record as people write it: without quotes around text and dots at the end of names."""
    if strings := getattr(record, "strings", None):
        return b"".join(strings).decode("utf-8", "backslashreplace")
    words = record.to_text().split(" ")
    return " ".join(word.removesuffix(".") or "." for word in words)


def _normal(value: str) -> str:
    if family := ip_family(value):
        return dns.inet.inet_ntop(family, dns.inet.inet_pton(family, value))
    return value.removesuffix(".").lower()


def _forms(record: Rdata) -> set[str]:
    """The texts by which ``expect`` may mean a record."""
    forms = {_show(record)}
    if host := getattr(record, "exchange", None) or getattr(record, "target", None):
        name = host.to_text(omit_final_dot=True)
        forms |= {name, f"{name}:{record.port}"} if hasattr(record, "port") else {name}
    return {_normal(form) for form in forms}


PROBE = Dns

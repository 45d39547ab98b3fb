"""``http://`` and ``https://``: a request is answered as it should be."""

from __future__ import annotations

import re
import ssl
import warnings
from base64 import b64encode
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from string import punctuation
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote

import httpx

from waitfor import __version__
from waitfor.options import option
from waitfor.probes import Probe, Url
from waitfor.probes._connect import Failed
from waitfor.probes._http_transport import PORTS, Transport, read_body
from waitfor.probes._tls import tls_context
from waitfor.result import Cause, Look, Result
from waitfor.values import (
    StatusRange,
    boolean,
    enumerate_some,
    format_boolean,
    host_port,
    natural,
    nearest,
    quoted,
    split_host_port,
    status,
    text,
)

MOST_BODY = 1024 * 1024
"""Octets of a body that are read, after decompression."""
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READY = (StatusRange(200, 399),)
"""The statuses that kubelet takes for success."""
_FOR_ORIGIN = ("authorization", "cookie", "proxy-authorization")
"""Headers that a redirect to another scheme or port does not take along."""


def _method(text: str) -> str:
    if text.upper() not in METHODS:
        raise ValueError(f"{quoted(text)} is not a method: {nearest(text.upper(), METHODS)}")
    return text.upper()


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    # RFC 9110, section 5.6.2; what follows the colon may be secret, so errors never show it.
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("write NAME:VALUE, the name of letters, digits and hyphens")
    value = value.strip(" \t")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise ValueError(f"the value of {name} has a line break or another control character")
    if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        instead = ": write host=" if name.lower() == "host" else ""
        raise ValueError(f"{name} cannot be set as a header{instead}")
    return name, value


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            # That a later Python may read it in another way is nothing for this run.
            warnings.simplefilter("ignore")
            return re.compile(text(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None


def _authority(host: str, port: int | None) -> str:
    return host_port(host, port) if port else f"[{host}]" if ":" in host else host


def _host(text: str) -> str:
    return _authority(*split_host_port(text))


def _proxy(text: str) -> str:
    if text != "env":
        raise ValueError("write env, to use the proxy of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY")
    return text


@dataclass(frozen=True)
class Http(Probe):
    """An HTTP request is answered with a good status.

    A connection of its own for each look, so a load balancer may choose another server; no proxy
    unless asked for.  A redirect to the same host is followed, to another scheme or port without
    the user and the headers Authorization and Cookie; one to another host is not followed and its
    status is what counts, as with kubelet's probes.  The body is read to its end, or to its first
    1 MiB, and never shown.  Certificates are verified with the system's authorities (a file named
    by SSL_CERT_FILE, if set).
    """

    FORM: ClassVar[str] = "http[s]://HOST[:PORT]/PATH"
    READY_WHEN: ClassVar[str] = "the status is from 200 to 399"
    PERIOD: ClassVar[float] = 0.1
    EXAMPLES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("http://api:8080/healthz", "a status from 200 to 399"),
        ("http://api:8080/healthz?full=1#status=200,contains=ok", "200, and ok in the body"),
        ("https://api/ready#ca=/etc/ca/ca.crt", "a certificate of your own authority"),
        ("https://10.0.0.7/#host=api.example.com", "one address, asked for another name"),
        ("http://api/login#status=2xx,status=401", "either is fine: the server runs"),
        ("http://api/#method=POST,body=%7B%7D,header=Content-Type:application/json", "a POST"),
    )

    scheme: str
    server: str
    port: int
    path: str = "/"
    query: str | None = field(default=None, repr=False)
    userinfo: tuple[str, str] | None = field(default=None, repr=False)
    status: tuple[StatusRange, ...] = option(
        status,
        READY,
        "A status that is ready: a code, a range or a class.",
        "404|200-299|2xx",
        repeatable=True,
        show=lambda ranges: ", ".join(map(str, ranges)),
    )
    method: str = option(_method, "GET", f"The method: {', '.join(METHODS)}.", "METHOD")
    body: str = option(text, "", "The body to send, as UTF-8.", "TEXT", secret=True)
    header: tuple[tuple[str, str], ...] = option(
        _header, (), "A header to send.", "NAME:VALUE", repeatable=True, secret=True
    )
    contains: tuple[str, ...] = option(
        text, (), "Text that the body must contain.", "TEXT", repeatable=True, show=", ".join
    )
    matches: tuple[re.Pattern[str], ...] = option(
        _regex,
        (),
        "A regular expression (Python's) that must be found in the body.",
        "REGEX",
        repeatable=True,
        show=lambda patterns: ", ".join(each.pattern for each in patterns),
    )
    host: str = option(
        _host, "", "The Host header and the name in the certificate, instead of the URL's.", "HOST"
    )
    insecure: bool = option(
        boolean,
        False,
        "Do not verify the server's certificate.",
        "true|false",
        show=format_boolean,
    )
    ca: str = option(
        text, "", "A PEM file with the authorities to trust, instead of the system's.", "FILE"
    )
    cert: str = option(text, "", "A PEM file with the client's certificate.", "FILE")
    key: str = option(
        text, "", "A PEM file with the client's key, if it is not in the file of `cert`.", "FILE"
    )
    redirects: int = option(natural, 10, "How many redirects to the same host are followed.", "N")
    proxy: str = option(
        _proxy,
        "",
        "Use the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names, except for NO_PROXY.",
        "env",
        default_help="none",
    )

    @classmethod
    def from_url(cls, url: Url, options: dict[str, Any]) -> Self:
        """The probe for ``http://HOST[:PORT][/PATH][?QUERY]``, or ``https``."""
        userinfo, at, authority = url.authority.rpartition("@")
        user, _, password = userinfo.partition(":")
        host, port = split_host_port(authority)
        probe = cls(
            scheme=url.scheme,
            server=host,
            port=port or PORTS[url.scheme],
            path=url.path or "/",
            query=url.query,
            # Octets that are not UTF-8 go out as they came in.
            userinfo=(_octets(user), _octets(password)) if at else None,
            **options,
        )
        probe._check()
        return probe

    def _check(self) -> None:
        if self.userinfo and any(name.lower() == "authorization" for name, _ in self.header):
            raise ValueError("a user name and an Authorization header exclude each other")
        if self.body and self.method in ("GET", "HEAD", "OPTIONS"):
            raise ValueError(f"body: a {self.method} sends none: add method=POST")
        if self.method == "HEAD" and (self.contains or self.matches):
            raise ValueError("the answer to HEAD has no body to search: leave out method=HEAD")
        if self.key and not self.cert:
            raise ValueError("key: its certificate is missing: add cert=FILE")
        if self.insecure and self.ca:
            raise ValueError("insecure=true and ca exclude each other")
        for name in ("ca", "cert", "insecure"):
            if self.scheme == "http" and getattr(self, name):
                raise ValueError(f"{name} is for https://")
        if self.scheme == "https":
            self._tls()
        self._proxy_for(self._url())

    @property
    def name(self) -> str:
        """The URL with the user and the values of the query masked."""
        user = "***@" if self.userinfo else ""
        where = _authority(self.server, None if self.port == PORTS[self.scheme] else self.port)
        pieces = [] if self.query is None else self.query.split("&")
        masked = [f"{k}=***" if e else "***" for k, e, _ in (p.partition("=") for p in pieces)]
        query = f"?{'&'.join(masked)}" if masked else ""
        return f"{self.scheme}://{user}{where}{self.path}{query}"

    def _url(self) -> httpx.URL:
        try:
            return httpx.URL(f"{self.scheme}://{host_port(self.server, self.port)}{self._asked()}")
        except httpx.InvalidURL:
            raise ValueError("the host, the path or the query is not one of a URL") from None

    def _asked(self) -> str:
        """Path and query as they were written; only what is no ASCII is encoded."""
        query = "" if self.query is None else f"?{self.query}"
        return quote(self.path + query, safe=punctuation)

    @property
    def _asked_host(self) -> str:
        """The host that the server is asked for, without a zone, which means nothing to it."""
        host = split_host_port(self.host)[0] if self.host else self.server
        return host.partition("%")[0]

    def _tls(self) -> ssl.SSLContext:
        return tls_context(self.ca, self.cert, self.key, self.insecure)

    def _proxy_for(self, url: httpx.URL) -> httpx.Proxy | None:
        if not self.proxy:
            return None
        # Only who asks for a proxy pays for this import.
        from urllib import request

        proxies = request.getproxies_environment()
        scheme = url.scheme if proxies.get(url.scheme) else "all"
        named = proxies.get(scheme)
        # On macOS plain proxy_bypass() asks the system, not the environment; typeshed lacks this.
        bypass = request.proxy_bypass_environment  # type: ignore[attr-defined]
        host = url.raw_host.decode()
        if not named or bypass(host) or bypass(host_port(host, url.port or PORTS[url.scheme])):
            return None
        try:
            proxy = httpx.Proxy(named if "://" in named else f"http://{named}")
            where = proxy.url
            if where.scheme == "http" and where.raw_host and 1 <= (where.port or 80) <= 65535:
                return proxy
        except (ValueError, httpx.InvalidURL):
            pass
        raise ValueError(f"{scheme.upper()}_PROXY is not the URL of an http:// proxy")

    async def attempt(self, look: Look) -> Result:
        """Send one request, and the requests of its redirects."""
        # Without the dot at the end, which no certificate has.
        name = self._asked_host.removesuffix(".")
        transport = Transport(look, name, self._tls, self._proxy_for)
        try:
            return await self._follow(transport, look)
        except Failed as failure:
            return failure.result

    def _asks_for(self, redirect: int) -> bool:
        """Whether a redirect is itself what is waited for, as by status=302."""
        return any(300 <= each.first <= redirect <= each.last <= 399 for each in self.status)

    async def _follow(self, transport: Transport, look: Look) -> Result:
        request, target = self._request(self._url(), self.method), self._asked().encode()
        for _ in range(self.redirects + 1):
            async with transport.send(request, target) as response:
                follow = self.redirects and not self._asks_for(response.status_code)
                url = _redirected(request.url, response) if follow else None
                if not url:
                    return await self._judge(response, look)
                if url.raw_host.rstrip(b".") == self._asked_host.rstrip(".").lower().encode():
                    url = url.copy_with(host=self.server)
                if url.scheme not in PORTS or url.raw_host != request.url.raw_host:
                    elsewhere = f"{url.scheme}://{url.netloc.decode()}"
                    return await self._judge(response, look, elsewhere)
                # As Go's client does, and so kubelet.
                keep = response.status_code in (307, 308) or request.method == "HEAD"
                request = self._request(url, request.method if keep else "GET")
                target = url.raw_path
        words = f"{_said(response)}, and redirects={self.redirects} are used up"
        return Result(Cause.REDIRECTS, words, _facts(response))

    def _request(self, url: httpx.URL, method: str) -> httpx.Request:
        port = url.port or PORTS[url.scheme]
        own = (url.scheme, port) == (self.scheme, self.port)
        host = _authority(self._asked_host, None if port == PORTS[url.scheme] else port)
        headers = {
            "Host": self.host if own and self.host else host,
            "User-Agent": f"waitfor/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        if self.userinfo:
            user = ":".join(self.userinfo).encode(errors="surrogateescape")
            headers["Authorization"] = f"Basic {b64encode(user).decode()}"
        set_by_user = {name.lower() for name, _ in self.header}
        pairs = [each for each in headers.items() if each[0].lower() not in set_by_user]
        return httpx.Request(
            method,
            url,
            headers=[
                (name.encode(), value.encode())
                for name, value in (*pairs, *self.header)
                if own or name.lower() not in _FOR_ORIGIN
            ],
            content=self.body.encode() if method == self.method else b"",
        )

    async def _judge(self, response: httpx.Response, look: Look, elsewhere: str = "") -> Result:
        said, facts = _said(response), _facts(response)
        if elsewhere:
            said += f", a redirect to another host, {elsewhere}, not followed"
            facts["redirect"] = elsewhere
        wait = _retry_after(response.headers)
        if not any(response.status_code in each for each in self.status):
            ready = enumerate_some(map(str, self.status))
            return Result(Cause.STATUS, f"{said}; ready is {ready}", facts, wait)
        look.at(Cause.RESPONSE_TIMEOUT, f"{said}, but its body does not end", facts)
        body = await read_body(response, MOST_BODY)
        content = body.decode("utf-8", "replace")
        lacks = [repr(part) for part in self.contains if part not in content]
        lacks += [
            f"a match of {each.pattern!r}" for each in self.matches if not each.search(content)
        ]
        if lacks:
            size = "first 1 MiB of its body" if len(body) == MOST_BODY else "body"
            words = f"{said}, without {enumerate_some(lacks)} in the {size}"
            return Result(Cause.BODY, words, facts, wait)
        return Result(Cause.READY, said, facts)


def _octets(encoded: str) -> str:
    return unquote(encoded, errors="surrogateescape")


def _redirected(url: httpx.URL, response: httpx.Response) -> httpx.URL | None:
    """Where a redirect leads (RFC 9110, section 15.4).

    Raises:
        Failed: nowhere.
    """
    location = response.headers.get("Location")
    if response.status_code not in (301, 302, 303, 307, 308) or location is None:
        return None
    try:
        to = url.join(location)
        if to.port is not None and not 1 <= to.port <= 65535:
            raise ValueError(to.port)
        return to
    except (httpx.InvalidURL, ValueError):
        words = f"{_said(response)}, a redirect whose Location is not a URL"
        raise Failed(Result(Cause.PROTOCOL, words, _facts(response))) from None


def _said(response: httpx.Response) -> str:
    phrase = httpx.codes.get_reason_phrase(response.status_code)
    status = f"status {response.status_code} {phrase}".rstrip()
    return f"{status} from {response.extensions['where']}"


def _facts(response: httpx.Response) -> dict[str, Any]:
    return {"status": response.status_code, "address": response.extensions["address"]}


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds of Retry-After (RFC 9110, section 10.2.3); a date counts from the server's own."""
    value = headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, until.total_seconds())


PROBE = Http

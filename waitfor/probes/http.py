"""``http://`` and ``https://``: a request is answered as it should be."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self
from urllib.parse import unquote

import httpcore
import httpx

from waitfor import __version__
from waitfor.options import option
from waitfor.probes import Probe, Url
from waitfor.probes._connect import Failed
from waitfor.probes._http_transport import Transport
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
    split_host_port,
    status,
    text,
)

MOST_BODY = 1024 * 1024
"""Octets of a body that are read, after decompression."""
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READY = (StatusRange(200, 399),)
"""The statuses that kubelet takes for success."""
_PORTS = {"http": 80, "https": 443}


def _method(text: str) -> str:
    if text.upper() not in METHODS:
        raise ValueError(f"{text!r} is not a method: {nearest(text.upper(), METHODS)}")
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


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


def _host(text: str) -> str:
    host, port = split_host_port(text)
    bare = f"[{host}]" if ":" in host else host
    return host_port(host, port) if port else bare


def _proxy(text: str) -> str:
    if text != "env":
        raise ValueError("write env, to use the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
    return text


@dataclass(frozen=True)
class Http(Probe):
    """An HTTP request is answered with a good status.

    A connection of its own for each look, so a load balancer may choose another server; no proxy
    unless asked for.  A redirect to the same host is followed; one to another host is not and
    its status is what counts, as with kubelet's probes.  The body is read to its end, or to its
    first 1 MiB, and never shown.  Certificates are verified with the system's authorities (a file
    named by SSL_CERT_FILE, if set).
    """

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
    query: str | None = None
    userinfo: tuple[str, str] | None = None
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
    matches: tuple[str, ...] = option(
        _regex,
        (),
        "A regular expression (Python's) that must be found in the body.",
        "REGEX",
        repeatable=True,
        show=", ".join,
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
        _proxy, "", "Use the proxy that the environment names.", "env", default_help="none"
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
            port=port or _PORTS[url.scheme],
            path=url.path or "/",
            query=url.query,
            userinfo=(unquote(user), unquote(password)) if at else None,
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
        port = None if self.port == _PORTS[self.scheme] else self.port
        bare = f"[{self.server}]" if ":" in self.server else self.server
        where = bare if port is None else host_port(self.server, port)
        pieces = [] if self.query is None else self.query.split("&")
        masked = [f"{k}=***" if e else "***" for k, e, _ in (p.partition("=") for p in pieces)]
        query = f"?{'&'.join(masked)}" if masked else ""
        return f"{self.scheme}://{user}{where}{self.path}{query}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """User, password, values of headers and of the query, body."""
        query = [piece.rpartition("=")[2] for piece in (self.query or "").split("&")]
        values = [value for _, value in self.header]
        found = [*(self.userinfo or ()), *values, *query, *map(unquote, query), self.body]
        return tuple(filter(None, found))

    def _url(self) -> httpx.URL:
        query = "" if self.query is None else f"?{self.query}"
        try:
            return httpx.URL(
                f"{self.scheme}://{host_port(self.server, self.port)}{self.path}{query}"
            )
        except httpx.InvalidURL:
            raise ValueError("the path or the query is not one of a URL") from None

    def _tls(self) -> ssl.SSLContext:
        return tls_context(self.ca, self.cert, self.key, self.insecure)

    def _proxy_for(self, url: httpx.URL) -> httpx.Proxy | None:
        if not self.proxy:
            return None
        # Only who asks for a proxy pays for this import.
        from urllib import request

        named = request.getproxies_environment().get(url.scheme)
        # On macOS plain proxy_bypass() asks the system, not the environment; typeshed lacks this.
        bypass = request.proxy_bypass_environment  # type: ignore[attr-defined]
        if not named or bypass(host_port(url.host, url.port or _PORTS[url.scheme])):
            return None
        try:
            return httpx.Proxy(named if "://" in named else f"http://{named}")
        except (ValueError, httpx.InvalidURL):
            variable = f"{url.scheme.upper()}_PROXY"
            raise ValueError(f"{variable} is not the URL of an http:// proxy") from None

    async def attempt(self, look: Look) -> Result:
        """Send one request, and the requests of its redirects."""
        transport = Transport(look, self._tls, self._proxy_for(self._url()))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            request = client.build_request(
                self.method, self._url(), headers=self._headers(), content=self.body.encode()
            )
            # Without the dot at the end, which no certificate has.
            name = split_host_port(self.host)[0] if self.host else self.server
            request.extensions["sni_hostname"] = name.removesuffix(".")
            try:
                return await self._follow(client, request, look)
            except Failed as failure:
                return failure.result
            except httpcore.ProxyError as error:
                code = str(error)[:3]
                return Result(Cause.PROXY, f"the proxy refused the connection: status {code}")
            except httpx.DecodingError:
                return Result(Cause.PROTOCOL, "the body is not what its Content-Encoding says")
            except (httpcore.ProtocolError, httpx.RemoteProtocolError, httpx.InvalidURL):
                return Result(Cause.PROTOCOL, f"{self.server} does not speak HTTP as it should")

    def _headers(self) -> list[tuple[bytes, bytes]]:
        ours = {
            "User-Agent": f"waitfor/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
        }
        if self.host:
            ours["Host"] = self.host
        if self.userinfo:
            ours["Authorization"] = "Basic " + b64encode(":".join(self.userinfo).encode()).decode()
        set_by_user = {name.lower() for name, _ in self.header}
        kept = [each for each in ours.items() if each[0].lower() not in set_by_user]
        return [(name.encode(), value.encode()) for name, value in [*kept, *self.header]]

    async def _follow(
        self, client: httpx.AsyncClient, request: httpx.Request, look: Look
    ) -> Result:
        for _ in range(self.redirects + 1):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                following = response.next_request
                if not following or not self.redirects:
                    return await self._judge(response, look)
                if following.url.host != request.url.host:
                    elsewhere = f"{following.url.scheme}://{following.url.netloc.decode()}"
                    return await self._judge(response, look, elsewhere)
                request = following
            finally:
                await response.aclose()
        return Result(Cause.REDIRECTS, f"more than {self.redirects} redirects", _facts(response))

    async def _judge(self, response: httpx.Response, look: Look, elsewhere: str = "") -> Result:
        facts = _facts(response) | ({"redirect": elsewhere} if elsewhere else {})
        phrase = httpx.codes.get_reason_phrase(response.status_code)
        said = f"status {response.status_code} {phrase}".rstrip() + f" from {facts['address']}"
        if elsewhere:
            said += f", a redirect to another host, {elsewhere}, not followed"
        wait = _retry_after(response.headers)
        if not any(response.status_code in each for each in self.status):
            ready = enumerate_some(map(str, self.status))
            return Result(Cause.STATUS, f"{said}; ready is {ready}", facts, wait)
        look.at(Cause.RESPONSE_TIMEOUT, f"{said}, but its body does not end", facts)
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= MOST_BODY:
                break
        content = body[:MOST_BODY].decode("utf-8", "replace")
        lacks = [part for part in self.contains if part not in content]
        lacks += [regex for regex in self.matches if not re.search(regex, content)]
        if lacks:
            size = "first 1 MiB of its body" if len(body) >= MOST_BODY else "body"
            words = enumerate_some(repr(part) for part in lacks)
            return Result(Cause.BODY, f"{said}, without {words} in the {size}", facts, wait)
        return Result(Cause.READY, said, facts)


def _facts(response: httpx.Response) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "address": response.extensions["network_stream"].get_extra_info("peer"),
    }


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds of Retry-After (RFC 9110, section 10.2.3); a date counts from the server's own."""
    value = headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, until.total_seconds())


PROBE = Http

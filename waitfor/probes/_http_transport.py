"""How an HTTP request reaches its server: our own look-up and connection under httpcore.

So a fault of the name or of the connection has the same words in every kind of probe, every
address is tried, and a look-up that is stuck blocks nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpcore
import httpx

from waitfor.probes._connect import Failed, connect, peer
from waitfor.result import Cause, Look, Result
from waitfor.values import LONGEST, host_port

PORTS = {"http": 80, "https": 443}
_READ = 8 * 1024
_HTTP = b"HTTP/"


class _Route(NamedTuple):
    """Where a connection leads.

    Attributes:
        server: host and port that are asked for.
        certificate: the name that the server's certificate must have.
        proxy: whether a proxy stands in front.
    """

    server: str
    certificate: str
    proxy: bool


class _Stream(httpcore.AsyncNetworkStream):
    """One connection.

    Args:
        reader: what the peer sends.
        writer: what the peer gets.
        address: the peer.
        route: where it leads.
        look: is told what is waited for.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        address: str,
        route: _Route,
        look: Look,
    ) -> None:
        self._reader, self._writer, self._route, self._look = reader, writer, route, look
        self.address = address
        self.where = f"the proxy {address}" if route.proxy else address
        self._head = b""
        self.ended = False

    def failed(self, cause: Cause, words: str) -> Failed:
        """What is raised when the look can go no further."""
        return Failed(Result(cause, words, {"address": self.address}))

    def _at(self, cause: Cause, words: str) -> None:
        self._look.at(cause, words, {"address": self.address})

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            data = await self._reader.read(min(max_bytes, _READ))
        except ssl.SSLError as error:
            raise self.failed(*_tls_failure(error, self.where)) from None
        except OSError:
            raise self.failed(Cause.RESET, f"connection reset by {self.where}") from None
        self.ended = not data
        if not data and not self._head:
            words = f"{self.where} closed the connection without an answer"
            raise self.failed(Cause.CLOSED, words)
        if len(self._head) < len(_HTTP):
            words = f"{self.where} began an answer but did not finish its header"
            self._at(Cause.RESPONSE_TIMEOUT, words)
            self._head += data[: len(_HTTP) - len(self._head)]
            # httpcore would wait for the end of a header, which the greeting of SSH never has.
            if not _HTTP.startswith(self._head):
                raise self.failed(Cause.PROTOCOL, f"{self.where} answers, but not in HTTP")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._at(Cause.RESPONSE_TIMEOUT, f"{self.where} accepts but does not answer")
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            # The server may have answered before it stopped reading; httpcore looks.
            raise httpcore.WriteError(str(error)) from None

    async def aclose(self) -> None:
        self._writer.transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        if self._route.proxy:
            self.where = f"{self._route.server} behind {self.where}"
        self._at(Cause.TLS_TIMEOUT, f"{self.where} accepts but does not finish the TLS handshake")
        loop = asyncio.get_running_loop()
        # A new reader: what came before the handshake is from nobody whom a certificate names.
        self._reader, self._head = asyncio.StreamReader(), b""
        protocol = asyncio.StreamReaderProtocol(self._reader)
        try:
            transport = await loop.start_tls(
                self._writer.transport,
                protocol,
                ssl_context,
                server_hostname=self._route.certificate,
                # The look as a whole is bounded, with words of its own.
                ssl_handshake_timeout=LONGEST,
            )
        except ssl.SSLError as error:
            raise self.failed(*_tls_failure(error, self.where)) from None
        except OSError:
            transport = None
        if not transport:
            words = f"{self.where} closed the connection during the TLS handshake"
            raise self.failed(Cause.TLS_FAILED, words)
        protocol.connection_made(transport)
        # A writer that nobody refers to closes its transport, which this one shares.
        self._plain = self._writer
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        return self


def _tls_failure(error: ssl.SSLError, where: str) -> tuple[Cause, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return Cause.TLS_VERIFY, f"certificate of {where} not accepted: {reason}"
    reason = error.reason or "PROTOCOL_ERROR"
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return Cause.TLS_FAILED, f"{where} does not speak TLS"
    if reason.endswith("ALERT_CERTIFICATE_REQUIRED"):
        return Cause.TLS_FAILED, f"{where} wants a client's certificate: add cert=FILE"
    refused = re.fullmatch(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)", reason)
    said = (refused[1] if refused else reason).replace("_", " ").lower()
    words = f"{where} refused the TLS handshake" if refused else f"TLS with {where} failed"
    return Cause.TLS_FAILED, f"{words}: {said}"


class _ProxyLook(Look):
    """Says of the way to a proxy that it is one."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def at(self, cause: Cause, doing: str, facts: Mapping[str, Any]) -> None:
        self._look.at(cause, _to_proxy(doing), facts)


def _to_proxy(words: str) -> str:
    return f"the proxy cannot be reached: {words}"


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects once, and keeps the stream at hand."""

    stream: _Stream

    def __init__(self, route: _Route, look: Look) -> None:
        self._route, self._look = route, look

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> _Stream:
        try:
            sock = await connect(
                host, port, _ProxyLook(self._look) if self._route.proxy else self._look
            )
        except Failed as failure:
            result = failure.result
            if self._route.proxy:
                result = dataclasses.replace(result, detail=_to_proxy(result.detail))
            raise Failed(result) from None
        try:
            address = peer(sock)
            reader, writer = await asyncio.open_connection(sock=sock)
        except OSError:
            # Between the connection and the question whom it is to.
            sock.close()
            words = f"connection reset by {host_port(host, port)}"
            raise Failed(Result(Cause.RESET, words)) from None
        self.stream = _Stream(reader, writer, address, self._route, self._look)
        return self.stream


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk


class Transport:
    """Sends the requests of one look, each on a connection of its own.

    Args:
        look: is told what is waited for.
        certificate: the name that the server's certificate must have.
        tls: gives the context for https, the only scheme that is worth the time to make one.
        proxy: gives the proxy for a URL, or None.
    """

    def __init__(
        self,
        look: Look,
        certificate: str,
        tls: Callable[[], ssl.SSLContext],
        proxy: Callable[[httpx.URL], httpx.Proxy | None],
    ) -> None:
        self._look, self._certificate, self._tls, self._proxy = look, certificate, tls, proxy

    @asynccontextmanager
    async def send(self, request: httpx.Request, target: bytes) -> AsyncIterator[httpx.Response]:
        """Send a request; the answer's extensions hold its ``address``, and ``where`` in words.

        Args:
            request: what to send; its URL says where.
            target: path and query, octet by octet.

        Raises:
            Failed: also inside the ``with`` block: the server cannot be reached, or does not
                answer as it should.
        """
        url = request.url
        host, port = url.raw_host.decode(), url.port or PORTS[url.scheme]
        try:
            proxy = self._proxy(url)
        except ValueError as error:
            # Asked late for a redirect to another scheme, whose variable nobody has looked at yet.
            raise Failed(Result(Cause.PROXY, str(error))) from None
        backend = _Backend(
            _Route(host_port(host, port), self._certificate, proxy is not None), self._look
        )
        async with self._pool(url.scheme, proxy, backend) as pool:
            try:
                response = await pool.handle_async_request(
                    httpcore.Request(
                        request.method,
                        # httpcore writes the host of a URL for a proxy as it is.
                        httpcore.URL(
                            scheme=url.scheme,
                            host=f"[{host}]" if proxy and ":" in host else host,
                            port=port,
                            target=target,
                        ),
                        headers=request.headers.raw,
                        content=request.stream,
                    )
                )
                stream = backend.stream
                try:
                    yield httpx.Response(
                        response.status,
                        headers=response.headers,
                        stream=_Body(response),
                        extensions={"address": stream.address, "where": stream.where},
                    )
                finally:
                    await response.aclose()
            except httpcore.ProxyError as error:
                words = f"{backend.stream.where} refused the connection: status {str(error)[:3]}"
                raise backend.stream.failed(Cause.PROXY, words) from None
            except httpcore.RemoteProtocolError:
                stream = backend.stream
                if stream.ended:
                    words = f"{stream.where} closed the connection in the middle of its answer"
                    raise stream.failed(Cause.CLOSED, words) from None
                words = f"the answer of {stream.where} is not proper HTTP"
                raise stream.failed(Cause.PROTOCOL, words) from None

    def _pool(
        self, scheme: str, proxy: httpx.Proxy | None, backend: _Backend
    ) -> httpcore.AsyncConnectionPool:
        try:
            tls = self._tls() if scheme == "https" else None
        except ValueError as error:
            # Made late for a redirect to https: what SSL_CERT_FILE names cannot be used.
            raise Failed(Result(Cause.TLS_FAILED, str(error))) from None
        if not proxy:
            return httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=backend)
        return httpcore.AsyncHTTPProxy(
            proxy_url=str(proxy.url),
            proxy_auth=proxy.raw_auth,
            ssl_context=tls,
            network_backend=backend,
        )


async def read_body(response: httpx.Response, most: int) -> bytes:
    """The first ``most`` octets of a body, decompressed.

    zlib is told how much to give, so what is made to burst memory stops there.

    Raises:
        Failed: it cannot be decompressed.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    # 32 more than the largest window: zlib finds out which of both it is.
    inflate = zlib.decompressobj(32 + 15) if coding in ("gzip", "x-gzip", "deflate") else None
    body, came = bytearray(), False
    try:
        async for chunk in response.aiter_raw():
            came, rest = True, chunk
            while inflate and rest and len(body) < most:
                if inflate.eof:
                    # Members follow each other (RFC 1952, section 2.2).
                    inflate = zlib.decompressobj(32 + 15)
                body += inflate.decompress(rest, most - len(body))
                rest = inflate.unused_data
            body += b"" if inflate else chunk
            if len(body) >= most:
                return bytes(body[:most])
        if inflate and came and not inflate.eof:
            raise zlib.error
    except zlib.error:
        facts = {"address": response.extensions["address"]}
        words = f"the body from {response.extensions['where']} is broken {coding}"
        raise Failed(Result(Cause.PROTOCOL, words, facts)) from None
    return bytes(body)

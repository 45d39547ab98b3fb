"""How an HTTP request reaches its server: our own look-up and connection under httpx.

So a fault of the name or of the connection has the same words in every kind of probe, every
address is tried, and a look-up that is stuck blocks nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpcore
import httpx

from waitfor.probes._connect import Failed, connect, peer
from waitfor.result import Cause, Look, Result

# A kilobyte of gzip can stand for a megabyte of body; small reads keep that bounded.
_READ = 8 * 1024


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, look: Look
    ) -> None:
        self._reader, self._writer, self._where, self._look = reader, writer, where, look
        self._silent = True

    def _failed(self, cause: Cause, words: str) -> Failed:
        return Failed(Result(cause, words, {"address": self._where}))

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            data = await self._reader.read(min(max_bytes, _READ))
        except ssl.SSLError as error:
            raise self._failed(*_tls_failure(error, self._where)) from None
        except OSError:
            raise self._failed(Cause.RESET, f"connection reset by {self._where}") from None
        if not data and self._silent:
            words = f"{self._where} closed the connection without an answer"
            raise self._failed(Cause.CLOSED, words)
        self._silent = False
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        words = f"{self._where} accepts but does not answer"
        self._look.at(Cause.RESPONSE_TIMEOUT, words, {"address": self._where})
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
        words = f"{self._where} accepts but ends no TLS handshake"
        self._look.at(Cause.TLS_TIMEOUT, words, {"address": self._where})
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except ssl.SSLError as error:
            raise self._failed(*_tls_failure(error, self._where)) from None
        except OSError:
            words = f"{self._where} closed the connection during the TLS handshake"
            raise self._failed(Cause.TLS_FAILED, words) from None
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._where if info == "peer" else None


def _tls_failure(error: ssl.SSLError, where: str) -> tuple[Cause, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return Cause.TLS_VERIFY, f"certificate of {where} not accepted: {reason}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return Cause.TLS_FAILED, f"{where} does not speak TLS"
    reason = (error.reason or "protocol error").replace("_", " ").lower()
    return Cause.TLS_FAILED, f"TLS with {where} failed: {reason}"


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, look: Look) -> None:
        self._look = look

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> _Stream:
        sock = await connect(host, port, self._look)
        where = peer(sock)
        reader, writer = await asyncio.open_connection(sock=sock)
        return _Stream(reader, writer, where, self._look)


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class Transport(httpx.AsyncBaseTransport):
    """Sends the requests of one look.

    Raises:
        Failed: from a request, when the server cannot be reached or does not answer.
    """

    def __init__(
        self, look: Look, tls: Callable[[], ssl.SSLContext], proxy: httpx.Proxy | None
    ) -> None:
        self._backend, self._tls, self._proxy = _Backend(look), tls, proxy
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    def _pool(self, scheme: str) -> httpcore.AsyncConnectionPool:
        # By scheme, since only https is worth the time that a TLS context takes.
        if scheme not in self._pools:
            tls = self._tls() if scheme == "https" else None
            self._pools[scheme] = (
                httpcore.AsyncHTTPProxy(
                    proxy_url=str(self._proxy.url),
                    proxy_auth=self._proxy.raw_auth,
                    ssl_context=tls,
                    network_backend=self._backend,
                )
                if self._proxy
                else httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=self._backend)
            )
        return self._pools[scheme]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        url = request.url
        response = await self._pool(url.scheme).handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            await pool.aclose()

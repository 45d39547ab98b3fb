"""Name look-up and TCP connection as an application makes them, shared by the kinds that connect.

Names go through the C library (``getaddrinfo``), so /etc/hosts and nsswitch.conf count.  It can
be neither interrupted nor timed, hence a daemon thread for each name: nothing ever waits for one
that is stuck, and asyncio's own pool of a few threads is not blocked by it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from typing import Any

from waitfor.probes._race import first_of
from waitfor.probes._resolv import PATH, resolv_conf
from waitfor.result import Cause, Look, Result
from waitfor.values import enumerate_some, host_port, ip_family

STAGGER = 0.25
"""Seconds before the next address is tried beside a silent one (RFC 8305, section 5)."""

_CAUSES = {
    errno.ECONNREFUSED: (Cause.REFUSED, "connection refused by"),
    errno.ECONNRESET: (Cause.RESET, "connection reset by"),
    # What getpeername() says of a connection that was reset as soon as it was accepted.
    errno.ENOTCONN: (Cause.RESET, "connection reset by"),
    errno.ETIMEDOUT: (Cause.CONNECT_TIMEOUT, "no answer from"),
    errno.ENETUNREACH: (Cause.UNREACHABLE, "no route to"),
    errno.EHOSTUNREACH: (Cause.UNREACHABLE, "no route to"),
    errno.EADDRNOTAVAIL: (Cause.UNREACHABLE, "no route to"),
    errno.EAFNOSUPPORT: (Cause.UNREACHABLE, "no route to"),
    errno.EMFILE: (Cause.CONNECT_FAILED, "too many open files (ulimit -n) to connect to"),
}
# Which cause stands for several addresses: the one that tells most of the service comes first.
_WEIGHT = (
    Cause.RESET,
    Cause.REFUSED,
    Cause.CONNECT_TIMEOUT,
    Cause.CONNECT_FAILED,
    Cause.UNREACHABLE,
)

Addresses = list[tuple[int, str]]


class Failed(Exception):
    """A look cannot go on; carries the result that says why."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(result.detail)


class _AddressFailed(Exception):
    """One address could not be connected to."""

    def __init__(self, where: str, error: OSError) -> None:
        self.where = where
        words = (os.strerror(error.errno) if error.errno else str(error)).lower()
        self.cause, self.words = _CAUSES.get(
            error.errno or 0, (Cause.CONNECT_FAILED, f"{words}, connecting to")
        )


_in_flight: dict[str, Future[Addresses]] = {}
_lock = threading.Lock()


def _forget_threads() -> None:
    """A forked child has no threads, so nobody there ends the look-ups of its parent."""
    global _lock  # noqa: PLW0603  # the lock may be held, by a thread that is not here
    _lock = threading.Lock()
    _in_flight.clear()


os.register_at_fork(after_in_child=_forget_threads)


def _look_up(host: str, future: Future[Addresses]) -> None:
    try:
        # As octets: for text Python would load its IDNA tables, even for an ASCII name.
        found = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)
        addresses = [(family, _with_zone(address)) for family, _, _, _, address in found]
        outcome = partial(future.set_result, list(dict.fromkeys(addresses)))
    except Exception as error:
        outcome = partial(future.set_exception, error)
    with _lock:
        del _in_flight[host]
    outcome()


def _with_zone(address: tuple[Any, ...]) -> str:
    zone = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{zone}" if zone else str(address[0])


def _look_up_in_thread(host: str) -> Future[Addresses]:
    with _lock:
        if future := _in_flight.get(host):
            return future
        future = _in_flight[host] = Future()
        # Marked as running it cannot be cancelled, so whoever gives up leaves it to the others.
        future.set_running_or_notify_cancel()
        try:
            threading.Thread(target=_look_up, args=(host, future), daemon=True).start()
        except RuntimeError as error:
            del _in_flight[host]
            future.set_exception(OSError(errno.EAGAIN, str(error)))
        return future


async def look_up(host: str, look: Look) -> Addresses:
    """The families and addresses of a host, in the system's order of preference.

    Raises:
        Failed: the name has no address or the look-up went wrong.
    """
    if family := ip_family(host.partition("%")[0]):
        return [(family, host)]
    names = resolv_conf().names(host)
    facts = {"host": host, "names": names}
    look.at(Cause.LOOKUP_TIMEOUT, f"no answer to the look-up of {host}", facts)
    try:
        return await asyncio.wrap_future(_look_up_in_thread(host))
    except (OSError, UnicodeError) as error:
        raise Failed(_lookup_failure(host, names, error)) from None


def _lookup_failure(host: str, names: list[str], error: Exception) -> Result:
    code = error.errno if isinstance(error, socket.gaierror) else None
    tried = enumerate_some(names, 8)
    facts = {"host": host, "names": names}
    if code == socket.EAI_NONAME:
        return Result(Cause.NXDOMAIN, f"no such name: {tried}", facts)
    if code == getattr(socket, "EAI_NODATA", None):
        return Result(Cause.NO_RECORDS, f"no address under the name {tried}", facts)
    if code == socket.EAI_AGAIN and not resolv_conf().nameservers:
        return Result(
            Cause.NO_NAMESERVER, f"cannot look up {host}: {PATH} has no nameserver", facts
        )
    # Else it is for want of something here, such as a thread or a file.
    unanswered = code in (socket.EAI_AGAIN, socket.EAI_FAIL)
    reason = "no useful answer from any nameserver" if unanswered else str(error.args[-1]).lower()
    return Result(Cause.LOOKUP_FAILED, f"cannot look up {tried}: {reason}", facts)


async def _connect_address(family: int, address: str, port: int) -> socket.socket:
    where = host_port(address, port)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _AddressFailed(where, error) from None
    try:
        sock.setblocking(False)
        bare, _, zone = address.partition("%")
        target = (bare, port, 0, _zone_index(zone)) if zone else (bare, port)
        await asyncio.get_running_loop().sock_connect(sock, target)
        # A look at a free local port can be given that very port to come from, and TCP then
        # connects it to itself.
        if sock.getsockname() == sock.getpeername():
            # Reset, for a connection that lingers would keep the server from taking its port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    except OSError as error:
        sock.close()
        raise _AddressFailed(where, error) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _zone_index(zone: str) -> int:
    """The interface that an IPv6 zone names (RFC 4007, section 11)."""
    return int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)


def interleave(addresses: Addresses) -> Addresses:
    """The families in turn, so that none keeps the other waiting (RFC 8305, section 4)."""
    first = [each for each in addresses if each[0] == addresses[0][0]]
    other = [each for each in addresses if each[0] != addresses[0][0]]
    mixed = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return mixed


def _words(failures: Iterable[_AddressFailed]) -> str:
    groups: dict[str, list[str]] = {}
    for failure in sorted(failures, key=lambda each: (each.words, each.where)):
        groups.setdefault(failure.words, []).append(failure.where)
    return "; ".join(f"{words} {enumerate_some(where)}" for words, where in groups.items())


async def connect(host: str, port: int, look: Look) -> socket.socket:
    """A connected, non-blocking socket to the first address that answers.

    Raises:
        Failed: no address could be connected to; the detail names each.
    """
    addresses = interleave(await look_up(host, look))
    everywhere = [host_port(address, port) for _, address in addresses]
    failures: list[_AddressFailed] = []

    def note(failure: _AddressFailed | None = None) -> None:
        if failure:
            failures.append(failure)
        gone = {each.where for each in failures}
        silent = sorted(where for where in everywhere if where not in gone)
        parts = [_words(failures)] * bool(failures) + [f"no answer from {enumerate_some(silent)}"]
        look.at(_weightiest(failures, Cause.CONNECT_TIMEOUT), "; ".join(parts), facts)

    facts = {"host": host, "addresses": everywhere}
    note()
    sock = await first_of(
        [partial(_connect_address, family, address, port) for family, address in addresses],
        delay=STAGGER,
        failure=_AddressFailed,
        failed=note,
        drop=socket.socket.close,
    )
    if sock:
        return sock
    raise Failed(Result(_weightiest(failures), _words(failures), facts))


def _weightiest(failures: Iterable[_AddressFailed], *others: Cause) -> Cause:
    return min((*others, *(failure.cause for failure in failures)), key=_WEIGHT.index)


def peer(sock: socket.socket) -> str:
    """Whom a socket is connected to, as ``host:port``.

    Raises:
        Failed: nobody any more.
    """
    try:
        address = sock.getpeername()
    except OSError:
        sock.close()
        raise Failed(Result(Cause.RESET, "connection reset as soon as it was accepted")) from None
    return host_port(address[0], address[1])

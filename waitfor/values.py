"""Text to value and back: durations, percentages, counts, status codes, host names.

Every parser takes what a person wrote and returns a value, or raises ``ValueError`` with one
clause that says what is allowed.  Nothing here knows what a value is for.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))+|\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_PART = re.compile(r"([\d.]+)(ms|s|m|h)", re.ASCII)
LONGEST = 365 * 24 * 3600.0
"""The longest duration taken, in seconds (a year): more is a slip of the unit."""


def duration(text: str) -> float:
    """Seconds from ``500ms``, ``10s``, ``2m``, ``1h30m`` or a bare number of seconds.

    Raises:
        ValueError: not a duration, or longer than a year.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write 500ms, 10s, 2m or 1h30m")
    parts = _PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is longer than a year")
    return seconds


def positive_duration(text: str) -> float:
    """A :func:`duration` above zero.

    Raises:
        ValueError: not a duration, or zero.
    """
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r} must be more than 0")
    return seconds


def format_duration(seconds: float) -> str:
    """A duration as a person writes it: ``50ms`` for settings, ``1h30m``, never rounded to zero."""
    if seconds < 1:
        return f"{seconds * 1000:.10g}ms" if seconds else "0s"
    rest = round(seconds, 3)
    text = ""
    for unit, size in (("h", 3600), ("m", 60)):
        whole, rest = divmod(rest, size)
        if whole:
            text += f"{whole:.0f}{unit}"
    return text + (f"{rest:.6g}s" if rest or not text else "")


def format_elapsed(seconds: float) -> str:
    """A measured time: tenths of a second below a minute, then minutes and whole seconds."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"


def percentage(text: str) -> float:
    """A share between 0 and 1 from ``10%``.

    Raises:
        ValueError: not a percentage between 0% and 100%.
    """
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", text, re.ASCII)
    if not match or float(match[1]) > 100:
        raise ValueError(f"{text!r} is not a percentage: write 0% to 100%")
    return float(match[1]) / 100


def format_percentage(share: float) -> str:
    """The inverse of :func:`percentage`."""
    return f"{share * 100:.6g}%"


def factor(text: str) -> float:
    """A number from 1 to 10, such as ``1.1``.

    Raises:
        ValueError: not a number, or outside that range.
    """
    if not re.fullmatch(r"\d{1,2}(?:\.\d{1,6})?", text, re.ASCII) or not 1 <= float(text) <= 10:
        raise ValueError(f"{text!r} is not a factor: write a number from 1 to 10, such as 1.5")
    return float(text)


def count(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < 1:
        raise ValueError(f"{text!r} is not a count: write a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """A whole number of at least 0.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a count: write a whole number from 0")
    return int(text)


def boolean(text: str) -> bool:
    """``true`` or ``false``.

    Raises:
        ValueError: anything else.
    """
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def format_boolean(value: bool) -> str:
    """The inverse of :func:`boolean`."""
    return "true" if value else "false"


def port(text: str) -> int:
    """A port from 1 to 65535.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"port {text!r} is not a number: write 1 to 65535")
    if not 1 <= int(text) <= 65535:
        raise ValueError(f"port {int(text)} is out of range: write 1 to 65535")
    return int(text)


def text(value: str) -> str:
    """Any text that is not empty.

    Raises:
        ValueError: the text is empty.
    """
    if not value:
        raise ValueError("it is empty")
    return value


class StatusRange(NamedTuple):
    """HTTP status codes from ``first`` to ``last``, both included (RFC 9110, section 15)."""

    first: int
    last: int

    def __contains__(self, status: object) -> bool:
        return isinstance(status, int) and self.first <= status <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def status(text: str) -> StatusRange:
    """Status codes from ``404``, ``200-299`` or ``2xx``.

    Raises:
        ValueError: anything else, or codes outside 100 to 599.
    """
    if match := re.fullmatch(r"([1-5])xx", text, re.IGNORECASE | re.ASCII):
        return StatusRange(int(match[1]) * 100, int(match[1]) * 100 + 99)
    match = re.fullmatch(r"(\d{3})(?:-(\d{3}))?", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 100 <= first <= last <= 599:
        raise ValueError(f"{text!r} is not a status: write 404, 200-299 or 2xx")
    return StatusRange(first, last)


def ip_family(text: str) -> socket.AddressFamily | None:
    """The family of the address that ``text`` is, without a zone; None when it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return family
    return None


_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE | re.ASCII)


def hostname(name: str) -> str:
    """A host name in its ASCII form: letters, digits, hyphens and underscores in labels of up to
    63 octets, 253 in all (RFC 1035, section 2.3.4); other scripts by IDNA (RFC 5891, UTS 46).
    One dot at the end is kept: it keeps the search list out.

    Raises:
        ValueError: not such a name.
    """
    if not name:
        raise ValueError("the host is empty")
    if re.search(r"[${}()]", name):
        raise ValueError(f"host {name!r} holds a variable that was never filled in")
    if not name.isascii():
        # Comes with httpx; names outside ASCII are rare, so start-up does not pay for its tables.
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError(f"host {name!r} is not a name that IDNA allows") from None
    bare = name.removesuffix(".")
    if len(bare) > 253:
        raise ValueError(f"the host has {len(bare)} octets, a name has at most 253")
    for label in bare.split("."):
        if not label:
            raise ValueError(f"host {name!r} has an empty part between its dots")
        if len(label) > 63:
            raise ValueError(f"host part {label[:16]!r}... has {len(label)} octets, at most 63")
        if not _LABEL.fullmatch(label):
            raise ValueError(
                f"host {name!r} has a character that no name has:"
                " write letters, digits, hyphens, dots"
            )
    return name


def host_port(host: str, port: int) -> str:
    """``host:port`` with IPv6 literals in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def enumerate_some(items: Iterable[str], limit: int = 4) -> str:
    """``a, b, c`` with all past ``limit`` counted instead of named."""
    names = list(items)
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause for an error: the known word nearest to ``word``, or all that are known."""
    # Only a mistake pays for this import.
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "one of " + ", ".join(names)


def split_host_port(authority: str) -> tuple[str, int | None]:
    """The host and the port of ``host``, ``host:port``, ``[::1]`` or ``[::1]:port``.

    Raises:
        ValueError: an empty or impossible host, a bare IPv6 address, a port that is none.
    """
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        address, _, zone = literal.partition("%")
        if not bracket or ip_family(address) is not socket.AF_INET6:
            raise ValueError(f"{authority!r} is not an IPv6 address in brackets, such as [::1]")
        if rest and not rest.startswith(":"):
            raise ValueError(f"after ']' comes ':' and a port, not {rest!r}")
        # A zone is written %25eth0 in a URL (RFC 6874) and %eth0 everywhere else.
        host = f"{address}%{zone.removeprefix('25')}" if zone else address
        return host, port(rest[1:]) if rest else None
    host, colon, number = authority.rpartition(":")
    if not colon:
        host, number = authority, ""
    elif ":" in host:
        raise ValueError(f"an IPv6 address stands in brackets: write [{authority}]")
    name = host if ip_family(host) else hostname(host)
    return name, port(number) if colon else None

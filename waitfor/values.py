"""Text to value and back: durations, percentages, counts, status codes, host names.

Every parser takes what a person wrote and returns a value, or raises ``ValueError`` with one
clause that says what is allowed.  An error holds nothing of the text but what :func:`quoted` lets
through, so no secret gets in.  Nothing here knows what a value is for.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}://)?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"\[[^\]]*\]|[^:/]*")
_SHOWN = 100


def quoted(text: str) -> str:
    """A text for an error, in quotation marks, without what it may hold of a secret.

    A target may stand anywhere, even one that cannot be read.  Its user and password end at the
    last ``@``, its query and its options begin at ``?`` and ``#``; where these are mixed up, as
    in a password that nobody encoded, only the scheme is left.
    """
    scheme = _SCHEME.match(text)[0]  # type: ignore[index]  # matches the empty text as well
    rest = text[len(scheme) :]
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    _, at, host = bare.rpartition("@")
    if "%40" in host or "@" in rest[len(bare) :]:
        bare = ""
    elif at:
        bare = "***@" + _HOST.match(host)[0]  # type: ignore[index]
    shown = scheme + bare[:_SHOWN]
    return repr(shown if shown == text else shown + "...")


def percent_decoded(text: str) -> str:
    """A text with each ``%2C`` and the like as what it stands for, in UTF-8 (RFC 3986, 2.1)."""
    # Not urllib.parse, which brings ipaddress along: 3 ms and 0.4 MB of every start.
    octets = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode())
    return octets.decode("utf-8", "replace")


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
        raise ValueError(f"{quoted(text)} is not a duration: write 500ms, 10s, 2m or 1h30m")
    parts = _PART.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
    if seconds > LONGEST:
        raise ValueError(f"{quoted(text)} is longer than a year")
    return seconds


def positive_duration(text: str) -> float:
    """A :func:`duration` above zero.

    Raises:
        ValueError: not a duration, or zero.
    """
    seconds = duration(text)
    if seconds <= 0:
        raise ValueError(f"{quoted(text)} must be more than 0")
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
        raise ValueError(f"{quoted(text)} is not a percentage: write 0% to 100%")
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
        raise ValueError(
            f"{quoted(text)} is not a factor: write a number from 1 to 10, such as 1.5"
        )
    return float(text)


def count(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < 1:
        raise ValueError(f"{quoted(text)} is not a count: write a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """A whole number of at least 0.

    Raises:
        ValueError: anything else.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"{quoted(text)} is not a count: write a whole number from 0")
    return int(text)


def boolean(text: str) -> bool:
    """``true`` or ``false``.

    Raises:
        ValueError: anything else.
    """
    if text not in ("true", "false"):
        raise ValueError(f"{quoted(text)} is neither true nor false")
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
        raise ValueError("the port is not a number: write 1 to 65535")
    if not 1 <= int(text) <= 65535:
        raise ValueError("the port is out of range: write 1 to 65535")
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
        raise ValueError(f"{quoted(text)} is not a status: write 404, 200-299 or 2xx")
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
        raise ValueError("the host holds a variable that was never filled in")
    if not name.isascii():
        # Comes with httpx; names outside ASCII are rare, so start-up does not pay for its tables.
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("the host is not a name that IDNA allows") from None
    bare = name.removesuffix(".")
    if len(bare) > 253:
        raise ValueError(f"the host has {len(bare)} octets, a name has at most 253")
    if re.fullmatch(r"(\d+\.){3}\d+", bare, re.ASCII):
        raise ValueError("the host is not an IPv4 address: write four numbers from 0 to 255")
    for label in bare.split("."):
        if not label:
            raise ValueError("the host has an empty part between its dots")
        if len(label) > 63:
            raise ValueError(f"a part of the host has {len(label)} octets, at most 63 are allowed")
        if not _LABEL.fullmatch(label):
            raise ValueError(
                "the host has a character that no name has: write letters, digits, hyphens, dots"
            )
    return name


def host_port(host: str, port: int) -> str:
    """``host:port`` with IPv6 literals in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def printable(line: str) -> str:
    """A line without line breaks and control characters; servers have a say in some."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def enumerate_some(items: Iterable[str], limit: int = 4) -> str:
    """``a, b, c`` with all past ``limit`` counted instead of named."""
    names = list(items)
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is meant by a misspelt one, or None."""
    # Only a mistake pays for this import.
    from difflib import get_close_matches

    names = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause for an error: the known word nearest to ``word``, and all that are known."""
    names = list(known)
    meant = closest(word, names)
    return (f"did you mean {meant}? " if meant else "") + "known: " + ", ".join(names)


def one_of(known: Iterable[str], what: str) -> Callable[[str], str]:
    """A parser that takes the known words; ``what`` they are goes into its error."""
    names = tuple(known)

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"{quoted(text)} is not {what}: {nearest(text, names)}")
        return text

    return parse


def split_host_port(authority: str) -> tuple[str, int | None]:
    """The host and the port of ``host``, ``host:port``, ``[::1]`` or ``[::1]:port``.

    Raises:
        ValueError: an empty or impossible host, a bare IPv6 address, a port that is none.
    """
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        address, _, zone = literal.partition("%")
        if not bracket or ip_family(address) is not socket.AF_INET6:
            raise ValueError("in brackets stands an IPv6 address, such as [::1]")
        if rest and not rest.startswith(":"):
            raise ValueError("after ']' comes ':' and a port")
        # A zone is written %25eth0 in a URL (RFC 6874) and %eth0 everywhere else.
        host = f"{address}%{zone.removeprefix('25')}" if zone else address
        return host, port(rest[1:]) if rest else None
    host, colon, number = authority.rpartition(":")
    if not colon:
        host, number = authority, ""
    elif ":" in host:
        raise ValueError("it has several ':': an IPv6 address stands in brackets, such as [::1]:80")
    name = host if ip_family(host) else hostname(host)
    return name, port(number) if colon else None

"""One string to one target: what is looked at, and what it says of how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from waitfor.options import Option, options, read
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, Probe, Url, probe_class
from waitfor.result import InvalidTarget
from waitfor.values import closest, nearest, percent_decoded, quoted

_ENCODE = "in a user name or password, / ? # and @ are written %2F %3F %23 and %40"
_SLIPS = (
    (r"[\x00-\x1f\x7f]", "a target has no line break, NUL or other control character"),
    (r"^[\"'`\u201c\u201d\u2018\u2019]", "leave out the quotation marks around it"),
    (r"^[\u2013\u2014\u2212]", "an option begins with plain hyphens: write --"),
    (r"^[^?#]*(\$\(|\$\{|\{\{)", "it holds a variable that was never filled in"),
    (r"^[^#]*\s", "it has white space: give each target as a word of its own, %20 within a path"),
    (r"^([a-z]+://)?[^/?#@]*,[^/?#@]*([/?#]|$)", "white space separates targets, not a comma"),
)
"""What is never right, or never meant, and what to say of it."""
_KEY = re.compile(r"[a-z_-]{1,24}", re.IGNORECASE | re.ASCII)


class Target(NamedTuple):
    """What is waited for.

    Attributes:
        probe: looks at it.
        kind: the scheme.
        policy: the fields of its policy that it sets for itself.
    """

    probe: Probe
    kind: str
    policy: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The target as people see it, secrets masked."""
        return self.probe.name


def parse_target(text: str) -> Target:
    """The target that a string means.

    ``scheme://authority[/path][?query][#key=value[,key=value]...]``, or ``host:port`` for TCP.
    The fragment holds the options, percent-encoded: it is the part of a URL that is never sent
    (RFC 3986, section 3.5).

    Raises:
        InvalidTarget: with one line that names the word at fault and what is allowed.
    """
    try:
        return _parse(text)
    except ValueError as error:
        raise InvalidTarget(f"{quoted(text)}: {error}") from None


def _parse(text: str) -> Target:
    _refuse_slips(text)
    address, _, fragment = text.partition("#")
    url = _split(address)
    cls = probe_class(url.scheme)
    policy_options = options(Policy)
    known = options(cls) | policy_options
    # An @ behind HOST:PORT or USER@HOST: rather a password that was cut at its / ? or #.
    cut = re.search("[:@]", url.authority) and "@" in f"{url.path}{url.query}{fragment}"
    try:
        if cut and "@" in url.path:
            raise ValueError("an @ in a path is written %40")
        own = read(known, _pairs(fragment, known), url.scheme)
        fields = [about.field for about in policy_options.values() if about.field in own]
        policy = {field: own.pop(field) for field in fields}
        return Target(cls.from_url(url, own), url.scheme, policy)
    except ValueError as error:
        if cut:
            raise ValueError(f"{error}; {_ENCODE}") from None
        raise


def _refuse_slips(text: str) -> None:
    if not text.strip():
        raise ValueError("a target is empty")
    for pattern, words in _SLIPS:
        if re.search(pattern, text, re.IGNORECASE):
            raise ValueError(words)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a target is UTF-8") from None


def _split(address: str) -> Url:
    scheme, separator, rest = address.partition("://")
    if separator:
        if scheme.lower() not in SCHEMES:
            raise ValueError(f"unknown scheme {quoted(scheme)}: {nearest(scheme, SCHEMES)}")
        rest, mark, query = rest.partition("?")
        authority, slash, path = rest.partition("/")
        return Url(scheme.lower(), authority, slash + path, query if mark else None)
    host, colon, port = address.partition(":")
    if host.lower() in SCHEMES and colon and not port.isdecimal():
        raise ValueError(f"after the scheme comes '://': write {host}://")
    if "@" in address:
        raise ValueError(f"the scheme is missing; {_ENCODE}")
    if colon and not re.search(r"[/?]", address):
        return Url("tcp", address)
    if re.search(r"[/?]", address):
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ValueError(f"the scheme is missing: {known}; COMMAND stands behind --")
    raise ValueError("the port is missing: write HOST:PORT or dns://HOST; COMMAND stands behind --")


def _pairs(fragment: str, known: Mapping[str, Option]) -> Iterator[tuple[str, str]]:
    """The keys and values of a fragment, one by one, so that its first fault is the one told."""
    before = None
    for piece in fragment.split(",") if fragment else ():
        key, equals, value = piece.partition("=")
        about = known.get(key)
        # What follows a comma in a secret is secret too, unless it is a key or nearly one.
        if before and not about and not (equals and (not before.secret or closest(key, known))):
            another = f"; another value is another {before.name}=" if before.repeatable else ""
            raise ValueError(f"{before.name}: a comma inside a value is written %2C{another}")
        # What is no key may be part of a secret.
        if not about and ("@" in fragment or not _KEY.fullmatch(key)):
            raise ValueError(f"options are written KEY=VALUE; known: {', '.join(known)}")
        if about and not equals:
            raise ValueError(f"{key} has no value: write {key}=VALUE")
        yield key, percent_decoded(value)
        before = about

"""One string to one target: what is looked at, and what it says of how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from waitfor.options import Option, options, read
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, Probe, Url, probe_class
from waitfor.result import InvalidTarget
from waitfor.values import nearest

_ENCODE = "in a user name or password, / ? # and @ are written %2F %3F %23 and %40"


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
        raise InvalidTarget(f"{masked(text)!r}: {error}") from None


def _parse(text: str) -> Target:
    _refuse_characters(text)
    address, _, fragment = text.partition("#")
    if re.search(r"\s", address):
        raise ValueError("a target has no white space: write %20")
    url = _split(address)
    # An @ behind the authority may belong to a password that was cut at its / ? or #; then what
    # looks like a port or an option is part of a secret.
    cut_password = "@" in text and "@" not in url.authority
    if url.scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {url.scheme!r}: {nearest(url.scheme, SCHEMES)}")
    cls = probe_class(url.scheme)
    policy_options, probe_options = options(Policy), options(cls)
    try:
        pairs = _pairs(fragment, probe_options | policy_options)
        own = read(probe_options | policy_options, pairs, url.scheme)
        policy = {name: own.pop(name) for name in list(own) if _hyphens(name) in policy_options}
        return Target(cls.from_url(url, own), url.scheme, policy)
    except ValueError as error:
        if cut_password and (not _names_option(error, probe_options | policy_options)):
            raise ValueError(f"it cannot be read; {_ENCODE}") from None
        raise


def _hyphens(field: str) -> str:
    return field.replace("_", "-")


def _names_option(error: ValueError, known: Mapping[str, Option]) -> bool:
    """Whether an error is about the value of an option, which never shows a secret."""
    return str(error).partition(":")[0] in known


def _refuse_characters(text: str) -> None:
    if not text.strip():
        raise ValueError("a target is empty")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("a target has no line break, NUL or other control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a target is UTF-8") from None


def _split(address: str) -> Url:
    scheme, separator, rest = address.partition("://")
    if separator:
        authority, slash, path = rest.partition("?")[0].partition("/")
        query = rest.partition("?")[2] if "?" in rest else None
        return Url(scheme.lower(), authority, slash + path, query)
    if "@" in address:
        raise ValueError(f"the scheme is missing; {_ENCODE}")
    if re.fullmatch(r"[^/?]*:[^/:?]*", address):
        return Url("tcp", address)
    if re.fullmatch(r"[^/:?]+", address):
        raise ValueError(f"the port is missing: write {address}:PORT, or dns://{address}")
    raise ValueError(f"the scheme is missing: {', '.join(f'{each}://' for each in SCHEMES)}")


def _pairs(fragment: str, known: Mapping[str, Option]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for piece in fragment.split(",") if fragment else ():
        name, equals, value = piece.partition("=")
        before = known.get(pairs[-1][0]) if pairs else None
        if before and (not equals or (before.secret and name not in known)):
            raise ValueError(f"{before.name}: a comma inside a value is written %2C")
        if not equals:
            raise ValueError(f"option {piece!r} has no value: write {piece or 'KEY'}=VALUE")
        pairs.append((name, unquote(value)))
    return pairs


def masked(text: str) -> str:
    """A target for an error: without user, query and options, even if it cannot be read."""
    text = re.sub(r"[\x00-\x1f\x7f]", "?", text.encode("utf-8", "replace").decode())
    scheme, separator, rest = text.rpartition("://") if "://" not in text else text.partition("://")
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    hidden = "..." if bare != rest else ""
    if "@" in bare:
        bare = "***@" + bare.rpartition("@")[2]
    elif "@" in rest:
        bare = ""
    return f"{scheme}{separator}{bare}{hidden}"

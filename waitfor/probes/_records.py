"""DNS records as people write them, in details and in ``expect``."""

from __future__ import annotations

import socket
from typing import Any

from waitfor.values import hostname, ip_family, printable


def show(record: Any) -> str:
    """A record as people write it: without quotes around text and dots at the end of names."""
    if strings := getattr(record, "strings", None):
        return b"".join(strings).decode("utf-8", "backslashreplace")
    words = str(record).split(" ")
    return " ".join(word.removesuffix(".") or "." for word in words)


def show_some(record: Any) -> str:
    """:func:`show`, cut to what a line for a person bears; an empty text as quotes."""
    text = printable(show(record)) or '""'
    return text if len(text) <= 100 else f"{text[:97]}..."


def means(value: str, record: Any) -> bool:
    """Whether a person's words mean a record.

    Of SRV the host or ``host:port`` will do, of MX the host.  Names are compared without regard
    to case and to the dot at their end, addresses by what they say; text as it stands.
    """
    if getattr(record, "strings", None) is not None:
        return value == show(record)
    return _normal(value) in _forms(record)


def _forms(record: Any) -> set[str]:
    text = show(record)
    forms = {text, text.replace('"', "")}
    if host := getattr(record, "exchange", None) or getattr(record, "target", None):
        name = str(host)
        forms.add(name)
        if port := getattr(record, "port", None):
            forms |= {f"{name.removesuffix('.')}:{port}", f"{name}:{port}"}
    return {_normal(form) for form in forms}


def _normal(value: str) -> str:
    if family := ip_family(value):
        return socket.inet_ntop(family, socket.inet_pton(family, value))
    if not value.isascii():
        try:
            value = hostname(value)
        except ValueError:
            return value
    return value.removesuffix(".").lower()

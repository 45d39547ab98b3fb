"""What /etc/resolv.conf says, read as the C library reads it: resolv.conf(5)."""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from waitfor.values import hostname, ip_family

PATH = "/etc/resolv.conf"


class ResolvConf(NamedTuple):
    """Which servers to ask, and under which names.

    Attributes:
        nameservers: addresses, in their order.
        search: domains without a dot at the end, in their order.
        ndots: a name with at least so many dots is tried as it stands first.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1

    def names(self, name: str) -> list[str]:
        """The names that a look-up of ``name`` tries, in order, without a dot at the end."""
        bare = name.removesuffix(".")
        if name.endswith("."):
            return [bare]
        walk = [f"{bare}.{domain}" if domain else bare for domain in self.search]
        walk = [bare, *walk] if bare.count(".") >= self.ndots else [*walk, bare]
        return [each for each in dict.fromkeys(walk) if _is_name(each)]


def _is_name(name: str) -> bool:
    """Whether it can be asked for: a search domain may be too long for it, or no domain at all."""
    try:
        hostname(name)
    except ValueError:
        return False
    return True


def resolv_conf() -> ResolvConf:
    """The settings of this moment; a file that is missing or unreadable counts as empty.

    ``LOCALDOMAIN`` and ``RES_OPTIONS`` override the file, as they do for every program.
    """
    try:
        with open(PATH, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        lines = []
    nameservers: list[str] = []
    search: list[str] = []
    choices: list[str] = []
    for line in lines:
        if line[:1].isspace():
            continue  # A keyword starts its line.
        keyword, *words = line.split() or [""]
        if keyword == "nameserver" and words and ip_family(words[0].partition("%")[0]):
            nameservers.append(words[0])
        elif keyword in ("search", "domain"):
            search = words if keyword == "search" else words[:1]
        elif keyword == "options":
            choices += words
    local = os.environ.get("LOCALDOMAIN")
    if local is not None:
        search = local.split()
    elif not search:
        search = [domain for domain in [socket.gethostname().partition(".")[2]] if domain]
    ndots = 1
    for choice in choices + os.environ.get("RES_OPTIONS", "").split():
        number = choice.removeprefix("ndots:")
        if number != choice and number.isdecimal():
            ndots = min(int(number[:9]), 15)
    domains = tuple(domain.strip(".") for domain in search)
    return ResolvConf(tuple(nameservers), domains, ndots)

"""The commands that are compared, each as people write it: with its defaults."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from servers import NAME, Ready

Commands = dict[str, list[str]]
"""The words of each command, by its label."""

WAITFOR = os.environ.get("WAITFOR") or str(Path(sys.executable).with_name("waitfor"))
PEERS = {"wait4x": "WAIT4X", "wait-for-it": "WAIT_FOR_IT", "wait-on": "WAIT_ON"}
"""Each peer and the variable that names its path; else it is looked for on PATH."""
BARE = {"bare interpreter": [sys.executable, "-c", ""]}
"""Not a waiter: what Python takes to do nothing, for scale."""


def find(peer: str) -> str:
    """The path of a peer, or nothing."""
    return shutil.which(os.environ.get(PEERS[peer]) or peer) or ""


def missing() -> list[str]:
    """A line for each peer that is not here."""
    return [
        f"{peer} is not here: put it on PATH or set {variable} to its path"
        for peer, variable in PEERS.items()
        if not find(peer)
    ]


def _here(commands: Commands) -> Commands:
    """Those whose program is here; peers by their path."""
    found: Commands = {}
    for label, argv in commands.items():
        program = find(argv[0]) if argv[0] in PEERS else shutil.which(argv[0])
        if program:
            found[label] = [program, *argv[1:]]
    return found


def _loop(condition: str, label: str) -> Commands:
    return {label: ["bash", "-c", f"until {condition}; do sleep 2; done"]}


def tcp(port: int) -> Commands:
    """Wait for a port on loopback."""
    where = f"127.0.0.1:{port}"
    return _here(
        {
            "waitfor": [WAITFOR, f"tcp://{where}"],
            "wait4x": ["wait4x", "tcp", where],
            "wait4x exponential": [*("wait4x", "tcp", where, "--backoff-policy", "exponential")],
            "wait-for-it": ["wait-for-it", where],
            "wait-on": ["wait-on", f"tcp:{where}"],
        }
        | (
            _loop(f"nc -z 127.0.0.1 {port}", "until nc; sleep 2")
            if shutil.which("nc")
            else _loop(f"(: </dev/tcp/127.0.0.1/{port}) 2>/dev/null", "until /dev/tcp; sleep 2")
        )
    )


def http(url: str) -> Commands:
    """Wait for a URL that answers 200."""
    return _here(
        {
            "waitfor": [WAITFOR, url],
            "wait4x": ["wait4x", "http", url, "--expect-status-code", "200"],
            "wait-on": ["wait-on", url.replace("http://", "http-get://")],
        }
        | (_loop(f"curl -fs {url}", "until curl; sleep 2") if shutil.which("curl") else {})
    )


def dns(port: int) -> Commands:
    """Wait for :data:`NAME` to have an A record on a DNS server on loopback."""
    server = f"127.0.0.1:{port}"
    loop: Commands = {}
    if shutil.which("busybox"):
        loop = _loop(f"busybox nslookup {NAME} {server}", "until nslookup; sleep 2")
    return _here(
        {
            "waitfor": [WAITFOR, f"dns://{server}/{NAME}"],
            "wait4x": ["wait4x", "dns", "A", NAME, "-n", server],
            **loop,
        }
    )


def many(ports: list[int]) -> Commands:
    """Wait for many ports on loopback at once, in one process."""
    where = [f"127.0.0.1:{port}" for port in ports]
    return _here(
        {
            "waitfor": [WAITFOR, "--parallel", *where],
            "wait4x": ["wait4x", "tcp", *where],
            "wait-on": ["wait-on", *(f"tcp:{each}" for each in where)],
        }
    )


def by_kind(ready: Ready) -> dict[str, Commands]:
    """The commands for one target of each kind."""
    return {"tcp": tcp(ready.tcp), "http": http(ready.http), "dns": dns(ready.dns)}

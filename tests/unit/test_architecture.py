"""Which room may import which: the table of CONTRIBUTING.md, held by reading the imports."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from waitfor.probes import SCHEMES

ROOT = Path(__file__).parents[2]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "waitfor").rglob("*.py"))
}
ROOMS = {
    "values": set(),
    "options": {"values"},
    "result": set(),
    "events": {"result"},
    "policy": {"options", "result", "values"},
    "probes": {"options", "result", "values"},
    "target": {"options", "policy", "probes", "result", "values"},
    "plan": {"options", "policy", "result", "target", "values"},
    "limits": set(),
    "runner": {"events", "limits", "plan", "result", "values"},
    "signals": set(),
    "command": set(),
    "hints": {"result"},
    "report": {"events", "hints", "options", "plan", "result", "values"},
    "api": {"events", "options", "plan", "policy", "result", "runner"},
    "cli": {
        "command",
        "events",
        "options",
        "plan",
        "policy",
        "probes",
        "report",
        "result",
        "runner",
        "signals",
        "values",
    },
}
# The front doors, which are no rooms: what `import waitfor` and `python -m waitfor` open.
DOORS = {"waitfor": {"api", "events", "result"}, "waitfor.__main__": {"cli", "signals"}}
ONLY = {
    "click": {"waitfor.cli"},
    "tenacity": {"waitfor.runner"},
    "httpx": {"waitfor.probes.http", "waitfor.probes._http_transport"},
    "httpcore": {"waitfor.probes.http", "waitfor.probes._http_transport"},
    "dns": {"waitfor.probes.dns"},
    "idna": {"waitfor.values"},
    "certifi": {"waitfor.probes._tls"},
}
THIRD_PARTY = set(ONLY)
FORBIDDEN = {
    "values": {"asyncio", "os", "sys", "time"},
    "result": {"asyncio", "os", "sys", "time"},
    "events": {"asyncio", "os", "sys", "time"},
    "policy": {"asyncio", "os", "sys", "time"},
    "probes": {"sys", "time", "signal", "logging", "random"},
    "target": {"asyncio", "os", "sys", "time"},
    "plan": {"asyncio", "os", "sys", "time"},
    "runner": {"os", "sys", "signal", "socket", "time"},
    "report": {"asyncio", "sys", "signal", "time"},
    "api": {"os", "sys", "signal"},
    "cli": {"asyncio", "socket", "random", "time"},
}


def tree(module: str) -> ast.Module:
    """A module of ours as Python reads it."""
    return ast.parse(SOURCES[module].read_text())


def imports(module: str) -> Iterator[str]:
    """The full names of all that a module imports, wherever in it."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written from the root"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # `from waitfor import runner` imports a room, `... import __version__` a name.
                yield full if full in SOURCES else node.module or ""


def room(module: str) -> str:
    """The room that a module belongs to."""
    return module.split(".")[1]


def test_every_module_is_in_a_room():
    """Each module belongs to a room of the table, and each room has a module."""
    assert {room(each) for each in SOURCES if each not in DOORS} == set(ROOMS)


@pytest.mark.parametrize("module", SOURCES)
def test_rooms(module):
    """A module imports of ours only what its room may."""
    ours = {room(each) for each in imports(module) if each.startswith("waitfor.")}
    allowed = DOORS[module] if module in DOORS else ROOMS[room(module)] | {room(module)}
    assert ours <= allowed


def test_the_table_allows_nothing_that_is_not_used():
    """What a room may import is what it does import, so that the table stays true."""
    used = {each: set() for each in ROOMS}
    for module in SOURCES.keys() - DOORS.keys():
        ours = {room(each) for each in imports(module) if each.startswith("waitfor.")}
        used[room(module)] |= ours - {room(module)}
    assert used == ROOMS


@pytest.mark.parametrize("library", ONLY)
def test_libraries(library):
    """A library is imported by the one place that wraps it."""
    users = {m for m in SOURCES if any(i.split(".")[0] == library for i in imports(m))}
    assert users
    assert users <= ONLY[library]


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_else_is_imported(module):
    """All else that is imported is Python's own."""
    first = {each.split(".")[0] for each in imports(module)} - {"waitfor"}
    assert first - THIRD_PARTY <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", [each for each in SOURCES if each not in DOORS])
def test_what_a_room_must_not_know(module):
    """A room does not import what the table says it must not know."""
    first = {each.split(".")[0] for each in imports(module)}
    assert not first & FORBIDDEN.get(room(module), set())


def test_kinds_do_not_know_each_other():
    """The module of one kind of probe imports no other kind."""
    kinds = {f"waitfor.probes.{name}" for name in SCHEMES.values()}
    for module in (each for each in SOURCES if each.startswith("waitfor.probes")):
        assert not (set(imports(module)) & kinds) - {module}


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_is_printed(module):
    """Nothing prints: the report writes to streams."""
    names = {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}
    assert "print" not in names


def test_probes_do_not_sleep():
    """A probe looks once: pauses are the runner's."""
    for module in (each for each in SOURCES if each.startswith("waitfor.probes")):
        attributes = {n.attr for n in ast.walk(tree(module)) if isinstance(n, ast.Attribute)}
        assert "sleep" not in attributes


@pytest.mark.parametrize("module", SOURCES)
def test_length(module):
    """A module past 400 lines has two jobs."""
    assert len(SOURCES[module].read_text().splitlines()) <= 400


def test_the_table_of_contributing():
    """CONTRIBUTING.md tells the same rooms, in the same order, with the same imports."""
    rows = re.findall(
        r"^\| `([a-z]+)/?` \|[^|]*\|([^|]*)\|[^|]*\|$",
        (ROOT / "CONTRIBUTING.md").read_text(),
        re.MULTILINE,
    )
    assert {name: set(re.findall(r"`([a-z]+)/?`", cell)) for name, cell in rows} == ROOMS
    assert [name for name, _ in rows] == list(ROOMS)

"""Write what the documents tell of the code: the page of each kind of probe, the schema of the
JSON lines, and the generated blocks of README.md.  With --check, only say what is not up to date.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from schema import schema

from waitfor import cli
from waitfor.api import Settings
from waitfor.hints import HINTS
from waitfor.options import Option, options
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.report import EVENT_NAMES
from waitfor.result import Cause, NotReady, Outcome, Report, Result, State, TargetReport

ROOT = Path(__file__).parents[1]
KINDS = {module: [s for s in SCHEMES if SCHEMES[s] == module] for module in SCHEMES.values()}
MEANINGS = {
    Cause.NXDOMAIN: "the name does not exist",
    Cause.NO_RECORDS: "the name exists, and has no record of the type",
    Cause.TOO_FEW_RECORDS: "there are fewer records than `min`",
    Cause.OTHER_RECORDS: "there are records, but not the expected ones",
    Cause.SERVFAIL: "the nameserver failed to find out",
    Cause.DNS_REFUSED: "the nameserver refuses to answer",
    Cause.DNS_ERROR: "the nameserver answers with another error",
    Cause.DNS_TIMEOUT: "no nameserver answers",
    Cause.DNS_UNREACHABLE: "there is no way to the nameserver, or nothing listens there",
    Cause.NO_NAMESERVER: "/etc/resolv.conf names no nameserver",
    Cause.LOOKUP_FAILED: "the system's look-up of the name failed",
    Cause.LOOKUP_TIMEOUT: "the system's look-up of the name does not end",
    Cause.REFUSED: "the connection is refused",
    Cause.UNREACHABLE: "there is no route to the address",
    Cause.CONNECT_TIMEOUT: "nothing answers at the address",
    Cause.CONNECT_FAILED: "the connection failed in another way",
    Cause.RESET: "the connection was reset",
    Cause.CLOSED: "the connection was closed without an answer",
    Cause.RESPONSE_TIMEOUT: "the connection is accepted, and no whole answer comes",
    Cause.TLS_VERIFY: "the server's certificate is not accepted",
    Cause.TLS_FAILED: "the TLS handshake failed",
    Cause.TLS_TIMEOUT: "the TLS handshake does not end",
    Cause.PROXY: "the proxy refused the connection",
    Cause.PROTOCOL: "the answer is not one of the protocol",
    Cause.STATUS: "the answer's status is not one that is ready",
    Cause.REDIRECTS: "there are too many redirects",
    Cause.BODY: "the answer came, and lacks what is expected",
}


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def code(text: str) -> str:
    """Text as code; in a table a bar is escaped."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def markdown(docstring: str | None) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(docstring or "").replace("``", "`").replace(".  ", ". ")


# What a kind's module and the helpers that it uses say of causes.


def causes(kind: str) -> list[Cause]:
    """The causes that a kind of probe can find: those that its code names, or code it calls."""
    found: set[Cause] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(kind, name) for name in _definitions(kind)]
    while waiting:
        module, name = here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        for node in ast.walk(_definitions(module)[name]):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Cause":
                found.add(Cause[node.attr])
            elif isinstance(node, ast.Name) and node.id in _definitions(module):
                waiting.append((module, node.id))
            elif isinstance(node, ast.Name) and node.id in _helpers(module):
                waiting.append((_helpers(module)[node.id], node.id))
    return [cause for cause in Cause if cause in found and cause is not Cause.READY]


def _body(module: str) -> list[ast.stmt]:
    path = ROOT / "waitfor" / "probes" / f"{module}.py"
    return ast.parse(path.read_text(encoding="utf-8")).body


@cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in _body(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id: node for each in targets if isinstance(each, ast.Name)}
    return found


@cache
def _helpers(module: str) -> dict[str, str]:
    """Names that a module imports from a helper of the probes, and which."""
    return {
        alias.name: node.module.rpartition(".")[2]
        for node in _body(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("waitfor.probes._")
        for alias in node.names
    }


def option_rows(known: Iterable[Option]) -> list[list[str]]:
    """The rows of a table of options."""
    return [
        [
            code(f"{about.name}={about.metavar}"),
            code(about.default_text()) if not about.default_help else about.default_help,
            "yes" if about.repeatable else "",
            about.help,
        ]
        for about in known
    ]


def page(kind: str) -> str:
    """The reference page of a kind of probe."""
    cls = probe_class(KINDS[kind][0])
    form = next(form for form, _ in cli.forms() if form.startswith(kind))
    schemes = " and ".join(f"`{scheme}://`" for scheme in KINDS[kind])
    examples = "\n".join(f"# {what}\nwaitfor '{target}'" for target, what in cls.EXAMPLES)
    head = "option | default | repeatable | what it does"
    found = [[code(c), MEANINGS[c], HINTS.get(c, "")] for c in causes(kind)]
    return f"""<!-- Written by docs/generate.py from waitfor/probes/{kind}.py; edit that. -->
# {schemes} targets

    {form}

{markdown(cls.__doc__)}

## Options

Options follow `#`, with a comma between them: `#key=value,key=value`. In a value a comma is
written `%2C`, a space `%20`.

{table(head, option_rows(options(cls).values()))}

Every kind of target takes these too; they win over the options of the command line:

{table(head, option_rows(options(Policy).values()))}

The default `period` of {schemes} is {options(Policy)["period"].show(cls.PERIOD)}.

## Examples

```sh
{examples}
```

## Causes

Why a target is not ready: the `cause` of the [JSON lines](../output.md), and what `fatal=` takes.

{table("cause | meaning | hint", found)}
"""


# The blocks of README.md.


def help_block() -> str:
    """What ``waitfor --help`` prints on a terminal of 80 columns."""
    run = subprocess.run(
        [sys.executable, "-m", "waitfor", "--help"],
        env={"PATH": os.environ.get("PATH", ""), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    return f"```text\n{run.stdout.rstrip()}\n```"


def targets_block() -> str:
    """The forms of targets."""
    rows = []
    for form, ready in cli.forms():
        kind = next(kind for kind in KINDS if form.startswith(kind))
        own = ", ".join(code(name) for name in options(probe_class(KINDS[kind][0])))
        rows.append([code(form), ready, own, f"[docs/probes/{kind}.md](docs/probes/{kind}.md)"])
    return table("target | ready when | its options | reference", rows)


def options_block() -> str:
    """The options of the command line, with variables."""
    rows = []
    for param in cli.command().params:
        if param.param_type_name != "option":
            continue
        names = sorted(param.opts, key=len)
        form = param.metavar or "|".join(getattr(param.type, "choices", ()))
        help, _, default = param.help.rstrip("]").partition("  [default: ")
        key = names[-1].removeprefix("--")
        rows.append(
            [
                ", ".join(map(code, [*names[:-1], f"{names[-1]} {form}".rstrip()])),
                code(str(param.envvar or "")),
                code(key) if key in options(Policy) else "",
                default,
                help,
            ]
        )
    return table("option | variable | key of a target | default | what it does", rows)


def exit_codes_block() -> str:
    """The exit codes."""
    return table("exit code | meaning", cli.EXIT_CODES)


def causes_block() -> str:
    """All causes."""
    found = {kind: causes(kind) for kind in KINDS}
    rows = []
    for cause in Cause:
        if cause is not Cause.READY:
            users = ", ".join(code(kind) for kind in KINDS if cause in found[kind])
            rows.append([code(cause), MEANINGS[cause], users])
    return table("cause | meaning | kinds", rows)


def settings_block() -> str:
    """The settings of the library."""
    about = _attributes(Settings)
    rows = [
        [code(name), code(kind.__forward_arg__), about[name]]
        for name, kind in Settings.__annotations__.items()
    ]
    return table("setting | type | what it does", rows)


def classes_block() -> str:
    """The classes that a wait returns or raises, with their attributes."""
    parts = []
    for cls in (Report, TargetReport, Result, NotReady):
        first = markdown(cls.__doc__).partition("\n\n")[0]
        rows = [[code(name), text] for name, text in _attributes(cls).items()]
        parts.append(f"`{cls.__name__}`: {first}\n\n{table('attribute | what it is', rows)}")
    for enum in (Outcome, State):
        parts.append(f"`{enum.__name__}`: {', '.join(code(each) for each in enum)}.")
    return "\n\n".join(parts) + "\n\n`Cause`: see the table in [README.md](../README.md)."


def events_block() -> str:
    """The events."""
    rows = [[code(cls.__name__), markdown(cls.__doc__)] for cls in EVENT_NAMES]
    return table("event | when", rows)


def lines_block() -> str:
    """The JSON lines there are."""
    return table(
        "event | when", ([code(each["title"]), each["description"]] for each in schema()["oneOf"])
    )


def _attributes(cls: type) -> dict[str, str]:
    """The attributes that a docstring lists, as Markdown."""
    listed = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): ((?:.+\n?)(?:     +.+\n?)*)", listed, re.MULTILINE)
    return {name: markdown(" ".join(text.split())) for name, text in found}


BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {
        "help": help_block,
        "targets": targets_block,
        "options": options_block,
        "exit codes": exit_codes_block,
        "causes": causes_block,
    },
    "docs/library.md": {
        "settings": settings_block,
        "classes": classes_block,
        "events": events_block,
    },
    "docs/output.md": {"lines": lines_block},
}


def with_blocks(name: str) -> str:
    """A document with its blocks made anew."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for block, make in BLOCKS[name].items():
        begin, end = f"<!-- generated: {block} -->", "<!-- end -->"
        old = re.compile(f"{begin}.*?{end}", re.DOTALL)
        if len(old.findall(text)) != 1:
            raise SystemExit(f"{name} has not one block {begin}")
        made = f"{begin}\n{make()}\n{end}"
        text = old.sub(lambda _, made=made: made, text)
    return text


def documents() -> dict[str, str]:
    """All that is generated, by path."""
    pages: dict[str, Any] = {f"docs/probes/{kind}.md": page(kind) for kind in KINDS}
    made = json.dumps(schema(), indent=2) + "\n"
    return pages | {"docs/events.schema.json": made} | {name: with_blocks(name) for name in BLOCKS}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, text in documents().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is not up to date: make docs" if check else f"{name} written")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""The schema of waitfor's JSON lines, with the lists that the code has."""

from __future__ import annotations

from typing import Any

from waitfor.cli import EXIT_CODES
from waitfor.events import Finished, StillWaiting
from waitfor.plan import Mode
from waitfor.probes import SCHEMES
from waitfor.report import ERROR, EVENT_NAMES, PLAN
from waitfor.result import Cause, Outcome, State

_PLAIN = {"type": ["string", "number", "boolean", "null"]}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _line(name: str, about: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"time": {"$ref": "#/$defs/time"}, "event": {"const": name}}
    return {"title": name, "description": about} | _object(head | properties, **more)


def _number(about: str) -> dict[str, Any]:
    return {"description": about, "type": "number", "minimum": 0}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


TARGET = {
    "target": {
        "description": "The target, without its options and with secrets masked.",
        "type": "string",
    },
    "kind": {"description": "The kind of probe: the scheme.", "enum": [*SCHEMES]},
    "state": {"$ref": "#/$defs/state"},
    "waited": _number("Seconds since the target's turn came."),
    "looks": {"description": "Looks begun.", "type": "integer", "minimum": 0},
    "cause": {"$ref": "#/$defs/cause"},
    "detail": {"description": "The reason, for a person; its words may change.", "type": "string"},
    "facts": {
        "description": "The reason, for machines; there may be more facts in time.",
        "type": "object",
        "additionalProperties": {"anyOf": [_PLAIN, {"type": "array", "items": _PLAIN}]},
    },
    "hint": {"description": "What usually helps; its words may change.", "type": "string"},
}
FOUND = ("cause", "detail", "facts", "hint")
ABOUT = {
    "looked": "A look ended; with --verbose only.",
    "not-ready": "A target is not ready, for another reason than before.",
    "ready": "A target became ready.",
    "gave-up": "A target is not waited for any longer: a failure threshold or a fatal cause.",
}
WAITED = _number("Seconds since the wait began.")


def _lines() -> list[dict[str, Any]]:
    one_target = [name for cls, name in EVENT_NAMES.items() if cls not in (StillWaiting, Finished)]
    code = {"enum": [int(n) for codes, _ in EXIT_CODES for n in codes.split(", ") if n != "0"]}
    return [
        *(_line(name, ABOUT[name], TARGET, optional=("hint",)) for name in one_target),
        _line(
            EVENT_NAMES[StillWaiting],
            "Nothing was told for a while; these targets are looked at and not ready.",
            {"waited": WAITED, "targets": _list({"$ref": "#/$defs/target"})},
        ),
        _line(
            EVENT_NAMES[Finished],
            "The wait is over; the last line of a wait.",
            {
                "outcome": {"$ref": "#/$defs/outcome"},
                "waited": WAITED,
                "timeout": _number("The deadline in seconds; 0 is none."),
                "signal": {
                    "description": "The signal that interrupted it, else empty.",
                    "pattern": "^(SIG[A-Z0-9]+)?$",
                    "type": "string",
                },
                "targets": _list({"$ref": "#/$defs/target"}),
            },
        ),
        _line(
            ERROR,
            "waitfor itself could not go on: its input, COMMAND, or a bug.",
            {"message": {"type": "string"}, "exit_code": code},
        ),
        _line(
            PLAN,
            "What --dry-run prints, on stdout.",
            {
                "mode": {"enum": [*Mode]},
                "timeout": _number("The deadline in seconds; 0 is none."),
                "targets": _list(
                    _object(
                        {
                            "target": TARGET["target"],
                            "kind": TARGET["kind"],
                            "options": {"$ref": "#/$defs/settings"},
                            "policy": {"$ref": "#/$defs/settings"},
                        }
                    )
                ),
                "command": {
                    "description": "The program of COMMAND, without its arguments.",
                    "type": ["string", "null"],
                },
            },
        ),
    ]


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A JSON line of waitfor",
        "description": "What stderr gets with --output json, and stdout with --dry-run as well.",
        "oneOf": _lines(),
        "$defs": {
            "time": {
                "description": "When the line was written: RFC 3339, UTC, milliseconds.",
                "type": "string",
                "format": "date-time",
                "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
            },
            "cause": {"description": "Why a target is or is not ready.", "enum": [*Cause]},
            "state": {
                "description": "Where a target stands; pending: its turn has not come.",
                "enum": [*State],
            },
            "outcome": {"description": "How the wait ended.", "enum": [*Outcome]},
            "target": {"description": "Where one target stands."} | _object(TARGET, optional=FOUND),
            "settings": {
                "description": "Options as text, as a target's fragment takes them.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
        },
    }

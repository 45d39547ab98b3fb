"""A dataclass field that a person can set by name, and reading such fields from text.

The fields of a probe and of a policy *are* the options: the keys of a target, the command line,
the environment, the help, the reference pages and the suggestions in errors all derive from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from waitfor.values import nearest, quoted


class Option(NamedTuple):
    """One option: how it is written, read and shown.

    Attributes:
        name: as a person writes it, with hyphens.
        parse: text to value; raises ``ValueError`` with the reason.
        default: the value when nobody sets it.
        help: one sentence.
        metavar: the form of the value, in capitals.
        repeatable: may be given several times; the value is a tuple.
        secret: its value is never shown.
        show: value to text, the inverse of ``parse``.
        default_help: what the default means, where the value does not say it.
        choices: the values there are, where they can be listed; for completion.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    metavar: str
    repeatable: bool
    secret: bool
    show: Callable[[Any], str]
    default_help: str
    choices: tuple[str, ...]

    @property
    def field(self) -> str:
        """The name of the dataclass field."""
        return self.name.replace("-", "_")

    def text(self, value: Any) -> str:
        """The value as text; a secret as asterisks."""
        return "***" if self.secret else self.show(value)

    def default_text(self) -> str:
        """The default as help shows it, empty when there is none."""
        if self.default_help or self.default in (None, ()):
            return self.default_help
        return self.show(self.default)


def option(
    parse: Callable[[str], Any],
    default: Any,
    help: str,
    metavar: str,
    *,
    repeatable: bool = False,
    secret: bool = False,
    show: Callable[[Any], str] = str,
    default_help: str = "",
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that is an option; the arguments are :class:`Option`'s."""
    about = Option(
        "", parse, default, help, metavar, repeatable, secret, show, default_help, choices
    )
    return dataclasses.field(default=default, repr=not secret, metadata={"option": about})


def options(cls: type[Any]) -> dict[str, Option]:
    """The options of a dataclass by name, in the order of its fields."""
    return {
        name: field.metadata["option"]._replace(name=name)
        for field in dataclasses.fields(cls)
        if "option" in field.metadata
        for name in [field.name.replace("_", "-")]
    }


def read(known: dict[str, Option], pairs: Iterable[tuple[str, str]], what: str) -> dict[str, Any]:
    """The fields that the pairs of name and text set.

    Args:
        known: the options there are.
        pairs: what a person wrote; a name comes twice only if the option is repeatable.
        what: whose options they are, for errors: ``http``.

    Raises:
        ValueError: an unknown name, a value that cannot be read, an option given twice.
    """
    fields: dict[str, Any] = {}
    for name, text in pairs:
        about = known.get(name)
        if about is None:
            raise ValueError(f"{what} has no option {quoted(name)}: {nearest(name, known)}")
        try:
            value = about.parse(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if about.repeatable:
            fields[about.field] = (*fields.get(about.field, ()), value)
        elif about.field in fields:
            raise ValueError(f"{name} is given twice")
        else:
            fields[about.field] = value
    return fields

"""Fields that are options: what derives from them, and reading them from text."""

from dataclasses import dataclass

import pytest

from waitfor.options import option, options, read
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.values import count, text


@dataclass(frozen=True)
class Thing:
    """What options are for."""

    host: str
    how_many: int = option(count, 1, "How many.", "N")
    word: tuple[str, ...] = option(text, (), "Words.", "WORD", repeatable=True, show=", ".join)
    token: str = option(text, "", "A token.", "TOKEN", secret=True)


KNOWN = options(Thing)


def test_options_are_the_fields_made_by_option():
    """Names have hyphens; other fields are no options."""
    assert list(KNOWN) == ["how-many", "word", "token"]
    assert [about.field for about in KNOWN.values()] == ["how_many", "word", "token"]
    assert KNOWN["how-many"].default_text() == "1"
    assert KNOWN["word"].default_text() == ""


def test_pairs_are_read_into_fields():
    """A repeatable option gathers its values in order."""
    pairs = [("word", "a"), ("how-many", "3"), ("word", "b")]
    assert read(KNOWN, pairs, "thing") == {"word": ("a", "b"), "how_many": 3}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("how_many", "1")], "thing has no option 'how_many': did you mean how-many? known: how-"),
        ([("x", "1")], "thing has no option 'x': known: how-many, word, token"),
        ([("how-many", "0")], "how-many: '0' is not a count: write a whole number from 1"),
        ([("how-many", "1"), ("how-many", "1")], "how-many is given twice"),
        ([("token", "")], "token: it is empty"),
    ],
)
def test_pairs_at_fault_are_told(pairs, words):
    """The name, what is allowed, and the nearest."""
    with pytest.raises(ValueError, match=f"^{words.replace('?', '[?]')}"):
        read(KNOWN, pairs, "thing")


def test_a_secret_is_neither_shown_nor_in_a_repr():
    """Not even a debugger's print of a probe shows it."""
    assert KNOWN["token"].text("hunter2") == "***"
    assert "hunter2" not in repr(Thing("db", token="hunter2"))


@pytest.mark.parametrize("kind", [Policy, *map(probe_class, SCHEMES)])
def test_every_option_is_fit_to_be_shown(kind):
    """Help is a sentence, and what is shown of a default reads as that default."""
    for about in options(kind).values():
        assert about.help.endswith(".")
        assert about.metavar
        if about.default and not about.repeatable:
            assert about.parse(about.default_text()) == about.default
        for choice in about.choices:
            assert about.parse(choice) == choice


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_option_of_a_kind_hides_one_of_every_target(scheme):
    """A key means one thing."""
    assert not set(options(probe_class(scheme))) & set(options(Policy))

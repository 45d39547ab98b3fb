"""Completion: what a shell asks and what it is told."""

import shutil
import subprocess

import pytest

from waitfor.cli import command
from waitfor.options import options
from waitfor.policy import Policy


@pytest.fixture
def complete(waitfor):
    """The words that are offered for the last of some words, by type."""

    def asked(*words, shell="bash"):
        line = " ".join(("waitfor", *words))
        env = {"_WAITFOR_COMPLETE": f"{shell}_complete", "COMP_WORDS": line}
        env["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
        run = waitfor(env=env)
        assert (run.code, run.err) == (0, "")
        return run.out.splitlines()

    return asked


def words(lines):
    """The words of what bash is told."""
    return [line.partition(",")[2] for line in lines if line]


def test_every_option_is_offered(complete):
    """By its long name, also behind a target."""
    names = [name for param in command().params for name in param.opts if name.startswith("--")]
    assert sorted(words(complete("--"))) == sorted(names)
    assert words(complete("mydb:5432", "--ti")) == ["--timeout"]
    assert words(complete("-t", "5s", "--dr")) == ["--dry-run"]


def test_schemes_are_offered_for_targets(complete):
    """Where a target may stand."""
    assert words(complete("ht")) == ["http://", "https://"]
    assert words(complete("mydb:5432", "d")) == ["dns://"]
    assert words(complete("-t", "5s", "t")) == ["tcp://"]
    assert words(complete("mydb")) == []


def test_values_that_can_be_listed_are_offered(complete):
    """Forms of output, causes."""
    assert words(complete("-o", "")) == ["text", "json"]
    assert words(complete("--output", "j")) == ["json"]
    assert words(complete("--fatal", "nx")) == ["nxdomain"]
    assert len(words(complete("--fatal", ""))) == len(options(Policy)["fatal"].choices)
    assert words(complete("--timeout", "")) == []


def test_files_are_offered_behind_the_dashes(complete):
    """What stands there is COMMAND's, for the shell to complete."""
    assert complete("mydb:5432", "--", "ma") == ["file,ma"]
    assert complete("mydb:5432", "--", "cat", "ht") == ["file,ht"]
    assert complete("mydb:5432", "--", "cat", "--he") == ["file,--he"]


def test_mistakes_before_the_word_do_not_matter(complete):
    """An unfinished line is no error, nor is a variable at fault."""
    assert words(complete("-t", "soon", "--bogus", "mydb", "ht")) == ["http://", "https://"]


def test_zsh_and_fish_are_answered_in_their_forms(complete):
    """Zsh wants three lines a word, fish one."""
    assert complete("ht", shell="zsh") == ["plain", "http://", "_", "plain", "https://", "_"]
    assert complete("-o", "js", shell="fish") == ["plain,json"]
    assert complete("ht", shell="fish") == ["plain,http://", "plain,https://"]
    assert complete("mydb:1", "--", "ma", shell="zsh") == ["file", "ma", "_"]


@pytest.mark.parametrize(
    "shell",
    [
        "bash",
        pytest.param("zsh", marks=pytest.mark.needs("zsh")),
        pytest.param("fish", marks=pytest.mark.needs("fish")),
    ],
)
def test_a_shell_gets_the_lines_that_make_it_ask(waitfor, shell):
    """The lines to source; the shell finds nothing wrong in them."""
    run = waitfor(env={"_WAITFOR_COMPLETE": f"{shell}_source"})
    assert (run.code, run.err) == (0, "")
    assert f"_WAITFOR_COMPLETE={shell}_complete" in run.out
    subprocess.run([shell, "-n"], input=run.out, text=True, check=True)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("waitfor --ti", "--timeout"),
        ("waitfor dn", "dns://"),
        ("waitfor mydb:5432 -o j", "json"),
        ("waitfor mydb:5432 -- cat x", "compopt -o default"),
    ],
)
def test_bash_completes(waitfor_argv, tmp_path, line, offered):
    """Bash itself: the lines sourced, its function called as the Tab key calls it."""
    (tmp_path / "waitfor").symlink_to(shutil.which(waitfor_argv[0]) or waitfor_argv[0])
    script = f"""
        PATH={tmp_path}:$PATH
        eval "$(_WAITFOR_COMPLETE=bash_source waitfor)"
        complete -p waitfor >/dev/null || exit 9
        COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        compopt() {{ echo "compopt $*"; }}
        $(complete -p waitfor | sed 's/.*-F \\([^ ]*\\).*/\\1/') waitfor
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.stderr, run.returncode) == ("", 0)
    assert run.stdout.split() == offered.split()

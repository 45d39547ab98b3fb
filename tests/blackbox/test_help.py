"""Help and version, on stdout, whatever else is asked for."""

import re
import sys

import pytest
from support.inside import Inside

import waitfor as library
from waitfor.cli import EXIT_CODES, command, forms
from waitfor.options import options
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class


@pytest.fixture
def inside(capfd):
    """Call the command in this process."""
    return Inside(capfd)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_option_target_and_exit_code(inside, flag):
    """Nothing that the command takes or answers is missing."""
    told = inside(flag)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("Usage: waitfor [OPTIONS] TARGET... [-- COMMAND [ARG...]]\n")
    names = [name for param in command().params for name in param.opts if name.startswith("-")]
    for word in (*names, *(code for code, _ in EXIT_CODES), *(form for form, _ in forms())):
        assert re.search(rf"(?m)^  .*{re.escape(word)}(?![\w-])", told.out), word
    assert "WAITFOR_TARGETS" in told.out


def test_help_stands_above_everything_else(inside):
    """Also beside what would be refused, and with variables at fault."""
    env = {"WAITFOR_TIMEOUT": "soon", "WAITFOR_OUTPUT": "jsn"}
    for arguments in (["x", "--help"], ["-t", "soon", "--bogus", "-h"], ["--help", "--version"]):
        told = inside(*arguments, env=env)
        assert (told.code, told.err) == (0, "")
        assert told.out.startswith("Usage: waitfor")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_help_of_a_kind_names_its_options_and_examples(inside, scheme):
    """Its own options, those of every target, and targets to copy."""
    told = inside("--help", scheme)
    assert (told.code, told.err) == (0, "")
    kind = probe_class(scheme)
    for name in (*options(kind), *options(Policy)):
        assert f"{name}=" in told.out
    for target, _ in kind.EXAMPLES:
        assert f"'{target}'" in told.out
    assert inside(scheme, "-h").out == told.out
    assert inside("--help", f"{scheme}://x").out == told.out


def test_help_of_an_unknown_kind_is_refused(inside):
    """With the nearest one."""
    told = inside("--help", "htpp")
    assert (told.code, told.out) == (2, "")
    assert told.err == (
        "waitfor: --help: 'htpp' is not a kind: did you mean http? known: dns, tcp, http, https\n"
    )


def test_the_version_is_that_of_the_package(inside):
    """On stdout, alone."""
    told = inside("--version", "--bogus")
    assert (told.code, told.out, told.err) == (0, f"waitfor {library.__version__}\n", "")


def test_python_m_waitfor_is_the_same_command(waitfor, waitfor_argv):
    """The same words and the same exit codes."""
    for arguments in (["--help"], ["--version"], ["--dry-run", "x:1"], ["x"], []):
        usual = waitfor(*arguments)
        waitfor.argv = [sys.executable, "-m", "waitfor"]
        module = waitfor(*arguments)
        waitfor.argv = waitfor_argv
        assert (module.code, module.out, module.err) == (usual.code, usual.out, usual.err)


@pytest.mark.parametrize("flag", ["--help", "--version", "-t", "--dry-run", "--"])
def test_what_stands_behind_the_dashes_is_the_command_s(waitfor, flag):
    """COMMAND gets its arguments as they are, even those that waitfor knows."""
    run = waitfor("--any", "tcp://127.0.0.1:1", "--dry-run", "--", "echo", flag)
    assert (run.code, run.err) == (0, "")
    assert run.out.endswith("then run: echo\n")


def test_a_reader_that_has_seen_enough_is_no_error(waitfor, tmp_path):
    """Waitfor --help | head -1 ends without a traceback."""
    process = waitfor.start("--help")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")

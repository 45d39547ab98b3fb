"""Arguments win over variables, variables over defaults, a target's own key over all."""

import json

import pytest
from support.inside import Inside

from waitfor.options import options
from waitfor.policy import Policy

# Of each option: its default, and three other values, as text.
VALUES = {
    "attempt-timeout": ("5s", "6s", "7s", "8s"),
    "period": ("50ms", "60ms", "70ms", "80ms"),
    "max-period": ("2s", "3s", "4s", "5s"),
    "backoff": ("1.1", "1.2", "1.3", "1.4"),
    "jitter": ("10%", "11%", "12%", "13%"),
    "success-threshold": ("1", "2", "3", "4"),
    "failure-threshold": ("never", "2", "3", "4"),
    "initial-delay": ("0s", "1s", "2s", "3s"),
    "fatal": (None, "refused", "reset", "closed"),
}


@pytest.fixture
def plan(capfd):
    """The plan that arguments and variables make."""
    inside = Inside(capfd)

    def made(*arguments, env=None):
        told = inside("--dry-run", "-o", "json", *arguments, env=env)
        assert (told.code, told.err) == (0, "")
        return json.loads(told.out)

    return made


def test_every_option_of_a_policy_is_in_the_table():
    """A new option is tested here as well."""
    assert list(VALUES) == list(options(Policy))


@pytest.mark.parametrize("name", VALUES)
def test_an_option_comes_from_the_nearest_source(plan, name):
    """The target's key, then the argument, then the variable, then the default."""
    default, variable, argument, key = VALUES[name]
    env = {f"WAITFOR_{name.upper().replace('-', '_')}": variable}
    sources = {
        default: plan("x:1"),
        variable: plan("x:1", env=env),
        argument: plan("x:1", f"--{name}", argument, env=env),
        key: plan(f"x:1#{name}={key}", f"--{name}", argument, env=env),
    }
    for value, made in sources.items():
        assert made["targets"][0]["policy"].get(name) == value


def test_a_key_is_for_its_target_alone(plan):
    """The next target has what is set for all."""
    made = plan("a:1#period=1s", "b:1", "--period", "2s")
    assert [each["policy"]["period"] for each in made["targets"]] == ["1s", "2s"]


def test_the_timeout_is_that_of_the_whole_wait(plan):
    """-t, then WAITFOR_TIMEOUT, then five minutes."""
    env = {"WAITFOR_TIMEOUT": "2m"}
    assert plan("x:1")["timeout"] == 300
    assert plan("x:1", env=env)["timeout"] == 120
    for arguments in (["-t", "3m"], ["-t3m"], ["--timeout=3m"], ["--timeout", "180"]):
        assert plan("x:1", *arguments, env=env)["timeout"] == 180
    assert plan("x:1", "-t0", env=env)["timeout"] == 0


def test_options_stand_anywhere_before_the_command(plan):
    """Before, between and behind targets; what stands behind -- is COMMAND's."""
    made = plan("a:1", "-t", "1m", "b:1", "--parallel", "--", "echo", "-t", "2m", "--any", "--")
    assert [each["target"] for each in made["targets"]] == ["tcp://a:1", "tcp://b:1"]
    assert (made["timeout"], made["mode"], made["command"]) == (60, "parallel", "echo")


@pytest.mark.parametrize(
    ("arguments", "env", "mode"),
    [
        ([], {}, "sequence"),
        (["--parallel"], {}, "parallel"),
        (["--any"], {}, "any"),
        (["--any", "--parallel"], {}, "any"),
        ([], {"WAITFOR_PARALLEL": "true"}, "parallel"),
        ([], {"WAITFOR_ANY": "1"}, "any"),
        ([], {"WAITFOR_ANY": "false"}, "sequence"),
        ([], {"WAITFOR_ANY": "0", "WAITFOR_PARALLEL": "no"}, "sequence"),
    ],
)
def test_the_order_comes_from_flags_and_variables(plan, arguments, env, mode):
    """--any watches all at once as well, so that --parallel beside it says nothing more."""
    assert plan("x:1", *arguments, env=env)["mode"] == mode


def test_targets_come_from_a_variable(plan):
    """Split on any white space, that at its ends and line breaks included."""
    made = plan(env={"WAITFOR_TARGETS": "\n tcp://a:1#period=1s\tb:1\r\n\n  dns://c\n"})
    assert [each["target"] for each in made["targets"]] == ["tcp://a:1", "tcp://b:1", "dns://c"]
    assert made["targets"][0]["policy"]["period"] == "1s"


@pytest.mark.parametrize("value", ["", "  ", "\n"])
def test_empty_targets_in_a_variable_are_none(plan, value):
    """An optional value that a template left empty does not get in the way."""
    assert len(plan("x:1", env={"WAITFOR_TARGETS": value})["targets"]) == 1


def test_empty_variables_count_as_unset(plan):
    """Of every kind of option."""
    names = [*VALUES, "timeout", "parallel", "any", "termination-log", "quiet", "verbose"]
    env = {f"WAITFOR_{name.upper().replace('-', '_')}": "" for name in names}
    made = plan("x:1", env=env)
    made.pop("time")
    usual = plan("x:1")
    usual.pop("time")
    assert made == usual


def test_several_causes_in_a_variable_stand_apart_by_white_space(plan):
    """A repeatable option takes several words of its variable."""
    (target,) = plan("x:1", env={"WAITFOR_FATAL": "nxdomain refused"})["targets"]
    assert target["policy"]["fatal"] == "nxdomain, refused"


def test_output_and_dry_run_come_from_variables(capfd):
    """And an argument wins there, too."""
    inside = Inside(capfd)
    env = {"WAITFOR_DRY_RUN": "1", "WAITFOR_OUTPUT": "json"}
    assert json.loads(inside("x:1", env=env).out)["mode"] == "sequence"
    assert inside("x:1", "-o", "text", env=env).out.startswith("wait for at most 5m")


def test_an_argument_for_how_much_is_told_wins_over_a_variable(waitfor):
    """-v with WAITFOR_QUIET tells every look, -q with WAITFOR_VERBOSE none."""
    arguments = ["127.0.0.1:1", "--failure-threshold=1"]
    assert " look 1 " in waitfor("-v", *arguments, env={"WAITFOR_QUIET": "1"}).err
    assert " look 1 " not in waitfor("-q", *arguments, env={"WAITFOR_VERBOSE": "1"}).err


def test_quiet_and_verbose_from_the_same_place_exclude_each_other(capfd):
    """Neither wins."""
    told = Inside(capfd)("x:1", env={"WAITFOR_QUIET": "1", "WAITFOR_VERBOSE": "1"})
    assert (told.code, told.err) == (2, "waitfor: --quiet and --verbose exclude each other\n")


def test_a_path_with_white_space_is_one_path(capfd, tmp_path):
    """Only repeatable options split their variable."""
    log = tmp_path / "a log"
    Inside(capfd)("x", env={"WAITFOR_TERMINATION_LOG": str(log)})
    assert "'x'" in log.read_text()


def test_a_mode_among_the_arguments_wins(plan):
    """--parallel is not --any because a variable says so, nor the other way round."""
    assert plan("x:1", env={"WAITFOR_ANY": "1"})["mode"] == "any"
    assert plan("x:1", "--parallel", env={"WAITFOR_ANY": "1"})["mode"] == "parallel"
    assert plan("x:1", "--any", env={"WAITFOR_PARALLEL": "1"})["mode"] == "any"
    assert plan("x:1", "--any", "--parallel")["mode"] == "any"

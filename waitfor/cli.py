"""The command line: argv and environment to a plan, a report to an exit code or to COMMAND."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from waitfor import __version__, runner, signals
from waitfor.command import CannotRun, become, check
from waitfor.events import Event, Finished
from waitfor.options import Option, options
from waitfor.plan import Mode, Plan, make_plan
from waitfor.policy import Policy
from waitfor.probes import SCHEMES, probe_class
from waitfor.report import (
    TERMINATION_LOG,
    Reporter,
    Telling,
    Verbosity,
    crash,
    json_line,
    last_words,
    plan_lines,
    plan_object,
    write_termination_log,
)
from waitfor.result import InvalidTarget, Outcome, Report
from waitfor.values import format_duration, nearest, quoted

READY, GAVE_UP, USAGE, BUG, DEADLINE = 0, 1, 2, 3, 124
EXIT_CODES = (
    ("0", "all ready; with COMMAND: its own code"),
    ("1", "gave up before the deadline: failure-threshold, or a fatal cause"),
    ("2", "usage or configuration; nothing was sent"),
    ("3", "a bug in waitfor"),
    ("124", "the deadline passed"),
    ("126, 127", "COMMAND is not executable, not found"),
    ("130, 143", "SIGINT, SIGTERM"),
)
_ENDS = {Outcome.READY: READY, Outcome.GAVE_UP: GAVE_UP, Outcome.DEADLINE: DEADLINE}
STUCK = "in a regular expression of matches=, or writing to a stderr that nobody reads"
_COMPLETE = "_WAITFOR_COMPLETE"
_ABOUT = """Wait until each TARGET is ready, one after another, then run COMMAND, if given, in
place of waitfor. Options of one target follow it: 'http://api/healthz#status=200,period=1s'.

Each option can be set by a variable WAITFOR_NAME, such as WAITFOR_TIMEOUT, and the targets by
WAITFOR_TARGETS, with white space between them. Arguments win over variables."""


class _Refused(Exception):
    """What was asked for cannot be; says why."""


class _Value(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """The value of an option, by its own parser."""

    def __init__(self, about: Option) -> None:
        self.name = about.metavar
        self._about = about

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self._about.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return rv.split() if self._about.repeatable else [rv]

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[Any]:
        return _completions(self._about.choices, incomplete)


class _Target(click.ParamType):  # type: ignore[type-arg]
    """A target; offers the schemes to a shell that completes."""

    name = "TARGET"

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[Any]:
        # Click does not tell what stands behind "--"; it is COMMAND's, for the shell to complete.
        if "--" in os.environ.get("COMP_WORDS", "").split():
            return [click.shell_completion.CompletionItem(incomplete, type="file")]
        return _completions([f"{scheme}://" for scheme in SCHEMES], incomplete)


def _completions(words: Sequence[str], incomplete: str) -> list[Any]:
    item = click.shell_completion.CompletionItem
    return [item(word) for word in words if word.startswith(incomplete)]


class _Command(click.Command):
    """Help with tables of targets and exit codes."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "TARGET...", "[-- COMMAND [ARG...]]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Targets"):
            formatter.write_dl(forms())
        super().format_options(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)


def forms() -> list[tuple[str, str]]:
    """How the targets of each kind are written, and when they are ready."""
    return [(cls.FORM, cls.READY_WHEN) for cls in dict.fromkeys(map(probe_class, SCHEMES))]


def _option(about: Option, *flags: str) -> click.Option:
    default = about.default_text()
    return click.Option(
        [*flags, f"--{about.name}", about.field],
        type=_Value(about),
        # So that one given twice is seen.
        multiple=True,
        metavar=about.metavar,
        envvar=f"WAITFOR_{about.field.upper()}",
        help=about.help + (f"  [default: {default}]" if default else ""),
    )


def _flag(names: list[str], help: str) -> click.Option:
    variable = next(name for name in names if name.startswith("--"))[2:].upper().replace("-", "_")
    return click.Option(names, is_flag=True, envvar=f"WAITFOR_{variable}", help=help)


def command() -> click.Command:
    """The command as click sees it, without what stands behind ``--``."""
    return _Command(
        "waitfor",
        params=[
            click.Argument(["targets"], nargs=-1, type=_Target()),
            _option(options(Plan)["timeout"], "-t"),
            *map(_option, options(Policy).values()),
            _flag(["--parallel"], "Watch all targets at once, not one after another."),
            _flag(["--any"], "Watch all at once and end with the first that is ready."),
            _option(options(Telling)["termination-log"]),
            _option(options(Telling)["output"], "-o"),
            _flag(["-q", "--quiet"], "Tell failures only."),
            _flag(["-v", "--verbose"], "Tell every look."),
            _flag(["--dry-run"], "Print what would be waited for, and send nothing."),
            click.Option(["--version"], is_flag=True, help="Print the version."),
            click.Option(["-h", "--help"], is_flag=True, help="Print this, or a kind's options."),
        ],
        help=_ABOUT,
        epilog="'waitfor --help http' shows the options of one kind of target.",
        add_help_option=False,
    )


class _Request(NamedTuple):
    """What the command line and the environment ask for."""

    plan: Plan
    command: list[str]
    telling: Telling
    verbosity: Verbosity
    dry_run: bool


def run(argv: list[str]) -> int:
    """Do what the arguments say, and return the exit code; COMMAND does not return."""
    if asked := os.environ.get(_COMPLETE):
        return _complete(asked)
    arguments, behind = _split(argv)
    try:
        if "--help" in arguments or "-h" in arguments:
            return _print(_help(arguments))
        if "--version" in arguments:
            return _print(f"waitfor {__version__}")
        request = _request(arguments, behind)
        return _wait(request) if not request.dry_run else _dry_run(request)
    except _Refused as refused:
        message, code = str(refused), USAGE
    except CannotRun as cannot:
        message, code = str(cannot), cannot.exit_code
    except Exception as error:
        message, code = crash(error), BUG
    _tell(message, code, arguments)
    return code


def _complete(asked: str) -> int:
    """Answer a shell that completes, or print what makes it ask."""
    from click.shell_completion import shell_complete

    return shell_complete(command(), {}, "waitfor", _COMPLETE, asked)


def _split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """What stands before the first ``--`` and what stands behind it, None without one."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _tell(message: str, code: int, arguments: list[str]) -> None:
    """Tell what ended waitfor itself, where it was asked to, whatever else is wrong."""
    with command().make_context(
        "waitfor", list(arguments), resilient_parsing=True, ignore_unknown_options=True
    ) as context:
        output, log = (context.params[name] or [""] for name in ("output", "termination_log"))
    json_lines = output[-1] == "json"
    Reporter(sys.stderr, json_lines=json_lines, verbosity=Verbosity.NORMAL).error(message, code)
    if log[-1] != "none":
        write_termination_log(log[-1] or TERMINATION_LOG, message)


def _print(text: str) -> int:
    try:
        # A file name that is no text cannot be printed as such everywhere.
        click.echo(text.encode("utf-8", "backslashreplace").decode())
    except OSError as error:
        # What is left must not be flushed again.  A reader such as head has seen enough.
        sys.stdout = None
        if not isinstance(error, BrokenPipeError):
            raise _Refused(f"stdout cannot be written: {error.strerror}") from None
    return READY


def _help(arguments: list[str]) -> str:
    for kind in (word.partition(":")[0] for word in arguments):
        if kind in SCHEMES:
            return kind_help(kind)
    after = arguments[arguments.index("--help") + 1 :][:1] if "--help" in arguments else []
    if after and after[0].isalpha():
        raise _Refused(f"--help: {quoted(after[0])} is not a kind: {nearest(after[0], SCHEMES)}")
    return click.Context(command(), info_name="waitfor").get_help()


def kind_help(scheme: str) -> str:
    """The options of one kind of target, as help shows them."""
    cls = probe_class(scheme)
    formatter = click.HelpFormatter()
    with formatter.section(f"Options of {scheme}:// targets"):
        formatter.write_dl(
            (f"{about.name}={about.metavar}", about.help + _default(about))
            for about in options(cls).values()
        )
    with formatter.section("Options of every target"):
        names = [f"{name}={about.metavar}" for name, about in options(Policy).items()]
        formatter.write_text(", ".join(names))
        formatter.write_text(f"The first period is {format_duration(cls.PERIOD)}.")
    with formatter.section("Examples"):
        formatter.write_dl([(f"'{target}'", what) for target, what in cls.EXAMPLES])
    return formatter.getvalue().strip("\n")


def _default(about: Option) -> str:
    again = "  [repeatable]" if about.repeatable else ""
    return again + (f"  [default: {about.default_text()}]" if about.default_text() else "")


def _request(arguments: list[str], behind: list[str] | None) -> _Request:
    try:
        with command().make_context("waitfor", list(arguments)) as context:
            values = context.params
            # Behind another letter, as in -vh.
            if values["help"]:
                raise _Refused("-h stands alone, or write --help")
            policy, whole, telling = (_given(kind, context) for kind in (Policy, Plan, Telling))
    except click.UsageError as error:
        raise _Refused(_words(error)) from None
    if behind == []:
        raise _Refused("COMMAND is missing after '--'")
    try:
        plan = make_plan(
            _targets(list(values["targets"])), mode=_mode(context), policy=policy, **whole
        )
    except InvalidTarget as error:
        raise _Refused(str(error)) from None
    if behind:
        check(behind)
    return _Request(plan, behind or [], Telling(**telling), _verbosity(context), values["dry_run"])


def _given(kind: type, context: click.Context) -> dict[str, Any]:
    """The fields of a class of options that somebody set."""
    given = {}
    for about in options(kind).values():
        values = context.params[about.field]
        if len(values) > 1 and not about.repeatable:
            raise _Refused(f"--{about.name} is given twice")
        if values:
            given[about.field] = values if about.repeatable else values[0]
    return given


def _flags(context: click.Context, *names: str) -> list[str]:
    """Which of the flags are set; those among the arguments win over variables."""
    asked = [name for name in names if context.params[name]]
    source = context.get_parameter_source
    return [name for name in asked if source(name) is ParameterSource.COMMANDLINE] or asked


def _verbosity(context: click.Context) -> Verbosity:
    words = {"quiet": Verbosity.QUIET, "verbose": Verbosity.VERBOSE}
    asked = _flags(context, *words)
    if len(asked) == len(words):
        raise _Refused("--quiet and --verbose exclude each other")
    return words[asked[0]] if asked else Verbosity.NORMAL


def _mode(context: click.Context) -> Mode:
    asked = _flags(context, "any", "parallel")
    return Mode.ANY if "any" in asked else Mode.PARALLEL if asked else Mode.SEQUENCE


def _targets(arguments: list[str]) -> list[str]:
    variable = os.environ.get("WAITFOR_TARGETS", "").split()
    if arguments and variable:
        raise _Refused("targets stand in the arguments and in WAITFOR_TARGETS: keep one of them")
    return arguments or variable


def _words(error: click.UsageError) -> str:
    """An error of click in one line of ours; what click quotes may be a secret."""
    context, param = error.ctx, getattr(error, "param", None)
    if isinstance(error, click.NoSuchOption) and context:
        known = [max(p.opts, key=len) for p in context.command.params if p.opts[0][:1] == "-"]
        word = error.option_name
        return f"unknown option {quoted(word)}: {nearest(word, known)}"
    if isinstance(error, click.BadParameter) and param and context:
        name = max(param.opts, key=len)
        source = context.get_parameter_source(param.name or "")
        if source is ParameterSource.ENVIRONMENT and param.envvar:
            name = str(param.envvar)
        if isinstance(param.type, _Value):
            return f"{name}: {error.message}"
        return f"{name}: {quoted(os.environ.get(name, ''))} is neither true nor false"
    return " ".join(error.format_message().split())


def _dry_run(request: _Request) -> int:
    if request.telling.output == "json":
        return _print(json_line(plan_object(request.plan, request.command)))
    return _print("\n".join(plan_lines(request.plan, request.command)))


def _wait(request: _Request) -> int:
    reporter = Reporter(
        sys.stderr, json_lines=request.telling.output == "json", verbosity=request.verbosity
    )
    reports: list[Report] = []

    def emit(event: Event) -> None:
        reporter(event)
        if isinstance(event, Finished):
            reports.append(event.report)

    def stuck(number: int) -> None:
        code = 128 + number if number else DEADLINE
        message = f"{'stopped' if number else 'timed out'} while stuck: {STUCK}"
        try:
            if request.telling.termination_log != "none":
                write_termination_log(request.telling.termination_log, message)
            reporter.error_if_heard(message, code)
        finally:
            # Also when it was in the midst of a write, into which no other can go.
            os._exit(code)

    wait = runner.run(request.plan, emit)
    try:
        code = _ENDS[signals.run(wait, deadline=request.plan.timeout, stuck=stuck).outcome]
    except signals.Stopped as stopped:
        code = stopped.exit_code
    if code == READY and request.command:
        signals.restore()
        become(request.command)
    if code != READY and reports and request.telling.termination_log != "none":
        write_termination_log(request.telling.termination_log, last_words(reports[0]))
    return code

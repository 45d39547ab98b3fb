"""The command line: argv and environment to a plan, a report to an exit code or to COMMAND."""

from __future__ import annotations

import gc
import os
import sys
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
    Verbosity,
    json_line,
    last_words,
    plan_lines,
    plan_object,
    write_termination_log,
)
from waitfor.result import InvalidTarget, Outcome, Report
from waitfor.values import nearest

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
TARGETS = (
    ("tcp://HOST:PORT, HOST:PORT", "a connection is accepted"),
    ("dns://[SERVER[:PORT]/]NAME", "DNS has records for the name"),
    ("http[s]://HOST[:PORT]/PATH", "the status is from 200 to 399"),
)
_ENDS = {Outcome.READY: READY, Outcome.GAVE_UP: GAVE_UP, Outcome.DEADLINE: DEADLINE}
_ABOUT = """Wait until each TARGET is ready, one after another, then run COMMAND, if given, in
place of waitfor. Options of one target follow it: 'http://api/healthz#status=200,period=1s'.

Each option can be set by a variable WAITFOR_NAME, such as WAITFOR_TIMEOUT, and the targets by
WAITFOR_TARGETS, with white space between them. Arguments win over variables."""


class _Refused(Exception):
    """What was asked for cannot be; says why."""


class _Value(click.ParamType[Any]):
    """The value of an option, by its own parser."""

    def __init__(self, about: Option) -> None:
        self.name = about.metavar
        self._parse = about.parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Target(click.ParamType[str]):
    """A target; offers the schemes to a shell that completes."""

    name = "TARGET"

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[Any]:
        schemes = [f"{scheme}://" for scheme in SCHEMES]
        found = [scheme for scheme in schemes if scheme.startswith(incomplete)]
        return [click.shell_completion.CompletionItem(each) for each in found]


class _Command(click.Command):
    """Help with tables of targets and exit codes."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "TARGET...", "[-- COMMAND [ARG...]]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Targets"):
            formatter.write_dl(TARGETS)
        super().format_options(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)


def _option(about: Option, *flags: str) -> click.Option:
    default = about.default_text()
    return click.Option(
        [*flags, f"--{about.name}", about.field],
        type=_Value(about),
        multiple=about.repeatable,
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
            click.Option(
                ["--termination-log"],
                metavar="PATH|none",
                envvar="WAITFOR_TERMINATION_LOG",
                help="Where the reasons of a failure are left as well."
                f"  [default: {TERMINATION_LOG}, if it is there]",
            ),
            click.Option(
                ["-o", "--output"],
                type=click.Choice(["text", "json"]),
                default="text",
                envvar="WAITFOR_OUTPUT",
                help="What stderr gets: text, or events as JSON lines.  [default: text]",
            ),
            _flag(["-q", "--quiet"], "Tell failures only."),
            _flag(["-v", "--verbose"], "Tell every look."),
            _flag(["--dry-run"], "Print what would be waited for, and send nothing."),
            click.Option(["--version"], is_flag=True, help="Print the version."),
            click.Option(["-h", "--help"], is_flag=True, help="Print this, or a kind's options."),
        ],
        callback=lambda **_: None,
        help=_ABOUT,
        epilog="'waitfor --help http' shows the options of one kind of target.",
        add_help_option=False,
    )


class _Request(NamedTuple):
    """What the command line and the environment ask for."""

    plan: Plan
    command: list[str]
    termination_log: str
    json_lines: bool
    verbosity: Verbosity
    dry_run: bool


def run(argv: list[str]) -> int:
    """Do what the arguments say, and return the exit code; COMMAND does not return."""
    arguments, separator, behind = _split(argv)
    # Settings that telling a mistake needs, before the mistakes are looked for.
    reporter = Reporter(sys.stderr, json_lines=_wants_json(arguments), verbosity=Verbosity.NORMAL)
    log = os.environ.get("WAITFOR_TERMINATION_LOG") or TERMINATION_LOG
    try:
        if _asked(arguments, "--help", "-h"):
            return _print(_help(arguments))
        if _asked(arguments, "--version"):
            return _print(f"waitfor {__version__}")
        request = _request(arguments, separator, behind)
        log = request.termination_log
        return _wait(request) if not request.dry_run else _dry_run(request)
    except _Refused as refused:
        message, code = str(refused), USAGE
    except CannotRun as cannot:
        message, code = str(cannot), cannot.exit_code
    except Exception as error:
        secrets = request.plan.secrets if "request" in locals() else ()
        message, code = _bug(error, secrets), BUG
    reporter.error(message, code)
    if log != "none":
        write_termination_log(log, message)
    return code


def _split(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    """What stands before ``--``, whether it is there, what stands behind it."""
    if "--" not in argv:
        return argv, False, []
    at = argv.index("--")
    return argv[:at], True, argv[at + 1 :]


def _asked(arguments: list[str], *names: str) -> bool:
    return any(name in arguments for name in names)


def _wants_json(arguments: list[str]) -> bool:
    words = " ".join(arguments).replace("=", " ")
    return (
        "-o json" in words
        or "-ojson" in words
        or "--output json" in words
        or (os.environ.get("WAITFOR_OUTPUT") == "json")
    )


def _print(text: str) -> int:
    try:
        click.echo(text)
    except BrokenPipeError:
        # A reader such as head has seen enough; what is left must not be flushed again.
        sys.stdout = None
    return READY


def _help(arguments: list[str]) -> str:
    kinds = [word.partition(":")[0] for word in arguments if word.partition(":")[0] in SCHEMES]
    if kinds:
        return kind_help(kinds[0])
    made = command()
    return made.get_help(click.Context(made, info_name="waitfor"))


def kind_help(scheme: str) -> str:
    """The options of one kind of target, as help shows them."""
    cls = probe_class(scheme)
    formatter = click.HelpFormatter()
    formatter.write_heading(f"Options of {scheme}:// targets")
    rows = [
        (f"{about.name}={about.metavar}", about.help + _default(about))
        for about in options(cls).values()
    ]
    formatter.indent()
    formatter.write_dl(rows)
    formatter.dedent()
    with formatter.section("Options of every target"):
        names = [f"{name}={about.metavar}" for name, about in options(Policy).items()]
        formatter.write_text(", ".join(names))
    with formatter.section("Examples"):
        formatter.write_dl([(f"'{target}'", what) for target, what in cls.EXAMPLES])
    return formatter.getvalue().rstrip("\n")


def _default(about: Option) -> str:
    again = "  [repeatable]" if about.repeatable else ""
    return again + (f"  [default: {about.default_text()}]" if about.default_text() else "")


def _request(arguments: list[str], separator: bool, behind: list[str]) -> _Request:
    made = command()
    try:
        # Also answers a shell that asks for completions.
        with made.make_context("waitfor", list(arguments)) as context:
            values = dict(context.params)
    except click.UsageError as error:
        raise _Refused(_words(error)) from None
    if separator and not behind:
        raise _Refused("COMMAND is missing after '--'")
    if values["quiet"] and values["verbose"]:
        raise _Refused("--quiet and --verbose exclude each other")
    policy = {
        about.field: values[about.field]
        for about in options(Policy).values()
        if values[about.field] not in (None, ())
    }
    timeout = values["timeout"]
    try:
        plan = make_plan(
            _targets(list(values["targets"])),
            timeout=options(Plan)["timeout"].default if timeout is None else timeout,
            mode=Mode.ANY
            if values["any"]
            else Mode.PARALLEL
            if values["parallel"]
            else Mode.SEQUENCE,
            policy=policy,
        )
    except InvalidTarget as error:
        raise _Refused(str(error)) from None
    if behind:
        check(behind)
    verbosity = {(1, 0): Verbosity.QUIET, (0, 1): Verbosity.VERBOSE}
    return _Request(
        plan,
        behind,
        _termination_log(values["termination_log"]),
        values["output"] == "json",
        verbosity.get((values["quiet"], values["verbose"]), Verbosity.NORMAL),
        values["dry_run"],
    )


def _targets(arguments: list[str]) -> list[str]:
    variable = os.environ.get("WAITFOR_TARGETS", "").split()
    if arguments and variable:
        raise _Refused("targets stand in the arguments and in WAITFOR_TARGETS: keep one of them")
    return arguments or variable


def _termination_log(path: str | None) -> str:
    if path in (None, "none"):
        return path or TERMINATION_LOG
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise _Refused(f"--termination-log: {path!r} cannot be written; 'none' writes no file")
    return path


def _words(error: click.UsageError) -> str:
    """An error of click in one line of ours."""
    context = error.ctx
    if isinstance(error, click.NoSuchOption):
        known = [name for p in context.command.params for name in p.opts] if context else []
        word = error.option_name
        return f"unknown option {word}: {nearest(word, [n for n in known if n.startswith('--')])}"
    if isinstance(error, click.BadParameter) and error.param and context:
        name = max(error.param.opts, key=len)
        source = context.get_parameter_source(error.param.name or "")
        if source is ParameterSource.ENVIRONMENT and error.param.envvar:
            name = str(error.param.envvar)
        return f"{name}: {error.message.splitlines()[0]}"
    return " ".join(error.format_message().split())


def _dry_run(request: _Request) -> int:
    if request.json_lines:
        return _print(json_line(plan_object(request.plan, request.command)))
    return _print("\n".join(plan_lines(request.plan, request.command)))


def _wait(request: _Request) -> int:
    reporter = Reporter(sys.stderr, json_lines=request.json_lines, verbosity=request.verbosity)
    reports: list[Report] = []

    def emit(event: Event) -> None:
        reporter(event)
        if isinstance(event, Finished):
            reports.append(event.report)

    gc.enable()
    try:
        code = _ENDS[signals.run(runner.run(request.plan, emit)).outcome]
    except signals.Stopped as stopped:
        code = stopped.exit_code
    if code == READY and request.command:
        signals.restore()
        become(request.command)
    if code != READY and reports and request.termination_log != "none":
        write_termination_log(request.termination_log, last_words(reports[0]))
    return code


def _bug(error: Exception, secrets: tuple[str, ...]) -> str:
    """A crash in lines for a report of it, without the secrets of this call."""
    # Only a crash pays for this import.
    import traceback

    lines = traceback.format_exception(error)
    told = "".join(lines) + f"this is a bug in waitfor {__version__}: please report these lines"
    for secret in sorted(secrets, key=len, reverse=True):
        told = told.replace(secret, "***")
    return told

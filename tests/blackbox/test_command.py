"""COMMAND takes the place of waitfor, and finds what it would have found without it."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from support.servers import TcpServer, free_port, stay_silent

from waitfor import command


@pytest.fixture
def ready():
    """A target that is ready at once."""
    with TcpServer() as server:
        yield f"127.0.0.1:{server.port}"


def test_same_process(waitfor, ready):
    """COMMAND is the same process: whoever started waitfor can wait for it and signal it."""
    process = waitfor.start(ready, "--", "sh", "-c", "echo $$; exec sleep 60")
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    # Not 143: it is the kernel that ended it.
    assert process.wait(5) == -signal.SIGTERM


def test_streams_and_exit_code(waitfor, ready):
    """COMMAND reads its stdin, has stdout for itself, and its exit code is its own."""
    process = waitfor.start(ready, "--", "sh", "-c", "cat; exit 7", stdin=subprocess.PIPE)
    out, err = process.communicate("what came in\n", timeout=5)
    assert (process.returncode, out) == (7, "what came in\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [["--", "-t", "--version"], ["a b", "", "ä", "*", "$HOME", "\n"], [b"not UTF-8: \xff"]],
)
def test_arguments(waitfor, ready, words):
    """Every word behind the first `--` arrives as it was, whatever it looks like."""
    show = "import os, sys; print(*map(os.fsencode, sys.argv[1:]), sep=',')"
    run = waitfor("-q", ready, "--", sys.executable, "-c", show, *words)
    assert run.out == ",".join(str(os.fsencode(word)) for word in words) + "\n"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LC_CTYPE": "C.UTF-8"},
        {"LC_ALL": "C"},
        {"WAITFOR_TIMEOUT": "9s", "ODD": "a\nLC_CTYPE="},
    ],
)
def test_environment(waitfor, ready, variables, monkeypatch):
    """COMMAND has the environment that waitfor was started with: nothing more, nothing less."""
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    run = waitfor("-q", ready, "--", "env", "-0", env=variables)
    found = dict(line.split("=", 1) for line in run.out.split("\0")[:-1])
    assert found == {**os.environ, **variables}


@pytest.mark.parametrize("ignored", [None, signal.SIGINT])
def test_signals(waitfor, ready, ignored):
    """Every signal is as a fresh program finds it; one that the caller ignores stays ignored."""

    def prepare():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    command = ("cat", "/proc/self/status")
    told = (
        waitfor(ready, "--", *command, preexec_fn=prepare).out,
        subprocess.check_output(command, preexec_fn=prepare, text=True),
    )
    ours, fresh = (
        {line for line in status.splitlines() if line.startswith(("Sig", "ShdPnd"))}
        for status in told
    )
    assert len(ours) > 4
    assert {line for line in ours ^ fresh if not line.startswith("SigQ")} == set()


def test_open_files(waitfor, ready, tmp_path):
    """COMMAND gets the files that the caller left open for it, and none of ours."""
    with open(tmp_path / "kept", "w") as kept, TcpServer(stay_silent) as silent:
        address = f"127.0.0.1:{silent.port}"
        run = waitfor(
            *("-q", "--any", f"{ready}#initial-delay=100ms", f"http://{address}/"),
            *(f"{address}#expect=a", "--", "sh", "-c", "ls /proc/$$/fd"),
            pass_fds=[kept.fileno()],
        )
        assert sorted(map(int, run.out.split())) == [0, 1, 2, kept.fileno()]
        assert silent.accepted == 2


@pytest.mark.parametrize("options", [("-t", "100ms"), ("--failure-threshold", "1")])
def test_not_run_when_the_wait_fails(waitfor, options):
    """COMMAND does not run when its targets are not ready."""
    run = waitfor(*options, f"127.0.0.1:{free_port()}", "--", "echo", "ran")
    assert run.code in (1, 124)
    assert run.out == ""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Programs of all kinds, on PATH."""
    (tmp_path / "plain").write_text("echo ran\n")
    (tmp_path / "no-shebang").write_text("echo ran\n")
    (tmp_path / "no-interpreter").write_text("#!/no/such/shell\necho ran\n")
    (tmp_path / "script").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken-link").symlink_to("nowhere")
    for name in ("no-shebang", "no-interpreter", "script"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("no-such-program", 127, "COMMAND 'no-such-program' is not found"),
        ("{}/none", 127, "COMMAND '{}/none' is not found"),
        ("{}/script/none", 127, "COMMAND '{}/script/none' is not found"),
        ("broken-link", 127, "COMMAND 'broken-link' is not found"),
        ("", 127, "COMMAND '' is not found"),
        ("PASSWORD=hunter2", 127, "COMMAND 'PASSWORD=...' is not found"),
        ("plain", 126, "COMMAND 'plain' is not executable"),
        ("{}/folder", 126, "COMMAND '{}/folder' is not executable"),
        ("folder", 126, "COMMAND 'folder' is not executable"),
    ],
)
def test_command_that_cannot_run(waitfor, folder, program, code, words):
    """A COMMAND that is missing or not executable is refused before anything is looked at."""
    with TcpServer() as server:
        run = waitfor(f"127.0.0.1:{server.port}", "--", program.format(folder))
        assert server.accepted == 0
    assert (run.code, run.out) == (code, "")
    assert run.lines == [f"waitfor: {words.format(folder)}"]


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("no-shebang", 126, "exec format error"),
        ("no-interpreter", 127, "it or the interpreter that it names is missing"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_command_that_the_system_refuses(waitfor, ready, program, code, words):
    """What only the system can tell of a COMMAND is told when its turn comes."""
    run = waitfor(ready, "--", program)
    assert (run.code, run.out) == (code, "")
    assert run.lines[-1] == f"waitfor: COMMAND {program!r} cannot run: {words}"


def test_command_behind_one_that_cannot_run(waitfor, folder, ready, monkeypatch):
    """PATH is walked as a shell does: past what is not executable."""
    other = folder / "other"
    other.mkdir()
    shutil.copy(folder / "script", other / "plain")
    monkeypatch.setenv("PATH", f"{folder}:{other}:{os.environ['PATH']}")
    run = waitfor(ready, "--", "plain")
    assert (run.code, run.out) == (0, "ran\n")


def test_nul():
    """A word with a NUL, which no system takes, is refused without being shown."""
    with pytest.raises(command.CannotRun, match="COMMAND '' has a NUL in a word") as refused:
        command.check(["echo", "se\0cret"])
    assert refused.value.exit_code == 126

"""The last words, for `kubectl describe pod`."""

import os
import signal
import subprocess
import sys

import pytest
from support.servers import TcpServer, free_port, respond
from support.story import OK

from waitfor.hints import HINTS
from waitfor.result import Cause

USUAL = "/dev/termination-log"


@pytest.fixture
def log(tmp_path):
    """A path for the last words, not there yet."""
    return tmp_path / "log"


def test_deadline(waitfor, log):
    """After the deadline the log is the summary of stderr, with the hint."""
    port = free_port()
    run = waitfor("-q", "-t", "200ms", "--termination-log", str(log), f"127.0.0.1:{port}")
    assert run.code == 124
    words = log.read_text().splitlines()
    assert [f"waitfor: {line}" for line in words] == run.lines
    assert words[0] == "timed out after 200ms: 0 of 1 target ready"
    assert words[1].startswith(f"  tcp://127.0.0.1:{port}: connection refused by")
    assert words[2] == f"  hint: {HINTS[Cause.REFUSED]}"


def test_given_up(waitfor, log):
    """A wait that gave up leaves its reason, in place of what the file held."""
    log.write_text("older\n" * 1000)
    arguments = ["--failure-threshold", "2", f"127.0.0.1:{free_port()}"]
    run = waitfor(*arguments, env={"WAITFOR_TERMINATION_LOG": str(log)})
    assert run.code == 1
    assert log.read_text().startswith("gave up after ")
    assert "older" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal(waitfor, log, number):
    """A wait that a signal ended leaves what it had found."""
    process = waitfor.start("--termination-log", str(log), f"127.0.0.1:{free_port()}")
    with process:
        process.stderr.readline()
        process.send_signal(number)
    assert process.returncode == 128 + number
    words = log.read_text().splitlines()
    assert words[0].startswith(f"stopped by {number.name} after ")
    assert "connection refused by" in words[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nosuch"], 2, "'nosuch': the port is missing"),
        (["--no-such", "x:1"], 2, "unknown option"),
        (["x:1", "--"], 2, "COMMAND is missing"),
        (["x:1", "--", "/nonexistent"], 127, "COMMAND '/nonexistent' is not found"),
        (["x:1", "--", "/etc/passwd"], 126, "COMMAND '/etc/passwd' is not executable"),
    ],
)
def test_mistakes(waitfor, log, arguments, code, words):
    """What could not begin leaves the line that says why, wherever the path was given."""
    by_argument = waitfor("--termination-log", str(log), *arguments)
    told = log.read_text()
    log.unlink()
    by_variable = waitfor(*arguments, env={"WAITFOR_TERMINATION_LOG": str(log)})
    assert by_argument.code == by_variable.code == code
    assert told == log.read_text()
    assert told.startswith(words)
    assert by_argument.err == by_variable.err == f"waitfor: {told}"


def test_command_that_fails_to_start(waitfor, log, tmp_path):
    """COMMAND with an interpreter that is missing is found out when it starts, and left too."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with TcpServer() as server:
        target = f"127.0.0.1:{server.port}"
        run = waitfor("--termination-log", str(log), target, "--", str(script))
    assert run.code == 127
    assert "cannot run" in log.read_text()


def test_bug(waitfor, log):
    """A crash leaves where it happened, and says that it is one."""
    program = (
        "import sys; from waitfor import cli, runner\n"
        "def boom(*_): raise RuntimeError('no')\n"
        "runner.run = boom\n"
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", program, "--termination-log", str(log), "127.0.0.1:1"]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert "in boom" in log.read_text()
    assert "bug in waitfor" in log.read_text().splitlines()[-1]


def test_success_leaves_nothing(waitfor, log):
    """After a success nothing is written, nor a file made, nor one emptied."""
    with TcpServer() as server:
        target = f"127.0.0.1:{server.port}"
        run = waitfor("--termination-log", str(log), target, "--", "false")
        assert run.code == 1
        assert not log.exists()
        log.write_text("COMMAND's own")
        assert waitfor("--termination-log", str(log), target, "--", "true").code == 0
    assert log.read_text() == "COMMAND's own"


def test_many_long_reasons(waitfor, log):
    """Of many long reasons 4096 octets are left, and they are UTF-8."""
    text = "%C3%A9" * 60
    with TcpServer(respond(OK)) as server:
        targets = [f"http://127.0.0.1:{server.port}/{n}#contains={text}{n}" for n in range(25)]
        run = waitfor("-t", "1s", "--parallel", "--termination-log", str(log), *targets)
    assert run.code == 124
    octets = log.read_bytes()
    assert 4000 < len(octets) <= 4096
    assert "é" in octets.decode()
    assert octets.startswith(b"timed out after 1s: 0 of 25 targets ready\n")


@pytest.mark.needs("root")
@pytest.mark.parametrize("target", ["127.0.0.1:1", "nosuch"])
@pytest.mark.parametrize("arguments", [[], ["--termination-log", "none"]])
@pytest.mark.parametrize("there", ["absent", "writable", "read-only"])
def test_the_usual_path(waitfor, there, arguments, target):
    """/dev/termination-log is written where Kubernetes made it, never made, not with `none`."""
    prepare = {
        "absent": "true",
        "writable": f"touch {USUAL}",
        "read-only": f"touch {USUAL} && mount -o remount,ro /dev",
    }
    script = (
        f"mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && {prepare[there]} || exit 99\n"
        f'"$@"; code=$?; cat {USUAL} 2>/dev/null || echo absent; exit $code'
    )
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", *waitfor.argv, "-t", "200ms"]
    run = subprocess.run([*argv, *arguments, target], capture_output=True, text=True, check=False)
    assert run.returncode == (2 if target == "nosuch" else 124)
    if there == "absent":
        assert run.stdout == "absent\n"
    elif arguments or there == "read-only":
        assert run.stdout == ""
    else:
        assert run.stdout
        assert run.stdout.splitlines()[0] in run.stderr


def test_a_pipe_that_nobody_reads(waitfor, tmp_path):
    """Last words for a pipe without a reader do not keep the process."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run = waitfor("-t", "200ms", "--termination-log", str(pipe), "127.0.0.1:1", within=10)
    assert run.code == 124


@pytest.mark.parametrize("path", ["/nonexistent/log", "/", "/etc/passwd/log"])
def test_path_that_cannot_be_written(waitfor, path):
    """A path of one's own that cannot be written is a mistake, said before the wait."""
    run = waitfor("--termination-log", path, "127.0.0.1:1")
    assert run.code == 2
    assert f"--termination-log: {path!r} cannot be written" in run.err

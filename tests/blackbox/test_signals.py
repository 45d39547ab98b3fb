"""SIGTERM and SIGINT end a wait at once, wherever it is; a reader that goes away does not."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.netns import stuck_nameserver
from support.servers import TcpServer, free_port, respond

BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
FOR_EVER = ("-t", "0", "--parallel")


def start_waiting(waitfor, *targets, **options):
    """The command once it waits for a port that refuses, and for more."""
    process = waitfor.start(*FOR_EVER, f"127.0.0.1:{free_port()}", *targets, **options)
    assert "connection refused" in process.stderr.readline()
    return process


def ends_at_once(process, number, code, pid=None):
    """Send a signal; the end must come within 100 ms, with the summary."""
    began = time.monotonic()
    os.kill(pid or process.pid, number)
    # Asked often, for Popen.wait() sleeps up to 50 ms between its looks.
    while process.poll() is None and time.monotonic() < began + 5:
        time.sleep(0.001)
    assert time.monotonic() - began < 0.1
    assert process.returncode == code
    lines = process.stderr.read().splitlines()
    assert any(f"waitfor: stopped by {signal.Signals(number).name} after" in line for line in lines)
    assert "connection refused" in "".join(lines)
    return lines


@BOTH
def test_signal_ends_the_wait(waitfor, number, code):
    """The wait ends within 100 ms, with 128 and the signal's number, and the summary."""
    ends_at_once(start_waiting(waitfor), number, code)


@BOTH
@pytest.mark.needs("root")
def test_signal_as_process_1(waitfor, number, code):
    """As process 1 of a container, whom the kernel spares unless there is a handler, likewise."""
    waitfor.argv = ["unshare", "--pid", "--fork", "--mount-proc", *waitfor.argv]
    process = start_waiting(waitfor)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ends_at_once(process, number, code, int(children[0]))


@pytest.mark.needs("root", "ip")
def test_signal_during_stuck_look_up(waitfor):
    """A look-up that cannot be interrupted does not keep the command from leaving."""
    with stuck_nameserver() as network:
        waitfor.argv = [*network.enter, *waitfor.argv]
        process = start_waiting(waitfor, "mydb:80", "http://api/")
        lines = ends_at_once(process, signal.SIGTERM, 143)
    assert any("no answer to the look-up of mydb" in line for line in lines)


def test_signal_during_start_up(waitfor):
    """However early SIGTERM comes it ends the command, without a traceback."""
    for delay in range(0, 120, 8):
        process = waitfor.start(*FOR_EVER, f"127.0.0.1:{free_port()}")
        time.sleep(delay / 1000)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=5)
        # Before Python has started it is the kernel that ends it; a shell says 143 to both.
        assert process.returncode in (-signal.SIGTERM, 143)
        assert out == ""
        assert "Traceback" not in err


EARLY = """
import os, signal, sys
from waitfor.__main__ import main

class AtTheFirstLibrary:
    def find_spec(self, name, *_):
        if name == "asyncio":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, AtTheFirstLibrary())
main()
"""


def test_signal_before_the_first_library():
    """The handlers are there before anything that takes its time to be imported."""
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "127.0.0.1:1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr == "waitfor: stopped by SIGINT outside of a wait\n"


def waiting_to_be_read(pipe):
    """How many octets are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@BOTH
def test_second_signal(waitfor, number, code):
    """When the first signal does not get through, the second one ends the process."""
    reader, writer = os.pipe()
    with ExitStack() as undo:
        undo.callback(os.close, reader)
        with os.fdopen(writer, "wb") as stderr:
            # Nobody reads the messages, and soon there is no more room for them.
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            refused = f"127.0.0.1:{free_port()}#period=1ms,max-period=1ms"
            process = waitfor.start(*FOR_EVER, "-v", refused, stderr=stderr)
        while waiting_to_be_read(reader) < 4096 - 150:
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.send_signal(number)
        assert process.wait(5) == code


LATE = """
import asyncio, os, signal, sys
from waitfor import signals

async def wait():
    {body}

async def stay():
    try:
        await asyncio.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")

signals.leave_at_once()
try:
    signals.run(wait(), deadline=0, stuck=print)
except signals.Stopped as stopped:
    print("stopped by", stopped, stopped.exit_code)
else:
    print("COMMAND would run")
"""


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM)", 0, "stopped by SIGTERM 143\n"),
        ("asyncio.ensure_future(stay()); await asyncio.sleep(0)", 143, ""),
        ("pass", 0, "COMMAND would run\n"),
    ],
    ids=["in the last step", "while the loop closes", "never"],
)
def test_signal_at_the_end_of_the_wait(body, code, told):
    """A signal that comes when nothing is left to cancel still keeps COMMAND from running."""
    done = subprocess.run(
        [sys.executable, "-c", LATE.format(body=body)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, told)
    assert "Traceback" not in done.stderr


def test_reader_goes_away(waitfor):
    """When nobody reads the messages any more, as with `| head -1`, the wait goes on."""
    port = free_port()
    process = waitfor.start("-v", f"127.0.0.1:{port}", "--", "echo", "ran")
    process.stderr.readline()
    process.stderr.close()
    with TcpServer(port=port):
        assert process.stdout.read() == "ran\n"
    assert process.wait(5) == 0


@pytest.mark.parametrize("open_port", [True, False])
def test_closed_stderr(waitfor, open_port):
    """Started without a stderr the wait is the same, without a word."""
    with TcpServer() as server:
        run = waitfor(
            *("-v", "-t", "200ms", f"127.0.0.1:{server.port if open_port else free_port()}"),
            *("--", "echo", "ran"),
            preexec_fn=lambda: os.close(2),
        )
    assert (run.code, run.out, run.err) == ((0, "ran\n", "") if open_port else (124, "", ""))


def processor_time(process):
    """Seconds that a process has worked so far."""
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def endless():
    """A target in whose regular expression a wait is lost, and an event for when it is."""
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n" + b"a" * 40 + b"b"
    asked = threading.Event()

    def talk(sock):
        respond(body)(sock)
        asked.set()

    with TcpServer(talk) as server:
        yield f"http://127.0.0.1:{server.port}/#matches=(a%2B)%2B%24", asked


def test_stuck_at_a_signal(waitfor, endless, tmp_path):
    """A wait that is lost in a regular expression ends by one signal, and leaves its reason."""
    target, asked = endless
    log = tmp_path / "log"
    process = waitfor.start("-t", "0", "--termination-log", str(log), target)
    assert asked.wait(10)
    # It is lost once it works on and on: the answer came, and nothing else takes half a second.
    before = processor_time(process)
    while processor_time(process) < before + 0.5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    assert "stopped while stuck: in a regular expression" in process.stderr.read()
    assert "stopped while stuck: in a regular expression" in log.read_text()


def test_stuck_at_the_deadline(waitfor, endless):
    """A wait that is lost in a regular expression has its deadline, a second late."""
    run = waitfor("-t", "1s", endless[0])
    assert run.code == 124
    assert "timed out while stuck: in a regular expression" in run.err


def test_stuck_in_writing(waitfor):
    """A stderr that is full and that nobody reads does not outlast the deadline."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    refused = f"127.0.0.1:{free_port()}#period=1ms,max-period=1ms"
    process = waitfor.start("-t", "1s", "-v", refused, stderr=writer)
    os.close(writer)
    assert process.wait(10) == 124
    os.close(reader)

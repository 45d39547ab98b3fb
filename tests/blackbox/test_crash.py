"""A bug of ours ends the run loudly: exit 3, and where it was, without what it was about."""

import json

import pytest

BROKEN = """
from waitfor.probes.tcp import Tcp

async def attempt(self, look):
    raise RuntimeError(f"while sending {self.send} to {self.host}")

Tcp.attempt = attempt
"""
SECRET = "s3cr3t"


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The command with a probe that has a bug."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.wheel("it imports nothing from a disk, so no bug can be put in")
@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("mode", [[], ["--parallel"]])
def test_crash(waitfor, broken, output, mode):
    """The exit code is 3; stderr and the termination log say where the bug was; COMMAND stays."""
    log = broken / "log"
    target = f"tcp://db:5432#send={SECRET}"
    run = waitfor(
        *(*mode, "-o", output, "--termination-log", str(log), target, "127.0.0.1:1"),
        *("--", "echo", "ran"),
    )
    assert (run.code, run.out) == (3, "")
    last = json.loads(run.lines[-1])["message"] if output == "json" else run.err
    for told in (last, log.read_text()):
        assert "RuntimeError" in told
        assert "in attempt" in told
        assert "this is a bug in waitfor" in told
    assert SECRET not in run.err + log.read_text()

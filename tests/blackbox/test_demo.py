"""The demo that ``make demo`` runs, as a newcomer sees it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_demo(waitfor_argv, tmp_path):
    """It shows the command line; name, port and health endpoint are each first not ready, then
    ready, one after another; then the command runs in waitfor's own process.
    """
    (tmp_path / "waitfor").symlink_to(shutil.which(waitfor_argv[0]))
    run = subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    shown, _, happened = run.stdout.partition("\nwaitfor: ")
    line = re.search(
        r"^  waitfor dns://(\S+/mydb) (\S+:\d+) http://(\S+/healthz) \\\n  -- sh -c ",
        shown,
        re.MULTILINE,
    )
    assert line, shown
    steps = re.findall(r"\w+://(\S+) is (not ready|ready)", happened)
    assert steps == [(each, how) for each in line.groups() for how in ("not ready", "ready")]
    started = re.search(
        r"^waitfor: all 3 targets ready .*\napplication started as process (\d+)$",
        run.stdout,
        re.MULTILINE,
    )
    assert started, run.stdout
    assert f"waitfor was started as process {started[1]} and" in run.stdout

"""A machine on which pods cannot be run is told why."""

import os
import subprocess
from pathlib import Path

import pytest

from pods import lab as module


def test_image_that_is_not_there(lab, monkeypatch):
    """Without the image one line says how to make it, and nothing is left behind."""
    before = set(os.listdir("/run/netns"))
    monkeypatch.setattr(module, "IMAGE", "localhost/nobody-made-this:1")
    with pytest.raises(module.CannotRun, match=r"^there is no image localhost/nobody-made-this:1"):
        module.Lab()
    assert set(os.listdir("/run/netns")) == before


def test_programs_that_are_not_there(monkeypatch):
    """Without the engines one line names them."""
    monkeypatch.setattr(module, "TOOLS", ("podman-of-tomorrow",))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(module.CannotRun, match=r"without podman-of-tomorrow: tests/pods/tools"):
        module.Lab()


def test_tools_that_may_not_be_installed(tmp_path):
    """The script names Debian's packages in one line, and fails."""
    for name, text in (("dpkg-query", "exit 1"), ("id", "echo 1000")):
        module.script(tmp_path / name, text)
    done = subprocess.run(
        [Path(__file__).with_name("tools")],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "apt-get install podman buildah" in done.stderr

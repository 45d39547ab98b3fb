"""The public face: what can be imported, what importing costs, what a type checker sees."""

import json
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest
from support.consumer import main
from support.servers import TcpServer, free_port

import waitfor


def fresh(code):
    """What a new interpreter prints."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


@pytest.mark.parametrize("name", waitfor.__all__)
def test_each_public_name_can_be_imported_alone(name):
    """Lazily, and it is where it says."""
    assert fresh(f"from waitfor import {name}; print({name!r} in dir(__import__('waitfor')))") == (
        "True"
    )


def test_a_star_imports_all_public_names():
    """And no other."""
    code = "from waitfor import *; print(*sorted(n for n in dir() if n[:2] != '__'))"
    assert fresh(code).split() == sorted(n for n in waitfor.__all__ if n != "__version__")


def test_public_names_are_sorted_and_documented():
    """help(waitfor) has words for each."""
    assert waitfor.__all__ == sorted(waitfor.__all__)
    for name in waitfor.__all__:
        assert name in ("Event", "__version__") or getattr(waitfor, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'waitfor' has no attribute 'wait_four'"):
        _ = waitfor.wait_four


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import waitfor", ["click", "asyncio", "httpx", "dns", "tenacity", "waitfor.api"]),
        ("from waitfor import NotReady", ["click", "asyncio", "httpx", "dns", "tenacity"]),
        ("from waitfor import wait_for", ["click", "httpx", "dns", "tenacity", "waitfor.cli"]),
        ("import waitfor.cli", ["httpx", "dns", "tenacity"]),
    ],
)
def test_an_import_brings_no_more_than_it_needs(code, absent):
    """Whoever imports the library pays for what is used."""
    loaded = json.loads(fresh(f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))"))
    assert [name for name in absent if name in loaded] == []


def test_the_package_says_that_it_is_typed():
    """py.typed is where type checkers look (PEP 561), and in what pip installed."""
    assert Path(waitfor.__file__).with_name("py.typed").is_file()
    named = [str(path) for path in files("waitfor") or ()]
    assert "waitfor/py.typed" in named or any("editable" in name for name in named)


def test_a_program_that_uses_the_library_works():
    """The one whose types are checked."""
    with TcpServer() as server:
        port = free_port()
        lines = main(f"127.0.0.1:{server.port}", f"127.0.0.1:{port}")
    assert lines == [
        "Looked",
        f"tcp://127.0.0.1:{server.port} ready",
        "ready",
        "Looked",
        f"tcp://127.0.0.1:{port} refused",
        "GaveUp",
        "gave-up",
        "gave-up",
        "'mydb': the port is missing: write HOST:PORT or dns://HOST; COMMAND stands behind --",
    ]

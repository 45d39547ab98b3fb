"""What the documents say is so: generated parts are fresh, examples run, outputs are real."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from support.servers import TcpServer, respond
from support.story import CLUSTER, NAMES, OK, story

from waitfor import cli
from waitfor.options import options
from waitfor.probes import SCHEMES, probe_class

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}


def blocks(language):
    """The fenced blocks of a language in all documents."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(name, block) for name, text in TEXTS.items() for block in fence.findall(text)]


def commands():
    """The calls of waitfor in all examples."""
    lines = {line for _, block in blocks("sh") for line in block.splitlines()}
    return sorted(line for line in lines if re.match(r"(\w+=\S+ |\w+=\".*\" )*waitfor ", line))


def outputs(name):
    """The examples of output of a name, in all documents."""
    fence = re.compile(rf"^<!-- output: {name} -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [found for text in TEXTS.values() for found in fence.findall(text)]


def steady(text):
    """An output without what differs from run to run: times and counts of looks."""
    text = re.sub(r'"time": "[^"]*"', '"time": TIME', text)
    text = re.sub(r'"(waited|timeout)": [\d.]+', r'"\1": SECONDS', text)
    text = re.sub(r'"looks": \d+', '"looks": N', text)
    text = re.sub(r"\b\d+ looks?\b", "N looks", text)
    return re.sub(r"\b(\d+h)?(\d+m)?(\d+(\.\d+)?m?s|\d+m)\b", "TIME", text)


def assert_documented(name, lines):
    """The documents show these lines, but for times."""
    real = "\n".join(lines) + "\n"
    shown = outputs(name)
    assert shown, f"no document has an output named {name}"
    for each in shown:
        assert steady(each) == steady(real), f"a real run says:\n{real}"


def test_what_is_generated_is_up_to_date():
    """docs/generate.py has nothing to write; if it has, `make docs` does it."""
    program = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


@pytest.mark.parametrize("line", commands())
def test_examples_of_commands(waitfor, tmp_path, line):
    """Each call of waitfor in the documents is one that waitfor understands."""
    authority = trustme.CA()
    (tmp_path / "ca.crt").write_bytes(authority.cert_pem.bytes())
    words = shlex.split(line.replace("/etc/ca", str(tmp_path)), comments=True)
    pipe = next((at for at, word in enumerate(words) if word in ("|", "2>&1")), len(words))
    at = words.index("waitfor")
    variables = dict(word.split("=", 1) for word in words[:at])
    arguments = words[at + 1 : pipe]
    if "--" in arguments:
        program = tmp_path / arguments[arguments.index("--") + 1]
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    if "--help" not in arguments:
        arguments = ["--dry-run", *arguments]
    run = waitfor(*arguments, env={**variables, "PATH": path}, cwd=tmp_path)
    assert (run.code, run.err) == (0, "")
    assert run.out


def test_there_are_examples():
    """The reading of the documents finds their examples."""
    assert len(commands()) > 20
    for scheme in SCHEMES:
        assert any(f"{scheme}://" in line for line in commands())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_option_is_in_the_reference(scheme):
    """The reference page of a kind has each option and each example of it."""
    page = TEXTS[f"docs/probes/{SCHEMES[scheme]}.md"]
    for name, about in options(probe_class(scheme)).items():
        assert f"`{name}=" in page
        assert about.help in page
    for target, _ in probe_class(scheme).EXAMPLES:
        assert f"waitfor '{target}'" in page


@pytest.mark.parametrize(("name", "block"), blocks("python"))
def test_examples_in_python(name, block, monkeypatch):
    """Each Python example runs, against targets that are ready."""
    with TcpServer() as tcp, TcpServer(respond(OK)) as http, story() as told:
        told.dns.script.update(NAMES)
        for variable, value in CLUSTER.items():
            monkeypatch.setenv(variable, value)
        block = re.sub(r"tcp://\w+:\d+", f"tcp://127.0.0.1:{tcp.port}", block)
        block = re.sub(r"http://\w+:\d+", f"http://127.0.0.1:{http.port}", block)
        block = block.replace("dns://", f"dns://127.0.0.1:{told.dns.port}/")
        exec(compile(block, name, "exec"), {"__name__": "__main__"})


def test_every_variable_is_documented():
    """Each environment variable that the code reads is in README.md's tables."""
    sources = "".join(path.read_text() for path in (ROOT / "waitfor").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", sources))
    read |= {str(each.envvar) for each in cli.command().params if each.envvar}
    # Those are a shell's, for completion.
    read -= {"COMP_WORDS", "COMP_CWORD"}
    assert {"WAITFOR_TARGETS", "WAITFOR_TIMEOUT", "RES_OPTIONS"} <= read
    assert {name for name in read if f"`{name}`" not in TEXTS["README.md"]} == set()


def test_links():
    """Each link to a file leads to one."""
    for path in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#:]+)\)", TEXTS[str(path.relative_to(ROOT))]):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_target_of_make_that_is_named_exists():
    """What the documents tell people to `make` can be made."""
    makefile = (ROOT / "Makefile").read_text()
    for text in TEXTS.values():
        for names in re.findall(r"(?:^    |`)make ((?:[a-z]+ ?)+)", text, re.MULTILINE):
            for name in names.split():
                assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_output_of_a_sequence(waitfor):
    """The example of targets that come up one after another is what a real run says."""
    with story() as told:
        process = waitfor.start(*told.targets, "--", "true", env=CLUSTER)
        lines = told.play(process)
    assert process.returncode == 0
    assert_documented("sequence", map(told.named, lines))


def test_output_of_a_deadline(waitfor):
    """The example of a wait that ends at its deadline is what a real run says, at its end."""
    with story() as told:
        told.dns.script.update(NAMES)
        run = waitfor("-t", "300ms", "--quiet", *told.targets, env=CLUSTER)
    assert run.code == 124
    assert_documented("deadline", map(told.named, run.lines))


def test_output_of_giving_up(waitfor):
    """The example of a wait that gives up is what a real run says."""
    with story() as told:
        run = waitfor("--fatal", "nxdomain", "--quiet", told.targets[0], env=CLUSTER)
    assert run.code == 1
    assert_documented("given up", map(told.named, run.lines))


def test_output_of_a_mistake(waitfor):
    """The example of a mistake is what waitfor says to it."""
    run = waitfor("tpc://mydb:5432")
    assert run.code == 2
    assert_documented("mistake", run.lines)


def test_output_as_json(waitfor):
    """The example of a JSON line is a line of a real run."""
    with story() as told:
        told.dns.script.update(NAMES)
        run = waitfor("-t", "200ms", "-o", "json", told.targets[1])
    assert json.loads(run.lines[0])["event"] == "not-ready"
    assert_documented("json", map(told.named, run.lines[:1]))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_as_documented(waitfor, shell):
    """What the page of completion says for a shell prints that shell's script."""
    assert f"_WAITFOR_COMPLETE={shell}_source waitfor" in TEXTS["docs/completion.md"]
    run = waitfor(env={"_WAITFOR_COMPLETE": f"{shell}_source"})
    assert run.code == 0
    assert "_waitfor_completion" in run.out

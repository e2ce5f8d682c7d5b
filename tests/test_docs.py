"""What the documents say works: links lead somewhere, commands parse, code runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from streamseg.capture import source_kind
from streamseg.config import make_options
from streamseg.infer.classical import METHODS
from streamseg.sinks import sink_kind
from streamseg.words import parser

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "streamseg").rglob("*.md")])
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("  #")[0].removeprefix("$ ").strip()
    for page in PAGES
    for line in page.read_text().splitlines()
    if line.startswith(("streamseg ", "$ streamseg "))
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_in_the_documents_are_understood(command: str) -> None:
    arguments = vars(parser().parse_args(shlex.split(command)[1:]))
    if "outputs" in arguments and arguments["source"]:
        assert source_kind(arguments["source"])
        assert all(sink_kind(output) for output in arguments["outputs"])
        names = {name: arguments[name] for name in ("source", "outputs", "model", "view") if arguments[name]}
        assert make_options(names)


def test_the_readme_names_every_classical_method() -> None:
    assert [name for name in METHODS if f"`{name}`" not in README and f"{name}" not in README] == []


def test_the_readmes_python_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace("rtsp://camera/1", "test://?frames=3")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("name", ["areas.py", "own_sink.py"])
def test_examples_run(name: str) -> None:
    command = [sys.executable, str(ROOT / "examples" / name), "test://?frames=3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout

"""What messages tell a person to type is understood, and leads on."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.commands import COMMANDS, guidance
from streamseg.commands.parser import parse, parser
from tests.parts import toy_models
from tests.parts.documents import ROOT
from tests.parts.program import environment, run_program

STANDS_FOR = {
    "SOURCE": "test://?frames=3",
    "PICTURES": "pictures",
    "MASKS": "masks",
    "MODEL": "person",
    "FILE": "model.onnx",
}
_COMMAND = re.compile(rf"streamseg (?:{'|'.join(COMMANDS)})\b[^`;)…\n]*")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def sentences() -> Iterator[str]:
    """Every text in the source but its docstrings; what is filled in reads `x`."""
    for path in sorted((ROOT / "streamseg").rglob("*.py")):
        tree = ast.parse(path.read_text())
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                parts.add(id(node.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(p.value) if isinstance(p, ast.Constant) else "x" for p in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                yield node.value


HINTS = sorted({found.strip(" .") for text in sentences() for found in _COMMAND.findall(text) if "usage" not in text})


@pytest.mark.parametrize("hint", HINTS)
def test_a_command_in_a_message_is_understood(hint: str) -> None:
    command = re.split(r"\s{2,}| shows | says | found | makes ", hint)[0]
    if len(words := shlex.split(command)) == 2:
        assert words[1] in parser().format_help()
        return
    for name, meant in STANDS_FOR.items():
        command = re.sub(rf"\b{name}\b", meant, command)
    assert parse(shlex.split(command)[1:]).command == words[1]


def test_a_flag_in_a_message_exists() -> None:
    known = set()
    for action in parser()._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        known |= set(action._option_string_actions)
    known |= {"--version"}
    known |= {"--index-url", "--no-cache-dir", "--find-links"}  # pip's
    known |= {"--model-repository", "--port"}  # of Triton and OVMS
    known |= {"--head"}  # Ray's
    known |= {"--cubin"}  # nvcc's
    known |= {"--saved-model", "--tflite"}  # tf2onnx's
    tried = guidance.PLACES.keys() | guidance.FLAGS.keys()  # each by itself; what is said instead is checked as all is
    named = {flag for text in sentences() if text not in tried for flag in _FLAG.findall(text)}
    assert named - known == set()


@pytest.mark.parametrize("flag", [*guidance.PLACES, *guidance.FLAGS])
def test_a_flag_of_other_programs_is_answered_and_none_of_our_own(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(["run", "0", flag, "x"])
    assert {**guidance.PLACES, **guidance.FLAGS}[flag] in capsys.readouterr().err


def said(pattern: str, done: subprocess.CompletedProcess[str]) -> str:
    """The command in what a run printed."""
    found = re.search(pattern, done.stdout + done.stderr)
    assert found, done.stdout + done.stderr
    return found[1]


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = environment(
        PATH=f"{Path(sys.executable).parent}:{environment()['PATH']}", STREAMSEG_MODELS=str(folder / "models")
    )
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("name", ["own.onnx", "my own (2) model's.onnx"])
def test_from_a_strange_model_to_masks_by_what_the_messages_say(name: str, tmp_path: Path) -> None:
    toy_models.segmenter(tmp_path / name)
    first = run_program("run", "test://?frames=3", "null", "--model", name, cwd=tmp_path)
    assert first.returncode == 2
    command = said(r"\((streamseg import .*)\)\n", first)
    if name != "own.onnx":  # which `--model` would not take
        command += f" {said('(--name) NAME', typed(command, tmp_path))} own"
    second = typed(command, tmp_path)
    assert second.returncode == 2
    third = typed(f"{command} {said(r'(--normalise) imagenet', second)} imagenet", tmp_path)
    assert third.returncode == 0, third.stderr
    last = typed(said(r"run it:  (streamseg run .*)\n", third).replace("SOURCE", "'test://?frames=3' null"), tmp_path)
    assert (last.returncode, "3 shown" in last.stderr) == (0, True), last.stderr


@pytest.mark.slow
def test_the_token_that_a_message_asks_for_is_long_enough(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("streams: {a: {source: 'test://', model: otsu}}\n")
    (tmp_path / "token").write_text("short")
    words = ["serve", "--config", "site.yaml", "--token-file", "token", "--listen", "localhost:0"]
    refused = run_program(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert typed(said(r"\((openssl .*)\)\n", refused), tmp_path).returncode == 0
    assert typed(f"timeout --preserve-status 6 streamseg {shlex.join(words)}", tmp_path).returncode == 0

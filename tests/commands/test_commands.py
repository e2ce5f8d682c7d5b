"""What holds for all commands: the table, their help, and what several of them refuse alike."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg import commands
from streamseg.cli import main
from streamseg.commands import COMMANDS, Command
from streamseg.commands.parser import parser
from streamseg.config import BACKEND_NAMES
from streamseg.convert.hints import NORMALISATIONS, PRESETS
from streamseg.convert.importer import Hints
from streamseg.infer.backends import BACKENDS, ON_REQUEST
from streamseg.infer.families import FAMILIES
from streamseg.options import VIEW_NAMES
from streamseg.render import VIEWS

FOLDER = Path(commands.__file__).parent
TWO_SCREENS = 60
HEAVY = ("numpy", "cv2", "av", "onnx", "onnxruntime", "rich", "tensorrt", "pycuda", "torch")


IN_USE = {
    "run": "--config --trust-engine --explain --quiet --overwrite --no-overwrite --model --set --backend --tiles "
    "--target --steady --no-steady --workers --threads --view --show --opacity --background --outline --no-outline "
    "--boxes --no-boxes --legend --no-legend --hud --no-hud --every --start --end --pixel-size --size --fps "
    "--pixel-format --transport --wait --no-wait --stall-timeout",
    "serve": "--config --listen --token-file --no-auth --allow-host --log",
    "models": "--json",
    "doctor": "--json",
    "import": "--overwrite --name --classes --colours --background --normalise --mean --std --colour --fit --layout "
    "--output --role --height --width --stride --licence",
    "train": "--data --out --folds --list",
    "export": "--overwrite --pictures --plan",
    "quantise": "--overwrite --for",
    "build": "--for --precision --out",
    "tune": "--for --pictures --with --least --seconds --json",
    "bench": "--clip --rounds --seconds --inference --ultralytics --json --plot --overwrite",
    "eval": "--only --parts --video --tiles --groups --fold --ids --json --sheet --overwrite",
    "compare": "--backends --pictures --layers --least --json",
    "completion": "",
}
"""What people's scripts may have: one that gets another name is still taken, and says so."""


def flags(name: str) -> dict[str, argparse.Action]:
    (below,) = (each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(below.choices[name]._option_string_actions)


def literals(kind: object) -> Iterator[str]:
    """The texts that a type takes, where those are all."""
    for part in typing.get_args(kind):
        yield from [part] if isinstance(part, str) else literals(part)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_every_file_that_is_a_command_stands_in_the_table() -> None:
    files = {path.stem for path in FOLDER.glob("*.py") if "\ndef add_flags(" in path.read_text()}
    assert files == {command.module for command in COMMANDS.values()}


def test_a_further_command_is_a_file_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "greet.py").write_text(
        "def add_flags(command):\n    command.add_argument('--to')\n\n\n"
        "def run(arguments):\n    print(arguments.to)\n    return 7\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    monkeypatch.setitem(COMMANDS, "greet", Command("greet", "greet a person"))
    assert main(["greet", "--to", "you"]) == 7
    assert capsys.readouterr().out == "you\n"
    assert "greet a person" in printed(capsys, "--help")
    del sys.modules["streamseg.commands.greet"]


@pytest.mark.parametrize("name", IN_USE)
def test_flags_that_are_in_use_are_still_taken(name: str) -> None:
    assert {*IN_USE[name].split(), "--help", "-h", "--debug"} - set(flags(name)) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_two_screens(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = printed(capsys, name, "--help").splitlines()
    assert len(lines) <= TWO_SCREENS
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_help_all_has_every_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    short = printed(capsys, name, "--help")
    everything = printed(capsys, name, "--help-all") if "--help-all" in flags(name) else short
    assert [flag for flag in flags(name) if not re.search(rf"(?<![\w-]){flag}\b", everything)] == []
    assert (name in ("run", "batch")) == (everything != short)


def test_help_names_choices_defaults_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(printed(capsys, "run", "--help-all").split())
    assert "what is shown: overlay, mask, side-by-side" in text
    assert "(default: overlay)" in text and "(default: 0.5)" in text and "(default: the best here)" in text
    assert "--stall-timeout SECONDS" in text and "--size WIDTHxHEIGHT" in text
    assert "how RTSP packets travel: tcp, udp (default: tcp)" in text
    for title in ("source:", "output:", "model:", "picture:", "speed:", "exit codes:"):
        assert title in text


def test_the_choices_in_help_are_those_that_there_are() -> None:
    assert tuple(VIEWS) == VIEW_NAMES
    assert set(BACKENDS | ON_REQUEST) == set(BACKEND_NAMES)
    shown = {action.dest: tuple(action.choices) for action in flags("import").values() if action.choices}
    assert shown.pop("normalise") == tuple(NORMALISATIONS)
    assert shown.pop("preset") == tuple(PRESETS)
    assert shown.pop("family") == tuple(FAMILIES)
    assert shown == {
        name: tuple(literals(kind)) for name, kind in typing.get_type_hints(Hints).items() if name in shown
    }
    assert shown.keys() == {"colour", "fit", "layout", "role", "upsample"}


def test_the_words_of_a_command_load_nothing_heavy() -> None:
    code = (
        "import sys; from streamseg.cli import main; from streamseg.commands.parser import parser\n"
        "parser().format_help(); main(['--help']); main(['run', '--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_next_to_nothing_is_loaded_before_signals_are_heard() -> None:
    code = (
        "import sys; import streamseg.cli; print(*sorted(name for name in sys.modules if name.startswith('streamseg')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    own = "streamseg streamseg.cli streamseg.errors streamseg.redaction streamseg.signals"
    assert done.stdout.split() == own.split(), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_flags_and_choices(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = printed(capsys, "completion", shell)
    for word in ("doctor", "side-by-side", "latency", "stall-timeout", "letterbox"):
        assert word in script


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("otsu", "'otsu' is a classical method"),
        ("person-pose", "person-pose: is several networks"),
        ("stret", "no model 'stret' (did you mean street"),
    ],
)
@pytest.mark.parametrize("command", ["quantise", "compare", "tune"])
def test_what_is_no_single_network_is_one_line(
    command: str, name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [str(tmp_path), str(tmp_path / "small.onnx")] if command == "quantise" else []
    assert main([command, name, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line

from __future__ import annotations

import pytest

from streamseg.cli import main
from streamseg.commands.parser import parse


@pytest.mark.parametrize("words", ["run {} --fps", "run 0 --colour={}", "models {}", "tune m --seconds {}"])
def test_no_password_is_repeated_in_a_line_about_words(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.format("rtsp://me:hunter2@camera/1") for word in words.split()]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "hunter2" not in line


def test_outputs_may_stand_behind_flags_and_names_behind_two_dashes() -> None:
    found = parse(["run", "a.mp4", "--model", "otsu", "b.mp4", "--quiet", "c.jsonl"])
    assert (found.source, found.outputs, found.model) == ("a.mp4", ["b.mp4", "c.jsonl"], "otsu")
    assert parse(["run", "--", "-a.mp4", "-"]).outputs == ["-"]
    for words in (
        ["a.mp4", "-?masks=none"],
        ["a.mp4", "--model", "otsu", "-?masks=none"],
        ["--", "a.mp4", "-?masks=none"],
    ):
        assert parse(["run", *words]).outputs == ["-?masks=none"]


def test_a_flag_without_its_value_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "0", "--model=--"]) == 2
    assert capsys.readouterr().err == "streamseg: --model=--: expected a value (see streamseg --help)\n"


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_what_needs_no_command_needs_none(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    assert "streamseg" in capsys.readouterr().out


def test_a_range_that_begins_with_a_minus_is_a_value() -> None:
    assert parse(["import", "a.onnx", "--normalise", "-1..1"]).normalise == "-1..1"

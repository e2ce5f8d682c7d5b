from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from streamseg.cli import main
from streamseg.commands.flags import Known, count, listed, rounds, seconds, share


@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        (share, ["0", "0.99", "1"], ["-0.1", "1.01", "nan", "x"]),
        (seconds, ["0.1", "86400"], ["0", "-1", "86401", "nan", "inf", "x"]),
        (count, ["1", "256"], ["0", "257", "x"]),
        (rounds, ["1", "1000"], ["0", "1001", "2.5", "x"]),
    ],
)
def test_numbers_have_limits(read: Callable[[str], float], right: list[str], wrong: list[str]) -> None:
    assert [read(text) for text in right] == [float(text) for text in right]
    for text in wrong:
        with pytest.raises((ValueError, argparse.ArgumentTypeError)):
            read(text)


def test_words_stand_between_commas_or_on_the_lines_of_a_file(tmp_path: Path) -> None:
    assert listed("sky, road,car") == ["sky", "road", "car"]
    path = tmp_path / "names.txt"
    path.write_text("sky\n\n road \n")
    assert listed(str(path)) == ["sky", "road"]
    assert listed("gone.txt") == ["gone.txt"]


def test_known_choices_are_named_and_others_are_left_to_who_uses_them() -> None:
    choices = Known(("rgb", "bgr"))
    assert list(choices) == ["rgb", "bgr"]
    assert "a package's own" in choices


def test_a_wrong_number_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "person", "--least", "7"]) == 2
    assert capsys.readouterr().err == (
        "streamseg: argument --least: 7: expected a number from 0 to 1 (see streamseg tune --help)\n"
    )


@pytest.mark.parametrize("words", [("plan", "--fps"), ("plan", "--cameras"), ("tune", "person", "--least")])
def test_what_is_no_number_is_said_without_the_names_of_functions(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "x"]) == 2
    said = (
        f"streamseg: argument {words[-1]}: expected a number in plain digits, not 'x' (see streamseg {words[0]} --help)"
    )
    assert capsys.readouterr().err == f"{said}\n"

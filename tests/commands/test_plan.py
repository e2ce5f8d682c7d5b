"""`streamseg plan`, with given figures and with measured ones."""

from __future__ import annotations

import json

import pytest

from streamseg.cli import main

GIVEN = ["plan", "--cameras", "200", "--cores", "8", "--frame-ms", "4", "--mask-ms", "30"]


def test_given_figures_are_worked_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GIVEN, "--server", "20", "3", "--keep", "7"]) == 0
    told = capsys.readouterr().out
    assert "given: 8 cores; 4.0 ms of a core for a frame, 30.0 ms for a mask" in told
    assert "boxes alone: 5, 42 cameras each; full first: the cores" in told
    assert "with servers: " in told
    assert "disk: 60.5 TB for 7 days" in told


def test_it_measures_what_is_not_given(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--cameras", "3", "--model", "otsu", "--size", "64x48", "--seconds", "0.1", "--json"]
    assert main(words) == 0
    found = json.loads(capfd.readouterr().out)
    figures = found["figures"]
    assert 0 < figures["frame_s"] < 1
    assert 0 < figures["mask_s"] < 1
    assert figures["pixels"] == 64 * 48
    assert found["alone"]["boxes"] * found["alone"]["cameras_a_box"] >= 3


def test_what_does_not_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--cameras", "3", "--cores", "1", "--frame-ms", "100", "--mask-ms", "30", "--server", "900", "100"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("not even one camera fits") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cores", "4"], "--cores, --frame-ms, --mask-ms: another machine's figures go together"),
        ([*GIVEN[3:], "--encode"], "--encode: is in --frame-ms, where that is given"),
        (["--size", "4x"], "--size 4x: expected WIDTHxHEIGHT"),
        (["--keep", "-1"], "--keep: -1: expected a number from 0 to 1000000"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--cameras", "2", *words]) != 0
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) <= 2

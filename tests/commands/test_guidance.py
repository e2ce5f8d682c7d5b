from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.commands.parser import parse
from tests.parts import clips
from tests.parts.program import run_program


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("webcam", "'webcam' is no command (did you mean: streamseg run 0)"),
        ("segment", "did you mean: streamseg run SOURCE"),
        ("rnu test://", "did you mean: streamseg run)"),
        ("quantize", "did you mean: streamseg quantise"),
        ("xyzzy", "`streamseg --help` lists the commands"),
        ("run --source 0", "unrecognised: --source (the source is the first word: streamseg run 0)"),
        ("run 0 --blur", "unrecognised: --blur (did you mean: --view blur)"),
        ("run 0 --output x.mp4", "outputs follow the source: streamseg run SOURCE out.mp4"),
        ("run 0 --opacitty=0.5", "did you mean: --opacity"),
        ("run 0 --device=cuda", "did you mean: --backend NAME"),
        ("models --jsn", "did you mean: --json"),
        ("run 0 --qqqq", "unrecognised: --qqqq (`streamseg COMMAND --help` lists the flags)"),
    ],
)
def test_a_wrong_first_try_ends_in_the_line_that_gets_one_going(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_bare_program_names_the_first_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([])
    assert ended.value.code == 2
    assert "\n  streamseg run 0  " in capsys.readouterr().err


def test_a_source_without_a_command_is_run(tmp_path: Path) -> None:
    film = str(clips.clip(tmp_path / "a.mp4", frames=2))
    words = ["0", "test://", "rtsp://camera/1", "-", film, str(tmp_path), "gone.mp4", "dash/*.mp4"]
    for source in words:
        found = parse([source, "out.mp4", "--model", "otsu"])
        assert (found.command, found.source, found.outputs) == ("run", source, ["out.mp4"])
        assert found.model == "otsu"


def test_a_file_named_as_a_command_is_still_that_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    assert parse(["models"]).command == "models"


WRONG_TRIES = {
    "": "streamseg run 0 ",
    "webcam": "streamseg run 0",
    "run": "(streamseg run 0 for a webcam, streamseg run film.mp4 for a film)",
    "run --source 0": "streamseg run 0",
    "run film.mp4 --blur": "--view blur",
    "run film.mp4 --output x.mp4": "streamseg run SOURCE out.mp4",
    "run film.mp4 null --model yolo.pt": "streamseg import FILE.onnx",
    "run yolo.pt": "streamseg import FILE.onnx",
    "yolo.tflite": "streamseg import FILE.onnx",
    "own.onnx": "streamseg run SOURCE --model own.onnx",
    "site.yaml": "streamseg run --config site.yaml",
    "run --config site.yaml": "streamseg serve --config site.yaml",
    "run film.mp4 null --background rde": "a colour is a name as 'red', or '#rrggbb'",
    "run film.mp4 null --size 1920*1080": "expected WIDTHxHEIGHT, such as 1280x720",
    "run film.mp4 null --view blrr": "did you mean blur?",
    "run film.mp4 null --target fast": "expected one of fps, latency, quality, power",
    "run 7 null --no-wait": "test:// is a generated scene",
    "--debug run film.mp4": "streamseg run SOURCE --debug",
    "eval person": "see streamseg eval --help",
}


@pytest.mark.parametrize("words", WRONG_TRIES)
def test_a_first_try_that_is_wrong_ends_in_one_line_that_gets_one_going(words: str, tmp_path: Path) -> None:
    clips.clip(tmp_path / "film.mp4", frames=2, size=(64, 48))
    (tmp_path / "site.yaml").write_text("streams: {a: {source: 'test://'}}\n")
    done = run_program(*words.split(), cwd=tmp_path)
    assert done.returncode == (3 if "--no-wait" in words else 2)
    assert WRONG_TRIES[words] in done.stderr
    assert len(done.stderr.splitlines()) == 1 or not words
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("film.mp4 null", ""),
        (
            "run film.mp4 null --fps 5",
            "film.mp4: a file keeps its own rate and size (--every N takes every n-th frame)",
        ),
        ("run film.mp4 null --view replace --background red", ""),
        ("run film.mp4 null --background red", "--background is only shown by --view replace"),
    ],
)
def test_a_first_try_that_works_says_what_of_it_is_not_seen(words: str, says: str, tmp_path: Path) -> None:
    clips.clip(tmp_path / "film.mp4", frames=2, size=(64, 48))
    done = run_program(*words.split(), "--model", "otsu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *remarks, summary = done.stderr.splitlines()
    assert "2 frames captured, 2 shown" in summary
    assert remarks == ([f"streamseg: {says}"] if says else [])

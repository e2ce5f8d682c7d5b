"""`streamseg import` at the door; what it makes of a model is in tests/convert."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from streamseg.cli import main
from streamseg.infer import load_segmenter, network_file
from tests.parts import toy_models
from tests.parts.program import run_program
from tests.test_cli import one_line
from tests.test_hostile import on_a_terminal


@pytest.mark.parametrize("name", ["best.pt", "model.tflite"])
def test_a_file_of_another_kind_is_told_what_to_do_first(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    said = one_line(run_program("import", tmp_path / name), 2)
    assert f"ONNX files, not {Path(name).suffix}" in said
    assert "streamseg import FILE.onnx" in said


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    return str(toy_models.segmenter(tmp_path / "toy.onnx", stride=4, size=(48, 64)))


def test_it_says_how_the_model_was_read(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", source, "--normalise", "ImageNet", "--fit", "Letterbox", "--classes", "a,b,c,d,e"]) == 0
    said, run = capsys.readouterr().out.splitlines()
    assert said.endswith(
        "toy.onnx: output 'scores' (1, 5, 12, 16): the highest of 5 planes of logits at 1/4 (enlarged first); input "
        "RGB, letterboxed (grey 116) to 64x48, normalised as for ImageNet; 5 classes (a, b, c, …)"
    )
    assert run == "run it:  streamseg run SOURCE --model toy"


def test_a_picture_shows_what_the_new_model_finds(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    cv2.imwrite("photo.png", picture)
    for name, more in (("a-check.png", []), ("a-check-2.png", []), ("a-check.png", ["--overwrite"])):
        words = ["import", source, "a.onnx", "--preset", "smp", "--check", "photo.png", *more]
        if name == "a-check-2.png":
            Path("a.onnx").unlink()
        assert main(words) == 0
        assert f"look at it:  {name}" in capsys.readouterr().out
        seen = cv2.imread(name)
        assert seen is not None and seen.shape == (180, 120, 3)
        assert (seen[:90] == picture).all() and (seen[90:] != picture).any()
    assert main(["import", source, "b.onnx", "--preset", "smp", "--check", "gone.png"]) == 2
    assert not Path("b.onnx").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--preset", "hugging"], "no preset 'hugging' (one of ultralytics, hf"),
        (["--colour", "grey", "--normalise", "0..1"], "takes 3 channels, not a grey picture"),
        (["--colour", "green"], "--colour: expected one of rgb, bgr, grey, not 'green'"),
        (["--colors", "#fff"], "--colours"),
        (["--upsample", "maybe"], "--upsample: expected one of yes, no"),
        (["--mean", "a,b"], "--mean[0]: expected a number"),
        (["--normalise", "0..1", "--classes", "nosuchfile.txt"], "nosuchfile.txt: no such file"),
        (["--normalise", "0..1", "--output", "score"], "expected output 'score', found scores"),
    ],
    ids=str,
)
def test_a_wrong_word_is_one_line(
    source: str, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["import", source, *flags])
    except SystemExit as left:
        code = int(str(left.code))
    said = capsys.readouterr().err
    assert code == 2 and words in said and "Traceback" not in said


def test_a_target_that_could_not_be_run_is_refused(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", source, "made.txt", "--normalise", "0..1"]) == 2
    assert "made.txt: a model's name ends in .onnx (made.onnx)" in capsys.readouterr().err
    assert not Path("made.txt").exists()
    Path("made.yaml").write_text("classes: [a, b]\noutputs: {logits: y}\n")
    assert main(["import", source, "made.onnx", "--normalise", "0..1"]) == 2
    assert (
        "made.yaml: counts before what is written into made.onnx, and does not fit it: made: "
        in capsys.readouterr().err
    )
    assert not Path("made.onnx").exists()
    Path("made.yaml").write_text(
        "classes: [a, b, c, d, e]\noutputs: {labels: streamseg_labels}\n"
        "input: {layout: NHWC, dtype: uint8, colour: bgr}\n"
    )
    assert main(["import", source, "made.onnx", "--normalise", "0..1"]) == 0
    assert load_segmenter("made.onnx").classes.names == ("a", "b", "c", "d", "e")


def test_a_model_called_as_a_method_is_called_by_that_name_everywhere(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", source, "--name", "edges", "--normalise", "0..1"]) == 0
    assert capsys.readouterr().out.endswith("--model edges\n")
    assert load_segmenter("edges").classes.names[0] == "class 0"
    assert network_file("edges").name == "edges.onnx"


def test_a_name_that_looks_like_a_flag_is_printed_as_a_path(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("-dash.onnx").write_bytes(Path(source).read_bytes())
    assert main(["import", "--normalise", "0..1", "--", "-dash.onnx"]) == 2
    assert "'-dash' cannot be a model's name" in capsys.readouterr().err
    assert main(["import", "--normalise", "0..1", "--", source, "-made.onnx"]) == 0
    assert "--model ./-made.onnx" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["-1", "+3", "0", "257"])
def test_a_number_of_classes_is_1_to_256(count: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", source, "made.onnx", "--normalise", "0..1", "--classes", count]) == 2
    assert f"{count} classes: a model has 1 to 256" in capsys.readouterr().err


def test_class_files_are_taken(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data.yaml").write_text("names: {0: v, 1: w, 2: x, 3: y, 4: z}\n")
    assert main(["import", source, "made.onnx", "--normalise", "0..1", "--classes", "data.yaml"]) == 0
    assert "5 classes (v, w, x, …)" in capsys.readouterr().out


@pytest.mark.parametrize("name", [".", "..", "../a", "a b", ""])
def test_a_name_is_one_that_it_can_be_called_by(name: str, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["import", source, "--normalise", "0..1", "--name", name])
    assert code == (2 if name else 0)  # none is the file's
    assert [path.name for path in Path("models").glob("*")] == ([] if name else ["toy.onnx"])


def test_a_terminal_obeys_no_name_in_a_model(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(source)
    model.graph.node[-1].output[0] = model.graph.output[0].name = "y\x1b[31m\nstreamseg: fine"
    onnx.save(model, source)
    assert main(["import", source, "made.onnx", "--normalise", "0..1", "--classes", "a\x1b[31m,b,c,d,e"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "output 'y\\x1b[31m\\nstreamseg: fine' (1, 5, " in first and "5 classes (a\\x1b[31m, b, c, …)" in first
    assert second.startswith("run it: ")
    assert main(["models", "--try", "made.onnx"]) == 0
    tried = capsys.readouterr().out
    assert "5 classes (a\\x1b[31m, b, c, …)" in tried and "\x1b" not in tried


def test_a_file_name_is_no_markup(source: str) -> None:
    name = "net[red].onnx"
    Path(source).rename(name)
    said = on_a_terminal(["import", name, "made.onnx", "--normalise", "0..1"], Path.cwd())
    assert "reading net[red].onnx" in said and "run it:  streamseg run SOURCE --model made.onnx" in said

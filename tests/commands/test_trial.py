"""`streamseg models --try`: what a model is, what it finds, and a picture of that."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from tests.convert.test_families import FORMS
from tests.parts import toy_models


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    return tmp_path


def tried(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["models", "--try", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_model_of_ours_is_told_of_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    what, scene, seen = tried(capsys, "person")
    assert "'streamseg_labels' (1, 256, 256) holds labels" in what
    assert "input BGR, stretched to 256x256" in what and "2 classes (background, person)" in what
    assert scene.startswith("test scene:  ") and scene.endswith("ms a picture of 1280x720")
    assert seen == "look at it:  person-try.png"
    picture = cv2.imread("person-try.png")
    assert picture is not None and picture.shape == (1440, 1280, 3)


def test_a_method_is_tried_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    what, scene, _ = tried(capsys, "otsu")
    assert what.startswith("otsu: ")
    assert "%" in scene


def test_a_file_that_was_never_imported_is_taken_as_an_import_would(capsys: pytest.CaptureFixture[str]) -> None:
    outputs, metadata, _ = FORMS["yolo"]
    toy_models.constant(Path("net.onnx"), outputs, (64, 64), metadata)
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    cv2.imwrite("photo.png", photo)
    what, scene, in_photo, _ = tried(capsys, "net.onnx", "--picture", "photo.png")
    assert what.startswith("net.onnx, not imported yet: YOLO (Ultralytics v8 and later)")
    assert "by metadata of Ultralytics" in what
    assert "1 square; " in scene
    assert in_photo == "photo.png:  1 square"
    seen = cv2.imread("net-try.png")
    assert seen is not None and (seen[:90] == photo).all() and (seen[90:] != photo).any()
    assert sorted(path.name for path in Path().iterdir()) == ["net-try.png", "net.onnx", "photo.png"]


def test_a_file_with_a_yaml_beside_it_is_what_that_says(capsys: pytest.CaptureFixture[str]) -> None:
    toy_models.segmenter(Path("net.onnx"), size=(None, None))
    Path("net.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255], side: 64}\n")
    what, scene, _ = tried(capsys, "net.onnx")
    assert what.startswith("net.onnx, by net.yaml: 'scores' (1, 5, free, free) holds logits; ")
    assert "stretched to 64 along the longer side, as 0 to 1; 5 classes (a, b, c, …)" in what
    assert "%" in scene


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--try", "net.onnx"], "--normalise"),
        (["--try", "perso"], "did you mean person"),
        (["--try", "person", "--picture", "gone.png"], "gone.png"),
        (["--picture", "photo.png"], "--try NAME"),
    ],
)
def test_what_is_missing_is_one_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    toy_models.segmenter(Path("net.onnx"))
    assert main(["models", *words]) == 2
    told = capsys.readouterr().err
    assert complaint in told and told.count("\n") == 1
    assert not list(Path().glob("*-try.png"))


def test_a_picture_that_is_there_stays_unless_it_may_go(capsys: pytest.CaptureFixture[str]) -> None:
    Path("otsu-try.png").write_bytes(b"mine")
    assert main(["models", "--try", "otsu"]) == 4
    assert "otsu-try.png: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert Path("otsu-try.png").read_bytes() == b"mine"
    tried(capsys, "otsu", "--overwrite")
    assert cv2.imread("otsu-try.png") is not None


def test_the_picture_that_is_looked_at_is_never_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    tried(capsys, "otsu")
    before = Path("otsu-try.png").read_bytes()
    assert main(["models", "--try", "otsu", "--picture", "otsu-try.png", "--overwrite"]) == 2
    assert "otsu-try.png: would write over what is read" in capsys.readouterr().err
    assert Path("otsu-try.png").read_bytes() == before

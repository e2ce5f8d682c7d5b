from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.evaluation.fold import folded
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from tests.parts import toy_models

FIVE = ("floor", "wall", "door", "person", "dog")
FOLD = {"room": ["floor", "wall", "door"], "alive": ["dog", "person"]}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    source = toy_models.segmenter(tmp_path / "toy.onnx", size=(64, 64))
    return import_model(source, tmp_path / "rooms.onnx", Hints(normalise="0..1", classes=FIVE)).file


def picture() -> np.ndarray:
    blots = np.random.default_rng(4).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(cv2.resize(blots, (64, 64), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_classes_that_are_put_together_are_one(model: Path) -> None:
    recipe = load_segmenter(str(model))
    (plain,), (found,) = (each.make(1)([Frame(picture(), 0, 0.0, 0.0)]) for each in (recipe, folded(recipe, FOLD)))
    np.testing.assert_array_equal(found.labels, plain.labels >= 3)
    assert found.classes.names == ("room", "alive")
    assert found.classes.colours.tolist() == recipe.classes.colours[[0, 4]].tolist()


def test_what_is_in_no_fold_is_no_class(model: Path) -> None:
    recipe = load_segmenter(str(model))
    (plain,), (found,) = (
        each.make(1)([Frame(picture(), 0, 0.0, 0.0)]) for each in (recipe, folded(recipe, {"wall": ["wall"]}))
    )
    np.testing.assert_array_equal(found.labels, np.where(plain.labels == 1, 0, 255))
    assert (found.labels == 255).any()


def test_the_command_judges_by_masks_that_know_fewer_classes(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (truth,) = folded(load_segmenter(str(model)), FOLD).make(1)([Frame(picture(), 0, 0.0, 0.0)])
    for folder, image in (("pictures", picture()), ("masks", truth.labels)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "0.png"), image)
    words = ["eval", str(model), str(tmp_path / "pictures"), str(tmp_path / "masks")]
    assert main([*words, "--fold", "room=floor,wall,door", "--fold", "alive=dog,person"]) == 0
    assert "toy on 1 pictures: mIoU 100.0 %" in capsys.readouterr().out
    assert main([*words, "--fold", "room"]) == 2
    assert "--fold room: expected NAME=CLASS,CLASS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fold", "said"),
    [({"a": ["cat"]}, "cat: no such class"), ({"a": ["dog"], "b": ["wall", "dog"]}, "dog: is in two of them")],
)
def test_a_wrong_fold_is_one_clear_line(model: Path, fold: dict[str, list[str]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        folded(load_segmenter(str(model)), fold)

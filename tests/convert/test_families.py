"""Networks for objects in the forms that exporters write, from one import to objects in a frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.segmentation import Instances
from tests.parts import toy_models

SIZE = (64, 64)
ANCHORS = 84
RANDOM = np.random.default_rng(5)
ULTRALYTICS = {"task": "segment", "names": "{0: 'disc', 1: 'square'}", "imgsz": "[64, 64]", "stride": "32"}


def anchors(masks: int = 0) -> NDArray[np.float32]:
    found = np.zeros((1, 4 + 2 + masks, ANCHORS), np.float32)
    found[0, :6, 5] = (20, 30, 16, 8, 0.1, 0.7)
    found[0, :6, 6] = (20, 31, 16, 8, 0.1, 0.6)
    found[0, 6:, 5] = 1
    return found


def rows(masks: int = 0) -> NDArray[np.float32]:
    found = np.zeros((1, 10, 6 + masks), np.float32)
    found[0, 3, :6] = (12, 26, 28, 34, 0.7, 1)
    found[0, 3, 6:] = 1
    return found


def prototypes(masks: int = 32) -> NDArray[np.float32]:
    return np.ones((1, masks, 16, 16), np.float32)


def boxes(path: Path) -> Instances:
    network = load_segmenter(str(path)).make(1)
    (found,) = network([Frame(np.zeros((64, 64, 3), np.uint8), 0, 0.0, 0.0)])
    network.close()
    assert found.instances is not None
    return found.instances


def yolo5() -> NDArray[np.float32]:
    found = np.zeros((1, 3 * ANCHORS, 4 + 1 + 2), np.float32)
    found[0, 3] = (20, 30, 16, 8, 0.7, 0.1, 1.0)
    return found


def maps() -> NDArray[np.float32]:
    found = np.zeros((1, 3, 32, 32), np.float32)
    found[0, 0, 13:17, 6:14] = 0.7
    found[0, 2, 14:16, 7:13] = 1
    return found


def oblong() -> NDArray[np.float32]:
    found = np.full((1, 2, 32, 32), -20, np.float32)
    found[0, :, 13:17, 6:14] = 20
    return found


FORMS: dict[str, tuple[dict[str, NDArray[Any]], dict[str, str], Hints]] = {
    "yolo": ({"output0": anchors(32), "output1": prototypes()}, ULTRALYTICS, Hints()),
    "yolo boxes": ({"output0": anchors()}, ULTRALYTICS | {"task": "detect"}, Hints()),
    "yolo without metadata": ({"output0": anchors()}, {}, Hints(classes=("disc", "square"))),
    "yolo-rows": ({"output0": rows(32), "output1": prototypes()}, ULTRALYTICS, Hints()),
    "yolo-rows boxes": ({"output0": rows()}, ULTRALYTICS | {"task": "detect"}, Hints()),
    "rt-detr-rows": (
        {"output0": np.array([[[20 / 64, 30 / 64, 0.25, 0.125, 0.7, 1], [0.5, 0.5, 1, 1, 0.2, 0]]], np.float32)},
        ULTRALYTICS | {"task": "detect", "head": "RTDETRDecoder"},
        Hints(),
    ),
    "yolo5": ({"output0": yolo5()}, {}, Hints(classes=("disc", "square"))),
    "rf-detr": (
        {
            "dets": np.array([[[20 / 64, 30 / 64, 0.25, 0.125]]], np.float32),
            "labels": np.array([[[-9.0, 0.8473, -9]]], np.float32),
            "masks": np.ones((1, 1, 16, 16), np.float32),
        },
        {},
        Hints(classes=("disc", "square")),
    ),
    "d-fine": (
        {
            "labels": np.array([[1, 0]], np.int64),
            "boxes": np.array([[[12, 26, 28, 34], [13, 26, 28, 34]]], np.float32),
            "scores": np.array([[0.7, 0.6]], np.float32),
            "masks": np.ones((1, 2, 16, 16), np.float32),
        },
        {},
        Hints(classes=("disc", "square")),
    ),
    "maskformer": (
        {
            "class_queries_logits": np.log(np.array([[[0.1, 0.7, 0.2], [0.1, 0.1, 0.8]]], np.float32)),
            "masks_queries_logits": oblong(),
        },
        {},
        Hints(family="maskformer", classes=("disc", "square")),
    ),
    "torchvision": (
        {
            "boxes": np.array([[12, 26, 28, 34]], np.float32),
            "labels": np.array([1], np.int64),
            "scores": np.array([0.7], np.float32),
            "masks": np.ones((1, 1, 64, 64), np.float32),
        },
        {},
        Hints(classes=("disc", "square", "background")),
    ),
    "watershed": ({"maps": maps()}, {}, Hints(family="watershed", classes=("square",))),
    "torchvision without a background": (
        {
            "boxes": np.array([[12, 26, 28, 34]], np.float32),
            "labels": np.array([2], np.int64),
            "scores": np.array([0.7], np.float32),
        },
        {},
        Hints(classes=("disc", "square")),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_imported_and_finds_its_object(tmp_path: Path, form: str) -> None:
    outputs, metadata, hints = FORMS[form]
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, SIZE, metadata)
    made = import_model(source, tmp_path / "made.onnx", hints)
    assert made.agreement == 1.0
    known = ["square"] if form == "watershed" else ["disc", "square"]
    assert sorted(made.spec.classes) == ["background", *known]
    assert made.spec.background == made.spec.classes.index("background")
    found = boxes(made.file)
    assert [made.spec.classes[i] for i in found.class_ids] == ["square"]
    assert found.scores.tolist() == pytest.approx([0.7], abs=1e-3)
    inner = 1 if form == "watershed" else 0  # seen closer, a map of 0.7 falls below what is an object inside its border
    assert found.boxes[0].tolist() == pytest.approx([12 + inner, 26 + inner, 28 - inner, 34 - inner], abs=1e-3)
    mask = found.mask(0, SIZE)
    assert mask[26 + inner : 34 - inner, 12 + inner : 28 - inner].all()


def test_what_the_exporter_wrote_into_the_file_is_enough(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["yolo"][0], SIZE, ULTRALYTICS)
    spec = import_model(source, tmp_path / "made.onnx").spec
    assert (spec.input.fit, spec.input.pad, spec.least_score, spec.overlap, spec.most) == (
        "letterbox", 114, 0.25, 0.7, 300,
    )  # fmt: skip
    assert (spec.family, spec.outputs) == ("yolo", {"anchors": "output0", "prototypes": "output1"})


def test_names_of_the_exporter_that_do_not_fit_are_laid_to_it(tmp_path: Path) -> None:
    metadata = ULTRALYTICS | {"names": "['disc', 'square', 'star']", "version": "8.4"}
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["yolo"][0], SIZE, metadata)
    said = r"toy\.onnx: metadata of Ultralytics 8\.4 names 3 classes, the graph has 2 \(--classes NAMES"
    with pytest.raises(InputError, match=said):
        import_model(source, tmp_path / "made.onnx")
    assert import_model(source, tmp_path / "made.onnx", Hints(classes=("a", "b"))).spec.classes[:2] == ("a", "b")


LIST = np.random.default_rng(1).uniform(0.2, 0.6, (1, 100, 4)).astype(np.float32)
LOGITS = np.random.default_rng(2).normal(0, 2, (1, 100, 2)).astype(np.float32)


def test_queries_without_a_word_of_their_exporter_are_asked_about(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", {"logits": LOGITS, "pred_boxes": LIST}, SIZE)
    with pytest.raises(
        InputError, match="do not show how scores are read.*--family queries for a sigmoid each .* or detr"
    ):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="imagenet"))
    for family in ("queries", "detr"):
        hints = Hints(normalise="imagenet", family=family)
        assert import_model(source, tmp_path / f"{family}.onnx", hints).spec.family == family


@pytest.mark.parametrize(
    ("kind", "family", "classes"),
    [("d_fine", "queries", ("a", "b")), ("deimv2", "queries", ("a", "b")), ("detr", "detr", ("a",))],
)
def test_queries_are_read_as_the_configuration_beside_them_tells(
    kind: str, family: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", {"logits": LOGITS, "pred_boxes": LIST}, SIZE)
    config = {"model_type": kind, "id2label": dict(enumerate(classes))}
    (tmp_path / "config.json").write_text(json.dumps(config))
    spec = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1")).spec
    assert (spec.family, spec.classes) == (family, (*classes, "background"))


@pytest.mark.parametrize(
    ("outputs", "hints", "complaint"),
    [
        ({"pred_boxes": LIST * 64, "pred_scores": LOGITS}, Hints(family="queries", normalise="0..1"), "pixels, and no"),
        (
            {"boxes": LIST, "scores": LIST[..., :2]},
            Hints(family="queries", normalise="0..1"),
            "classes are 0..1 already",
        ),
        ({"output0": np.resize(LIST, (1, 6, ANCHORS))}, Hints(), r"boxes are 0\.\.1: shares"),
        ({"output0": np.full((1, 6, ANCHORS), np.nan, np.float32)}, Hints(), "no numbers .NaN. as its anchors"),
        ({"output0": np.resize(LIST * 64, (1, 6, ANCHORS))}, Hints(), r"its scores are .* not 0 to 1"),
    ],
    ids=("pixels", "shares", "small", "nan", "logits"),
)
def test_boxes_and_scores_of_another_unit_are_refused(
    outputs: dict[str, NDArray[np.float32]], hints: Hints, complaint: str, tmp_path: Path
) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, SIZE)
    with pytest.raises(InputError, match=complaint):
        import_model(source, tmp_path / "made.onnx", hints)
    assert not (tmp_path / "made.onnx").exists()


def test_a_threshold_of_ones_own_stays(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["yolo"][0], SIZE, ULTRALYTICS)
    made = import_model(source, tmp_path / "made.onnx", Hints(threshold=0.9))
    assert len(boxes(made.file)) == 0


def test_a_list_input_without_a_batch_is_taken(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["torchvision"][0], SIZE, batch=False)
    made = import_model(source, tmp_path / "made.onnx", Hints(classes=("disc", "square", "background")))
    assert boxes(made.file).class_ids.tolist() == [1]


def test_a_family_that_a_person_names_needs_no_word_of_the_exporter(tmp_path: Path) -> None:
    outputs = {
        "pred_boxes": np.array([[[0.3, 0.5, 0.25, 0.1]]], np.float32),
        "logits": np.array([[[-9.0, 2, 0]]], np.float32),
    }
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, SIZE)
    made = import_model(source, tmp_path / "made.onnx", Hints(family="detr", classes=("disc", "square")))
    assert made.spec.family == "detr"
    assert boxes(made.file).scores.tolist() == pytest.approx([np.e**2 / (np.e**2 + 1 + np.e**-9)], abs=1e-3)


def test_coco_has_a_name_for_each_number_where_networks_count_by_categories(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["torchvision"][0], SIZE)
    names = import_model(source, tmp_path / "made.onnx", Hints(classes=("coco",))).spec.classes
    assert len(names) == 91
    assert (names[0], names[1], names[12], names[13], names[90]) == (
        "background", "person", "unused 12", "stop sign", "toothbrush",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("form", "hints", "complaint"),
    [
        ("yolo", Hints(classes=("a", "b", "c")), "expected 2 class names, found 3"),
        ("yolo", Hints(classes=("a",)), "expected 2 class names, found 1"),
        ("torchvision", Hints(), "do not tell how many classes"),
        ("yolo", Hints(family="detr"), "are not those of DETR"),
        ("yolo", Hints(family="yoyo"), "no family 'yoyo'"),
        ("yolo", Hints(threshold=2.0), "--threshold 2: expected 0 to 1"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path: Path, form: str, hints: Hints, complaint: str) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", *FORMS[form][:1], SIZE, FORMS[form][1])
    with pytest.raises(InputError, match=complaint):
        import_model(source, tmp_path / "made.onnx", hints)
    assert not (tmp_path / "made.onnx").exists()


def test_the_last_line_says_what_it_was_taken_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = toy_models.constant(tmp_path / "toy.onnx", FORMS["yolo"][0], SIZE, ULTRALYTICS)
    assert main(["import", str(source), str(tmp_path / "made.onnx"), "--family", "yolo", "--threshold", "0.4"]) == 0
    said = capsys.readouterr().out
    assert "YOLO (Ultralytics v8 and later)" in said
    assert "from a score of 0.4 that overlap by less than 0.7" in said
    assert "letterboxed (grey 114) to 64x64" in said

"""What a person, a preset and the exporter's own files tell, and whose word counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from streamseg.convert.class_names import DATASETS, class_names, expanded
from streamseg.convert.hints import NORMALISATIONS, PRESETS, Hints, filled, normalisation
from streamseg.convert.importer import import_model
from streamseg.convert.neighbours import read_neighbours
from streamseg.errors import InputError
from tests.parts import toy_models

IMAGENET = NORMALISATIONS["imagenet"]
PROCESSOR = {"do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def test_means_in_shares_of_one_are_taken_as_such() -> None:
    hints = Hints(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert normalisation(hints, "rgb") == IMAGENET
    assert normalisation(Hints(mean=(0.5,), std=(0.5,)), "rgb") == NORMALISATIONS["-1..1"]
    assert normalisation(Hints(mean=(0.0,), std=(255.0,)), "rgb") == NORMALISATIONS["0..1"]
    assert normalisation(Hints(mean=(104.0, 117.0, 123.0)), "bgr") == ((104.0, 117.0, 123.0), (1.0,))
    with pytest.raises(InputError, match=r"--normalise 0\.\.1, or none"):
        normalisation(Hints(mean=(0.0,), std=(1.0,)), "rgb")


def test_a_persons_word_counts_before_others_and_normalisation_is_one_word() -> None:
    told = Hints(normalise="imagenet", fit="letterbox", pad=114, stride=32)
    assert filled(Hints(mean=(1.0,), fit="crop"), told) == Hints(mean=(1.0,), fit="crop", pad=114, stride=32)
    assert filled(Hints(), told) == told


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_leaves_nothing_to_ask_of_a_plain_network(name: str, tmp_path: Path) -> None:
    made = import_model(toy_models.segmenter(tmp_path / "a.onnx"), tmp_path / "b.onnx", Hints(preset=name))
    assert f"by --preset {name}" in made.assumed
    assert made.spec.input.fit == ("letterbox" if name == "ultralytics" else "stretch")
    assert made.spec.input.pad == (114 if name == "ultralytics" else 116)


def test_data_sets_have_as_many_names_as_networks_have_planes() -> None:
    assert {name: len(names) for name, names in DATASETS.items()} == {
        "coco": 80, "ade20k": 150, "cityscapes": 19, "voc": 21,
    }  # fmt: skip
    assert all(len(set(names)) == len(names) for names in DATASETS.values())
    assert class_names(("ADE20K",), 150)[12] == "person"
    assert class_names(("ade20k",), 151)[:2] == ("background", "wall")
    assert class_names(("voc",), 20)[0] == "aeroplane"
    assert class_names(("voc",), 21)[15] == "person"
    with pytest.raises(InputError, match="expected 20 class names"):
        class_names(("cityscapes",), 20)


def test_one_word_may_be_how_many_there_are_or_the_object_of_one_plane() -> None:
    assert expanded(("3",)) == ("class 0", "class 1", "class 2")
    assert class_names(("road",), 2, one_plane=True) == ("background", "road")
    with pytest.raises(InputError, match="expected 2 class names"):
        class_names(("road",), 2)
    with pytest.raises(InputError, match=r"nosuchfile\.txt: no such file"):
        expanded(("nosuchfile.txt",))
    with pytest.raises(InputError, match="a model has 1 to 256"):
        expanded(("0",))


def ultralytics(path: Path, task: str, **more: str) -> Path:
    model = onnx.load(toy_models.segmenter(path, classes=2, size=(None, None)))
    names = str({0: "disc", 1: "square"})
    told = {"task": task, "names": names, "imgsz": "[64, 96]", "stride": "32", "version": "8.4.190"}
    onnx.helper.set_model_props(model, {**told, "license": "AGPL-3.0", **more})
    onnx.save(model, path)
    return path


def test_ultralytics_metadata_leaves_nothing_to_ask(tmp_path: Path) -> None:
    made = import_model(ultralytics(tmp_path / "a.onnx", "semantic"), tmp_path / "b.onnx")
    spec = made.spec
    assert (spec.classes, spec.licence) == (("disc", "square"), "AGPL-3.0")
    assert (spec.input.height, spec.input.width, spec.input.fit, spec.input.pad) == (64, 96, "letterbox", 114)
    assert "letterboxed (grey 114) to 96x64, as 0 to 1" in made.assumed
    assert "by metadata of Ultralytics 8.4.190" in made.assumed


@pytest.mark.parametrize("task", ["pose", "depth"])
def test_ultralytics_networks_for_other_things_are_named(task: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"looks like YOLO {task} estimation \(Ultralytics\)") as caught:
        import_model(ultralytics(tmp_path / "a.onnx", task), tmp_path / "b.onnx", Hints(role="logits"))
    assert "config.json" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"names": "{0: 'a'"}, {"names": "[]" * 999}, {"imgsz": "x"}, {"stride": "many"}], ids=str
)
def test_metadata_that_cannot_be_read_is_said(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Ultralytics metadata cannot be read"):
        import_model(ultralytics(tmp_path / "a.onnx", "semantic", **wrong), tmp_path / "b.onnx")


@pytest.mark.parametrize(("resample", "word"), [(3, "bicubic"), (0, "nearest"), (2, "")])
def test_another_way_of_resizing_is_said(tmp_path: Path, resample: int, word: str) -> None:
    processor = {**PROCESSOR, "size": {"height": 64, "width": 96}, "resample": resample}
    said = import_model(hugging_face(tmp_path, processor), tmp_path / "b.onnx").assumed
    assert ("which resizes" in said) == bool(word)
    assert word in said


def hugging_face(folder: Path, processor: dict[str, Any], **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    names = {str(i): f"thing {i}" for i in range(5)}
    (folder / "config.json").write_text(json.dumps({"model_type": "segformer", "id2label": names, **config}))
    return toy_models.segmenter(folder / "model.onnx", size=(None, None))


def test_hugging_faces_files_leave_nothing_to_ask(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, {**PROCESSOR, "size": {"height": 64, "width": 96}})
    made = import_model(source, tmp_path / "b.onnx")
    assert made.spec.classes[4] == "thing 4"
    assert "stretched to 96x64, normalised as for ImageNet" in made.assumed
    assert made.assumed.endswith("by config.json, preprocessor_config.json")
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "config.json").read_bytes())
    assert import_model(source, tmp_path / "marked.onnx").spec.classes[4] == "thing 4"
    deeper = tmp_path / "onnx" / "model.onnx"
    deeper.parent.mkdir()
    source.rename(deeper)
    assert import_model(deeper, tmp_path / "c.onnx").spec.classes[4] == "thing 4"


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"do_rescale": True, "do_normalize": False}, ((0.0,), (255.0,))),
        ({"do_rescale": True, "rescale_factor": 0.00784313725490196, **PROCESSOR}, None),
        ({"do_normalize": True, "image_mean": 0.5, "image_std": 0.5}, ((127.5,), (127.5,))),
        ({"do_rescale": False, "do_normalize": False}, ((0.0,), (1.0,))),
    ],
    ids=str,
)
def test_a_processors_numbers_become_those_of_bytes(processor: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    found = normalisation(read_neighbours(hugging_face(tmp_path, processor), {}, Hints()).hints, "rgb")
    assert found is not None
    if expected is None:
        expected = tuple(tuple(value / 2 for value in values) for values in IMAGENET)
    assert found[0] == pytest.approx(expected[0]) and found[1] == pytest.approx(expected[1])


@pytest.mark.parametrize(
    "kind", ["MobileViTImageProcessor", "MobileViTImageProcessorFast", "MobileViTFeatureExtractor"]
)
def test_what_a_processors_file_leaves_out_is_what_its_class_does(kind: str, tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx")
    where = "feature_extractor_type" if kind.endswith("Extractor") else "image_processor_type"
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(half | {where: kind}))
    hints = read_neighbours(source, {}, Hints()).hints
    assert (hints.mean, hints.std, hints.colour) == ((0.0,), (255.0,), "bgr")
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(half | {where: kind, "do_normalize": True, "do_flip_channel_order": False})
    )
    hints = read_neighbours(source, {}, Hints()).hints
    assert (hints.mean, hints.std, hints.colour) == ((127.5,) * 3, (127.5,) * 3, None)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps(half | {"image_processor_type": "BeitImageProcessor"})
    )
    assert read_neighbours(source, {}, Hints()).hints.mean == (127.5,) * 3


def test_a_neighbour_that_is_not_this_models_is_asked_about(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, PROCESSOR, id2label={"0": "cat", "1": "dog"})
    with pytest.raises(InputError, match=r": config\.json names 2 classes, the graph has 5 .--classes"):
        import_model(source, tmp_path / "b.onnx")
    assert import_model(source, tmp_path / "b.onnx", Hints(classes=("5",))).spec.classes[4] == "class 4"


def test_query_networks_are_named_by_their_config(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, PROCESSOR, model_type="mask2former")
    with pytest.raises(InputError, match="looks like Mask2Former"):
        import_model(source, tmp_path / "b.onnx")


@pytest.mark.parametrize("text", ["{", "[]", '{"id2label": {"1": "a"}, "model_type": 3}', '{"size": {"height": "x"}}'])
def test_broken_neighbours_never_end_in_a_traceback(text: str, tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "model.onnx")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        import_model(source, tmp_path / "b.onnx")


BROKEN = {"image_mean": "much", "image_std": [0.2] * 3, "do_normalize": True}


@pytest.mark.parametrize(
    "given", [Hints(normalise="0..1"), Hints(preset="hf"), Hints(mean=(0.5,), std=(0.5,))], ids=str
)
def test_a_broken_file_beside_it_is_left_aside_where_a_person_says_it(
    given: Hints, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = hugging_face(tmp_path, BROKEN)
    with pytest.raises(InputError, match="preprocessor_config.json beside it cannot be understood .*--normalise"):
        import_model(source, tmp_path / "b.onnx")
    made = import_model(source, tmp_path / "b.onnx", given)
    assert made.spec.classes[4] == "thing 4"
    assert made.assumed.endswith("config.json") and "preprocessor" not in made.assumed
    assert "preprocessor_config.json beside it cannot be understood: left aside" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_mean": [0.5] * 2},
        {"image_mean": []},
        {"image_mean": [float("nan")] * 3},
        {"image_std": [0.0, 0.5, 0.5]},
        {"image_std": [-0.5] * 3},
        {"size": {"height": -4, "width": 64}},
        {"size": {"height": 0, "width": 64}},
    ],
    ids=str,
)
def test_numbers_of_a_processor_that_mean_nothing_are_laid_to_its_file(wrong: dict[str, Any], tmp_path: Path) -> None:
    source = hugging_face(tmp_path, {**PROCESSOR, **wrong})
    with pytest.raises(InputError, match=r"preprocessor_config\.json beside it cannot be understood"):
        import_model(source, tmp_path / "b.onnx")
    assert import_model(source, tmp_path / "b.onnx", Hints(preset="hf")).agreement == 1.0


@pytest.mark.parametrize("name", ["0", "3", "coco", "-1"])
def test_a_networks_only_class_may_be_called_as_people_say_something_else(name: str, tmp_path: Path) -> None:
    told = read_neighbours(tmp_path / "a.onnx", {"names": repr({0: name}), "task": "detect"}, Hints())
    assert told.hints.classes == (f"class {name}",)
    assert expanded(told.hints.classes) == told.hints.classes


def test_classes_without_a_name_get_one(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, PROCESSOR, id2label={"0": "cat", "1": "", "2": None, "3": "dog", "4": "cow"})
    assert import_model(source, tmp_path / "b.onnx").spec.classes == ("cat", "class 1", "class 2", "dog", "cow")


def test_names_that_are_broken_are_left_aside_where_a_person_gives_them(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, PROCESSOR, id2label={"0": "cat", "2": "dog"})
    with pytest.raises(InputError, match="no label '1' in id2label .--classes"):
        import_model(source, tmp_path / "b.onnx")
    assert import_model(source, tmp_path / "b.onnx", Hints(classes=("5",))).spec.classes[4] == "class 4"
    metadata = {"names": "{0: 'a'", "task": "semantic"}
    with pytest.raises(InputError, match="Ultralytics metadata cannot be read"):
        read_neighbours(source, metadata, Hints())
    assert read_neighbours(source, metadata, Hints(classes=("5",))).hints.fit == "letterbox"


def test_names_of_others_are_fit_to_be_shown(tmp_path: Path) -> None:
    told = read_neighbours(tmp_path / "a.onnx", {"names": repr({0: "a\x1b[31m", 1: "b" * 9000}), "task": "x"}, Hints())
    assert told.hints.classes == ("a\\x1b[31m", "b" * 100)


def test_means_of_shares_for_pictures_of_bytes_are_asked_about(tmp_path: Path) -> None:
    source = hugging_face(tmp_path, {**PROCESSOR, "do_rescale": False, "do_normalize": True})
    with pytest.raises(InputError, match="does not tell how its pictures were normalised"):
        import_model(source, tmp_path / "b.onnx")


@pytest.mark.parametrize(
    ("mean", "std"), [((0.485, 0.456, 0.406), (58.4, 57.1, 57.4)), ((123.7, 116.3, 103.5), (0.229, 0.224, 0.225))]
)
def test_means_and_deviations_are_of_one_unit(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="of different units"):
        normalisation(Hints(mean=mean, std=std), "rgb")


def test_caffes_means_go_without_deviations() -> None:
    assert normalisation(Hints(mean=(104.0, 117.0, 123.0), std=(1.0,)), "bgr") == ((104.0, 117.0, 123.0), (1.0,))

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.convert.hints import NORMALISATIONS
from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from tests.parts import toy_models

FIVE = ("floor", "wall", "door", "person", "dog")


def clip(n: int = 12) -> list[Frame]:
    """A bright square that walks over a textured floor."""
    floor = np.random.default_rng(7).integers(0, 120, (48, 64, 3), dtype=np.uint8)
    frames = []
    for i in range(n):
        image = cv2.GaussianBlur(floor, (5, 5), 0)
        image[10:30, 4 * i : 4 * i + 16] = (40, 220, 255)
        frames.append(Frame(image.astype(np.uint8), i, i / 30, 0.0))
    return frames


def textbook(model: Path, image: NDArray[np.uint8], mean: Any, std: Any) -> NDArray[Any]:
    session = ort.InferenceSession(str(model))
    rgb = cv2.resize(image, (32, 24))[..., ::-1]
    values = (rgb.astype(np.float32) - np.float32(mean)) / np.float32(std)
    (scores,) = session.run(None, {"image": values.transpose(2, 0, 1)[None].astype(np.float32)})
    labels: NDArray[Any] = scores[0].argmax(0)
    return labels


@pytest.mark.parametrize("preset", ["imagenet", "0..1", "-1..1", "none"])
def test_an_imported_model_gives_the_textbooks_labels_on_every_frame(tmp_path: Path, preset: str) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise=preset, classes=FIVE))
    network = load_segmenter(str(made.file)).make(1)
    for frame in clip():
        (found,) = network([frame])
        np.testing.assert_array_equal(found.labels, textbook(source, frame.image, *NORMALISATIONS[preset]))
    assert made.agreement == 1.0


SHAPES: list[dict[str, Any]] = [
    {"layout": "NHWC"},
    {"batch": 3},
    {"batch": None},
    {"size": (None, None)},
    {"batch": None, "size": (None, None), "layout": "NHWC"},
    {"size": (None, 32)},
    {"channels": 1},
    {"dtype": "float16"},
    {"dtype": "float16", "layout": "NHWC"},
    {"dtype": "uint8"},
    {"stride": 4},
    {"opset": 9},
    {"opset": 11},
    {"kind": "labels"},
    {"kind": "probability"},
    {"kind": "probability", "layout": "NHWC", "batch": None},
    {"classes": 2},
    {"classes": 150},
    {"classes": 150, "size": (128, 128)},
    {"classes": 40, "size": (64, 64), "stride": 4, "layout": "NHWC"},
    {"classes": 30, "size": (64, 64), "stride": 4, "batch": None},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_networks_of_every_shape_take_bytes_and_give_bytes(tmp_path: Path, shape: dict[str, Any]) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", **shape)
    labelled = shape.get("kind") == "labels"
    planes = 2 if shape.get("kind") == "probability" else shape.get("classes", 5)
    made = import_model(
        source,
        tmp_path / "made.onnx",
        Hints(normalise="imagenet", classes=FIVE if labelled else None)
        if shape.get("channels") != 1
        else Hints(normalise="-1..1"),
    )
    assert made.agreement > 0.999
    assert len(made.spec.classes) == planes
    onnx.checker.check_model(onnx.load(made.file), full_check=True)
    session = ort.InferenceSession(str(made.file))
    (entry,), results = session.get_inputs(), session.get_outputs()
    assert entry.type == "tensor(uint8)" and {r.type for r in results} == {"tensor(uint8)"}
    before = ort.InferenceSession(str(source)).get_inputs()[0].shape
    rows, columns = before[2:] if shape.get("layout") != "NHWC" else before[1:3]
    kept = [isinstance(side, int) for side in (before[0], rows, columns)]
    assert [isinstance(side, int) for side in entry.shape[:3]] == kept
    assert [r.name for r in results] == ["streamseg_labels", "streamseg_confidence"][: len(results)]
    assert len(results) == (2 if shape.get("kind") == "probability" else 1)
    segmentations = load_segmenter(str(made.file)).make(1)(clip(4))
    assert [s.frame_index for s in segmentations] == [0, 1, 2, 3]
    assert all(s.labels.max() < len(made.spec.classes) for s in segmentations)


@pytest.mark.parametrize(("classes", "side", "stride"), [(150, 256, 4), (171, 256, 8), (19, 19, 1)])
def test_classes_are_found_where_there_are_more_of_them_than_columns(
    tmp_path: Path, classes: int, side: int, stride: int
) -> None:
    for layout in ("NCHW", "NHWC"):
        source = toy_models.segmenter(
            tmp_path / "toy.onnx", classes=classes, size=(side, side), stride=stride, layout=layout
        )
        made = import_model(source, tmp_path / f"{layout}.onnx", Hints(normalise="0..1"))
        assert len(made.spec.classes) == classes


def test_classes_are_found_where_the_graph_leaves_its_sides_open(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", classes=150, size=(None, None), stride=4)
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1", layout="NCHW"))
    assert len(made.spec.classes) == 150


def test_names_given_twice_are_told_apart(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", classes=3)
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1", classes=("bar", "door", "bar")))
    assert made.spec.classes == ("bar", "door", "bar 2")


def test_one_plane_without_a_sigmoid_gets_one(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", kind="raw")
    with pytest.raises(InputError, match="--role probability, or --role logits"):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1", role="logits"))
    (found,) = load_segmenter(str(made.file)).make(1)(clip(1))
    assert found.confidence is not None and found.confidence.min() >= 127
    assert made.spec.classes == ("background", "object") and made.spec.background == 0


def test_blue_green_red_networks_are_fed_so(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    made = import_model(source, tmp_path / "bgr.onnx", Hints(normalise="imagenet", colour="bgr"))
    other = import_model(source, tmp_path / "rgb.onnx", Hints(normalise="imagenet"))
    labels = [load_segmenter(str(m.file)).make(1)(clip(1))[0].labels for m in (made, other)]
    assert made.agreement == 1.0
    assert np.any(labels[0] != labels[1])


def test_weights_beside_the_model_move_into_it(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(toy_models.weights_bytes())
    source = toy_models.external(tmp_path / "toy.onnx", "weights.bin")
    made = import_model(source, tmp_path / "made" / "toy.onnx", Hints(normalise="0..1"))
    (tmp_path / "weights.bin").unlink()
    assert load_segmenter(str(made.file)).make(1)(clip(1))[0].labels.shape == (24, 32)


def test_without_a_target_a_model_gets_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "mine"))
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    made = import_model(source, None, Hints(name="avenue", normalise="0..1", licence="MIT"))
    assert made.file == tmp_path / "mine" / "avenue.onnx"
    assert [file.name for file in made.file.parent.iterdir()] == ["avenue.onnx"]
    assert load_segmenter("avenue").classes.names == tuple(f"class {i}" for i in range(5))


@pytest.mark.parametrize(
    ("made", "hints", "message"),
    [
        ({}, {}, r"--normalise imagenet, 0\.\.1, -1\.\.1, none; or --mean and --std"),
        ({}, {"normalise": "imagnet"}, "no normalisation 'imagnet'"),
        ({}, {"normalise": "0..1", "classes": ("a", "b")}, "expected 5 class names for 5 channels, found 2"),
        ({}, {"normalise": "0..1", "output": "aux"}, "expected output 'aux', found scores"),
        (
            {"second_output": True},
            {"normalise": "0..1"},
            r"several outputs \(scores \(1, 5, 24, 32\), other .*--output",
        ),
        ({"channels": 4}, {"normalise": "0..1"}, "takes 4 channels: frames have 3"),
        ({"channels": 1}, {"normalise": "imagenet"}, "`mean` needs one number.* for grey"),
        ({"channels": 1}, {}, r"--normalise 0\.\.1, -1\.\.1, none; or"),
        ({"kind": "labels"}, {"normalise": "0..1", "classes": ("a", "b")}, "expected 5 class names.*found 2"),
        ({}, {"normalise": "0..1", "preset": "smb"}, "no preset 'smb' .one of ultralytics, hf"),
        ({}, {"normalise": "0..1", "mean": (1.0,)}, "either a normalisation by its name, or by mean and std"),
        ({}, {"normalise": "0..1", "height": 48}, "its height is fixed at 24, not 48"),
        ({"kind": "raw"}, {}, "normalised; output 'scores' is one plane.*--mean and --std; --role probability"),
        ({"kind": "labels"}, {"normalise": "0..1", "role": "logits"}, "cannot be logits"),
        ({}, {"normalise": "0..1", "role": "probability"}, "cannot be probability"),
        ({}, {"mean": (1.0,), "std": (0.0,)}, "`std` must be above 0"),
        ({}, {"normalise": "0..1", "background": 9}, "`background` must be 0 to 4"),
        ({}, {"normalise": "0..1", "colours": ("#000000",)}, "1 colours for 5 classes"),
    ],
)
def test_what_cannot_be_known_is_asked_for_in_one_line(
    tmp_path: Path, made: dict[str, Any], hints: dict[str, Any], message: str
) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", **made)
    with pytest.raises(InputError, match=message) as caught:
        import_model(source, tmp_path / "out.onnx", Hints(**hints))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.onnx").exists()


def test_a_graph_of_which_nothing_or_no_tensor_comes_out_is_refused_by_name(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    model = onnx.load(source)
    del model.graph.output[:]
    onnx.save(model, source)
    with pytest.raises(InputError, match=r"toy\.onnx: nothing comes out of it"):
        import_model(source, tmp_path / "out.onnx", Hints(normalise="0..1"))
    kind = onnx.helper.make_tensor_sequence_value_info("list", onnx.TensorProto.FLOAT, None)
    model.graph.output.append(kind)
    onnx.save(model, source)
    with pytest.raises(InputError, match=r"toy\.onnx: 'list' is not a tensor of numbers"):
        import_model(source, tmp_path / "out.onnx", Hints(normalise="0..1"))


def test_a_model_is_not_imported_twice_nor_over_itself(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
    with pytest.raises(InputError, match="was imported already"):
        import_model(made.file, tmp_path / "again.onnx", Hints(normalise="0..1"))
    with pytest.raises(InputError, match="would overwrite the model itself"):
        import_model(source, source, Hints(normalise="0..1"))


def test_a_model_that_exists_is_imported_over_only_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    target = tmp_path / "models" / "toy.onnx"
    words = ["import", str(source), "--normalise", "0..1"]
    assert main(words) == 0
    before = target.read_bytes()
    capsys.readouterr()
    assert main([*words, "--colour", "bgr"]) == 4
    assert "toy.onnx: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert target.read_bytes() == before
    assert main([*words, "--colour", "bgr", "--overwrite"]) == 0
    assert target.read_bytes() != before
    assert list(target.parent.iterdir()) == [target]


def test_a_graft_that_is_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.convert.surgery._channels", lambda values: np.full((1, 1, 1, 1), 7, np.float32))
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    with pytest.raises(InputError, match="other labels than the model itself"):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="imagenet"))
    assert list(tmp_path.iterdir()) == [source]


def test_junk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"no model at all")
    with pytest.raises(InputError, match="not an ONNX model"):
        import_model(tmp_path / "junk.onnx", tmp_path / "out.onnx", Hints(normalise="0..1"))


def test_a_missing_source_is_said_even_where_the_target_stands(tmp_path: Path) -> None:
    toy_models.segmenter(tmp_path / "there.onnx")
    with pytest.raises(InputError, match="No such file"):
        import_model(tmp_path / "gone.onnx", tmp_path / "there.onnx", Hints(normalise="0..1"))


@pytest.mark.parametrize("name", ["../street", "person", "my model"])
def test_a_name_that_could_not_be_found_again_is_refused(tmp_path: Path, name: str) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx")
    with pytest.raises(InputError, match="--name NAME"):
        import_model(source, None, Hints(name=name, normalise="0..1"))


def test_a_head_that_helps_in_training_alone_is_left_out(tmp_path: Path) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"aux_loss": (1, 5, 64, 64), "out": (1, 5, 64, 64)}, (64, 64))
    made = import_model(source, tmp_path / "b.onnx", Hints(normalise="0..1"))
    assert "output 'out' (1, 5, 64, 64) (aux_loss left out)" in made.assumed
    source = toy_models.giving(tmp_path / "c.onnx", {"532": (1, 5, 64, 64), "546": (1, 5, 64, 64)}, (64, 64))
    with pytest.raises(InputError, match="several outputs"):
        import_model(source, tmp_path / "d.onnx", Hints(normalise="0..1"))


@pytest.mark.parametrize("shape", [(1, 5, 64 * 96), (1, 16 * 24, 19)], ids=str)
def test_planes_that_are_rows_of_numbers_are_refused_with_the_shape_they_need(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"y": shape}, (64, 96))
    needed = r"\(N, C, 64, 96\)" if shape[1] == 5 else r"\(N, 16, 24, C\)"
    with pytest.raises(InputError, match=f"one behind the other .reshape it to {needed} before the export"):
        import_model(source, tmp_path / "b.onnx", Hints(normalise="0..1"))


def test_numbers_of_64_bits_are_refused(tmp_path: Path) -> None:
    model = onnx.load(toy_models.giving(tmp_path / "a.onnx", {"y": (1, 5, 64, 64)}, (64, 64)))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(InputError, match="found float64 .export it in float32"):
        import_model(tmp_path / "a.onnx", tmp_path / "b.onnx", Hints(normalise="0..1"))

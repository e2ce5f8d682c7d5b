"""Inputs none of whose sides is fixed: their names, or the exporter's own files, tell where the channels are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from streamseg.convert.importer import Hints, Imported, import_model
from streamseg.errors import InputError
from tests.parts import toy_models

OPTIMUM = ("batch_size", "num_channels", "height", "width")


def free(path: Path, names: tuple[str, ...], **toy: Any) -> Path:
    """A toy whose input's axes are free and have these names; its output's have none."""
    model = onnx.load(toy_models.segmenter(path, size=(None, None), **toy))
    for port, given in ((model.graph.input[0], names), (model.graph.output[0], [""] * 4)):
        for dim, name in zip(port.type.tensor_type.shape.dim, given, strict=True):
            dim.Clear()
            if name:
                dim.dim_param = name
    onnx.save(model, path)
    return path


def imported(source: Path, **hints: Any) -> Imported:
    return import_model(source, source.with_name("made.onnx"), Hints(**hints))


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (OPTIMUM, "NCHW"),
        (("N", "Channel", "H", "W"), "NCHW"),
        (("b", "c", "image_height", "image_width"), "NCHW"),
        (("batch", "height", "width", "channels"), "NHWC"),
        (("b", "height", "width", "c"), "NHWC"),
    ],
    ids=str,
)
def test_names_of_axes_tell_the_layout(names: tuple[str, ...], layout: Any, tmp_path: Path) -> None:
    made = imported(free(tmp_path / "a.onnx", names, layout=layout), normalise="0..1", width=32, height=24)
    assert made.agreement == 1.0
    assert (len(made.spec.classes), made.spec.input.colour) == (5, "bgr")
    (picture,) = onnx.load(made.file).graph.input
    assert picture.type.tensor_type.shape.dim[3].dim_value == 3


def test_axes_that_tell_nothing_are_asked_about(tmp_path: Path) -> None:
    source = free(tmp_path / "a.onnx", ("s0", "s1", "s2", "s3"))
    with pytest.raises(InputError, match=r"does not show where its channels are .--layout NCHW or NHWC"):
        imported(source, normalise="0..1")
    with pytest.raises(InputError, match=r"channels are; .* normalised .--layout NCHW or NHWC; --normalise"):
        imported(source)  # both in one answer
    assert imported(source, normalise="0..1", layout="NCHW").agreement == 1.0


@pytest.mark.parametrize("channels", [None, 3, 1])
def test_hugging_faces_networks_have_their_channels_first(channels: int | None, tmp_path: Path) -> None:
    source = free(tmp_path / "model.onnx", ("s0", "s1", "s2", "s3"), channels=channels or 3)
    config = {"model_type": "segformer", "id2label": {str(i): f"thing {i}" for i in range(5)}}
    (tmp_path / "config.json").write_text(json.dumps(config | ({"num_channels": channels} if channels else {})))
    made = imported(source, normalise="0..1")
    assert made.spec.input.colour == ("grey" if channels == 1 else "bgr")
    assert made.spec.classes[4] == "thing 4"


def test_what_a_side_shows_counts_more_than_a_config(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "model.onnx", layout="NHWC", size=(None, None))
    config = {"model_type": "segformer", "num_channels": 4, "id2label": {str(i): f"thing {i}" for i in range(5)}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert imported(source, normalise="0..1").agreement == 1.0
    (tmp_path / "made.onnx").unlink()
    with pytest.raises(InputError, match="takes 4 channels"):
        imported(free(tmp_path / "model.onnx", OPTIMUM, channels=4), normalise="0..1")


def test_a_network_that_takes_one_size_alone_says_by_which_flags(tmp_path: Path) -> None:
    source = toy_models.picky(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="ONNX Runtime refuses it") as caught:
        import_model(source, tmp_path / "b.onnx", Hints(normalise="0..1"))
    assert caught.value.hint.startswith("--height and --width say what size it takes, or --stride")
    made = import_model(source, tmp_path / "b.onnx", Hints(normalise="0..1", height=64, width=64))
    assert (made.spec.input.height, made.agreement) == (64, 1.0)

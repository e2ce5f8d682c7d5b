from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import import_model
from streamseg.errors import InputError
from tests.parts.asked_networks import Form, decoder, encoder


@pytest.mark.parametrize("form", ["sam", "sam2"])
def test_both_halves_are_named_and_what_takes_them(form: Form, tmp_path: Path) -> None:
    first, second = encoder(tmp_path / "a.onnx", form), decoder(tmp_path / "b.onnx", form)
    with pytest.raises(InputError, match="is the encoder of a network that is asked") as caught:
        import_model(first, tmp_path / "made.onnx")
    assert caught.value.hint.endswith(f"streamseg run SOURCE --model follow --set network={first},decoder.onnx")
    with pytest.raises(InputError, match="is the decoder of a network that is asked") as caught:
        import_model(second, tmp_path / "made.onnx")
    assert caught.value.hint.endswith(f"--set network=encoder.onnx,{second}")


@pytest.mark.parametrize("form", ["sam", "sam2"])
def test_a_decoder_of_three_points_is_not_taken_for_both_halves(form: Form, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is the decoder of a network that is asked"):
        import_model(decoder(tmp_path / "b.onnx", form, 3), tmp_path / "made.onnx")


@pytest.mark.parametrize(
    ("picture", "sides", "points"),
    [
        ("image", [1, 3, 64, 64], "point_coords"),
        ("batched_images", ["n", 3, "height", "width"], "batched_point_coords"),  # EfficientSAM
        ("pixel_values", ["n", "channels", "height", "width"], "input_points"),
    ],
)
def test_both_halves_in_one_file_are_told_apart_from_a_decoder(
    picture: str, sides: list[int | str], points: str, tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("ReduceMean", [picture], ["seen"], keepdims=0),
        helper.make_node("ReduceMean", [points], ["asked"], keepdims=0),
        helper.make_node("Add", ["seen", "asked"], ["sure"]),
        helper.make_node("Add", ["planes", "sure"], ["masks"]),
    ]
    shapes: dict[str, list[int | str]] = {picture: sides, points: [1, "k", 2], "masks": [1, 1, 64, 64]}
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    planes = numpy_helper.from_array(np.zeros((1, 1, 64, 64), np.float32), "planes")
    graph = helper.make_graph(nodes, "whole", ports[:2], ports[2:], [planes])
    source = tmp_path / "whole.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    with pytest.raises(InputError, match="with both halves in one file") as caught:
        import_model(source, tmp_path / "made.onnx")
    assert caught.value.hint.startswith("export its encoder and its decoder")

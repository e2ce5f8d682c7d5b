"""Graphs in a form that exporters write and no runtime takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert import importer, mend
from streamseg.convert.chain import PICTURE
from streamseg.convert.importer import Hints, import_model
from streamseg.convert.mend import runnable
from streamseg.errors import InputError
from streamseg.infer.backends import open_backend
from tests.parts import toy_models


def sampling(path: Path, kind: int) -> Path:
    """Two planes of a picture sampled where a constant grid of `kind` says, as Mask2Former's deformable attention."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32), indexing="ij")
    grid = np.stack([columns, -rows], -1)[None]
    constants = {
        "grid": numpy_helper.from_array(grid, "grid"),
        "order": numpy_helper.from_array(np.array([0, 2], np.int64), "order"),
    }
    nodes = [
        helper.make_node("Cast", ["grid"], ["placed"], to=kind),
        helper.make_node("GridSample", ["picture", "placed"], ["sampled"], mode="bilinear", align_corners=1),
        helper.make_node("Gather", ["sampled", "order"], ["planes"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "sampling",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 2, 32, 32])],
        list(constants.values()),
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def test_a_grid_in_64_bits_is_taken_in_32(tmp_path: Path) -> None:
    source = sampling(tmp_path / "wide.onnx", TensorProto.DOUBLE)
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert made.agreement == 1.0
    backend = open_backend(made.file, 1, "ort-cpu")
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[:, :8, :, 2] = 200  # red, on top, which the grid turns down
    picture[:, 8:, :, 0] = 100
    labels = next(iter(backend.run({backend.inputs[0].name: picture}).values()))
    backend.close()
    assert (labels[0, :23] == 1).all() and (labels[0, 25:] == 0).all()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_only_what_must_be_is_copied(tmp_path: Path, kind: int) -> None:
    source = sampling(tmp_path / "model.onnx", kind)
    with runnable(source) as file:
        assert (file == source) == (kind == TensorProto.FLOAT)
    assert source.exists() and file.exists() == (kind == TensorProto.FLOAT)


def test_inputs_that_nothing_reads_are_not_asked_for(tmp_path: Path) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "model.onnx"))
    for name in ("im_shape", "scale_factor"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]))
    onnx.save(model, tmp_path / "model.onnx")
    made = import_model(tmp_path / "model.onnx", tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert [each.name for each in onnx.load(made.file).graph.input] == [PICTURE]
    assert made.agreement == 1.0


def test_what_a_branch_reads_is_still_an_input(tmp_path: Path) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "model.onnx"))
    model.graph.node[-1].output[0] = "plain"
    model.graph.input.append(helper.make_tensor_value_info("turned", TensorProto.BOOL, [1]))
    model.graph.input.append(helper.make_tensor_value_info("bias2", TensorProto.FLOAT, [1]))
    given = [helper.make_tensor_value_info("sum", TensorProto.FLOAT, None)]
    branches = [
        helper.make_graph([helper.make_node(operator, ["plain", "bias2"], ["sum"])], "branch", [], given)
        for operator in ("Add", "Sub")
    ]
    choice = helper.make_node("If", ["turned"], ["scores"], then_branch=branches[0], else_branch=branches[1])
    model.graph.node.append(choice)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"expected one input, found 3 \(image, turned, bias2\)") as caught:
        import_model(tmp_path / "model.onnx", tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert caught.value.hint == "export it with all but the picture as constants in it"


def test_a_graph_of_operators_of_others_alone_is_taken(tmp_path: Path) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "model.onnx"))
    (node,) = model.graph.node
    node.op_type, node.domain = "FusedConv", "com.microsoft"
    node.attribute.append(helper.make_attribute("activation", "Relu"))
    del model.opset_import[:]
    model.opset_import.add(domain="com.microsoft", version=1)
    onnx.save(model, tmp_path / "model.onnx")
    made = import_model(tmp_path / "model.onnx", tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert made.agreement == 1.0 and len(made.spec.classes) == 5


def test_what_fits_no_file_is_said_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MAX_FILE_BYTES", 1000)
    source = toy_models.segmenter(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="made.onnx: with its weights inside the model is over 2 GiB"):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]


def test_weights_beside_a_model_that_fit_no_file_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "model.onnx"))
    model.graph.input.append(helper.make_tensor_value_info("unread", TensorProto.FLOAT, [1, 2]))
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert import_model(tmp_path / "model.onnx", tmp_path / "made.onnx", Hints(normalise="0..1")).agreement == 1.0
    monkeypatch.setattr(mend, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(mend, "whole_model", lambda _: pytest.fail("they were read"))
    with pytest.raises(InputError, match="model.onnx: with its weights inside the model is over 2 GiB") as caught:
        import_model(tmp_path / "model.onnx", tmp_path / "large.onnx", Hints(normalise="0..1"))
    assert caught.value.hint == "export it in float16, or a smaller one"

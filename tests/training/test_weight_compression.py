from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from streamseg.infer.model.constant_folding import fold_constants  # noqa: E402
from streamseg.infer.model.onnxfile import inspect_onnx  # noqa: E402
from streamseg.infer.model.spec import spec_inside  # noqa: E402
from streamseg.training.export_wrapper import Deployed, model_spec, trace  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.plan import Weights  # noqa: E402
from streamseg.training.weight_compression import packed, shrink  # noqa: E402
from tests.training.scene import make_plan  # noqa: E402


@pytest.mark.parametrize(("weights", "share", "off"), [("fp32", 1.0, 0.0), ("fp16", 0.55, 1e-3), ("int8", 0.35, 8e-3)])
def test_weights_take_less_space_and_come_back(weights: Weights, share: float, off: float, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, network={"architecture": "unet", "width": 16, "depth": 2}, export={"side": 64})
    torch.manual_seed(0)
    plain = trace(Deployed(build(plan), plan), plan)
    file = tmp_path / "packed.onnx"
    file.write_bytes(packed(plain, model_spec(plan), weights))
    assert file.stat().st_size < share * len(plain) + 4000
    assert spec_inside(file, inspect_onnx(file).metadata).name == "scene"

    unpacked = tmp_path / "unpacked.onnx"
    fold_constants(file, unpacked)
    expected = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(plain).graph.initializer}
    found = {t.name: numpy_helper.to_array(t) for t in onnx.load(unpacked).graph.initializer}
    compared = [name for name in expected if name in found and expected[name].dtype == "float32"]
    assert len(compared) > 5
    for name in compared:
        largest = abs(expected[name]).max(initial=1e-9)
        assert abs(found[name] - expected[name]).max(initial=0) <= off * largest


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_full_connection_is_kept_in_8_bits_where_its_rows_are_its_outputs(transposed: int) -> None:
    dice = np.random.default_rng(0)
    weights = dice.normal(size=(64, 96) if transposed else (96, 64)).astype(np.float32)
    weights[3] *= 1000  # a scale for all would leave nothing of the others
    given, found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name, n in (("x", 96), ("y", 64))
    )
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=transposed)
    graph = helper.make_graph([node], "g", [given], [found], [numpy_helper.from_array(weights, "w")])
    shrink(graph, in_8_bits=True)
    kinds = {tensor.data_type for tensor in graph.initializer}
    assert (TensorProto.INT8 in kinds) == bool(transposed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = dice.normal(size=(1, 96)).astype(np.float32)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    expected = (x @ (weights.T if transposed else weights))[0]
    assert (abs(y[0] - expected) < 0.02 * np.linalg.norm(x) * abs(weights).max(axis=transposed)).all()

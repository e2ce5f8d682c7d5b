from __future__ import annotations

from pathlib import Path

import onnx
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install 'streamseg[train]'")

from onnx import numpy_helper  # noqa: E402

from streamseg.infer.fold import fold  # noqa: E402
from streamseg.infer.onnxfile import inspect_onnx  # noqa: E402
from streamseg.infer.spec import spec_inside  # noqa: E402
from streamseg.training.deployed import Deployed, model_spec, trace  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.pack import packed  # noqa: E402
from streamseg.training.plan import Weights  # noqa: E402
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
    fold(file, unpacked)
    expected = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(plain).graph.initializer}
    found = {t.name: numpy_helper.to_array(t) for t in onnx.load(unpacked).graph.initializer}
    compared = [name for name in expected if name in found and expected[name].dtype == "float32"]
    assert len(compared) > 5
    for name in compared:
        largest = abs(expected[name]).max(initial=1e-9)
        assert abs(found[name] - expected[name]).max(initial=0) <= off * largest

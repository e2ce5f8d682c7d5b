from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import onnx
import pytest

from streamseg.cli import main
from tests.parts import toy_models

built = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None,
    reason="TensorRT-RTX is not installed: pip install '.[build]'",
)


@built
def test_an_engine_is_built_for_a_gpu_that_is_not_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["build", "person", "--for", "sm86", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "layers: there was none" in capsys.readouterr().out
    assert main(words) == 0
    assert "was there" in capsys.readouterr().out
    (plan,) = tmp_path.glob("person-*.plan")
    plan.write_bytes(plan.read_bytes()[:-1] + b"x")
    assert main(words) == 0
    assert "its checksum differs" in capsys.readouterr().out
    assert main([*words, "--precision", "fp32"]) == 0
    assert "another precision" in capsys.readouterr().out


@built
def test_which_gpu_must_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "person", "--out", str(tmp_path)]) == 2
    assert "--for one of sm75" in capsys.readouterr().err
    assert main(["build", "person", "--for", "sm1", "--out", str(tmp_path)]) == 5
    assert main(["build", str(tmp_path / "none.onnx"), "--for", "sm86"]) == 2
    assert "none.onnx" in capsys.readouterr().err


def test_without_tensorrt_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamseg.infer.backends.tensorrt.library import load_library

    load_library.cache_clear()
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    assert main(["build", "person", "--for", "sm86"]) == 5
    assert "[build]'" in capsys.readouterr().err
    load_library.cache_clear()


@built
def test_a_spec_that_is_not_of_the_graph_is_told_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = toy_models.giving(tmp_path / "a.onnx", {"y": (1, 116, 1024)})
    file.with_suffix(".yaml").write_text("classes: [a, b]\noutputs: {logits: y}\n")
    assert main(["build", str(file), "--for", "sm86", "--out", str(tmp_path / "engines")]) == 2
    assert "logits expected as (N, 2, H, W), found (1, 116, 1024)" in capsys.readouterr().err


@built
def test_a_graph_with_as_many_objects_as_there_are_has_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = toy_models.segmenter(tmp_path / "a.onnx", classes=2)
    model = onnx.load(file)
    model.graph.node.append(onnx.helper.make_node("NonZero", ["scores"], ["places"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("places", onnx.TensorProto.INT64, [4, None]))
    onnx.save(model, file)
    file.with_suffix(".yaml").write_text("classes: [a, b]\noutputs: {logits: scores}\n")
    assert main(["build", str(file), "--for", "sm86", "--out", str(tmp_path / "engines")]) == 5
    told = capsys.readouterr().err
    assert "NonZero" in told
    assert "export it without suppression inside" in told

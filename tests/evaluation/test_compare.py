"""Two backends, or two files of one model, on the same frames: how much they agree, and where they part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.cli import main
from streamseg.infer import backends
from tests.parts import toy_models
from tests.parts.faulty import Faulty

SPEC = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255, 255, 255]}\n"


def chain(path: Path, spoilt: str = "") -> Path:
    """Four convolutions one after another; the weights of `spoilt` are others."""
    random = np.random.default_rng(3)
    nodes, weights, last = [], [], "image"
    for name, (before, after) in {"one": (3, 6), "two": (6, 6), "three": (6, 6), "four": (6, 5)}.items():
        values = random.normal(0, 0.3, (after, before, 3, 3)).astype(np.float32)
        values[0] *= 1.2 if name == spoilt else 1
        weights.append(numpy_helper.from_array(values, f"{name}.weights"))
        output = "scores" if name == "four" else f"{name}.out"
        nodes.append(helper.make_node("Conv", [last, f"{name}.weights"], [output], pads=[1, 1, 1, 1]))
        last = output
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, planes, 24, 32])
        for name, planes in (("image", 3), ("scores", 5))
    ]
    graph = helper.make_graph(nodes, "chain", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".yaml").write_text(SPEC)
    return path


def test_fp16_agrees_with_fp32_in_labels_and_in_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "person", "--layers", "--pictures", "test://?frames=3"]) == 0
    told = capsys.readouterr().out
    assert "person on ort-cpu and person on ort-cpu:fp16 agree on" in told
    assert "none differs by more than 1%" in told


def test_a_class_may_be_called_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = chain(tmp_path / "a.onnx")
    file.with_suffix(".yaml").write_text(SPEC.replace("[a, b, c,", '["[/red]a", "[bold]b", "c\\e[31m",'))
    assert main(["compare", str(file), "--backends", "ort-cpu,ort-cpu", "--pictures", "test://?frames=1"]) == 0
    told = capsys.readouterr().out
    assert "[/red]a" in told and "[bold]b" in told and "c\\x1b[31m" in told


def test_the_first_layer_that_differs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", str(chain(tmp_path / "a.onnx")), str(chain(tmp_path / "b.onnx", "three")), "--layers"]
    assert main([*words, "--least", "0.1", "--pictures", "test://?frames=2"]) == 0
    assert "3 layers compared: first over 1%: three.out (Conv)" in capsys.readouterr().out
    assert main([*words, "--json", "--least", "0.1", "--pictures", "test://?frames=2"]) == 0
    layers = {layer["name"]: layer["difference"] for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert list(layers) == ["one.out", "two.out", "three.out"]
    assert layers["one.out"] == layers["two.out"] == 0
    assert layers["three.out"] > 0.01


def test_too_little_agreement_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", str(chain(tmp_path / "a.onnx")), str(chain(tmp_path / "b.onnx", "one")), "--json"]
    assert main([*words, "--least", "1"]) == 1
    found = json.loads(capsys.readouterr().out)["comparison"]
    assert found["frames"] == 20
    assert 0 < found["least_agreement"] <= found["agreement"] < 1
    assert sum(row["shares"][0] for row in found["classes"]) == pytest.approx(1)
    assert all(0 <= row["iou"] <= 1 for row in found["classes"])


def test_a_backend_that_computes_wrongly_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(backends.BACKENDS, "chip", Faulty(wrong=True).open)
    file = str(chain(tmp_path / "a.onnx"))
    assert main(["compare", file, "--backends", "ort-cpu,chip"]) == 1
    assert "a on ort-cpu and a on chip agree on" in capsys.readouterr().out
    assert main(["compare", file, "--backends", "ort-cpu,ort-cpu"]) == 0
    assert "agree on 100.000%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["person", "--backends", "ort-cpu"], "expected two"),
        (["person", "--backends", "ort-cpu,abacus"], "no backend 'abacus'"),
        (["person", "--backends", "ort-cpu,ort-cpu:fp8"], "no precision 'fp8'"),
        (["person", "lane"], "other classes"),
        (["person", "person", "person"], "one model or two"),
        (["nobody"], "no model 'nobody'"),
        (["person", "--pictures", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words]) in (2, 3)
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_engine_shows_no_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(backends.BACKENDS, "tensorrt", Faulty().open)
    assert main(["compare", str(chain(tmp_path / "a.onnx")), "--backends", "ort-cpu,tensorrt", "--layers"]) == 2
    assert "tensorrt fuses its layers" in capsys.readouterr().err


def test_outputs_of_other_sizes_are_compared_at_the_first_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, stride in (("a", 1), ("b", 2)):
        toy_models.segmenter(tmp_path / f"{name}.onnx", stride=stride)
        (tmp_path / f"{name}.yaml").write_text(SPEC)
    assert main(["compare", str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx"), "--least", "0.3"]) == 0
    assert "20 frames" in capsys.readouterr().out

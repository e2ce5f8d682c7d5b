from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.errors import BackendError, InputError
from streamseg.frame import Frame
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.openvino import OpenVinoBackend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.catalogue import SHIPPED, load_spec
from streamseg.infer.network import Network
from tests.parts import toy_models
from tests.parts.models import NETWORKS

openvino = pytest.importorskip("openvino", reason="OpenVINO is an extra")
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"kind": "labels"},
        {"kind": "probability"},
        {"dtype": "float16"},
        {"dtype": "uint8"},
        {"layout": "NHWC"},
        {"batch": None, "size": (None, None)},
        {"second_output": True},
    ],
    ids=str,
)
def test_it_says_and_gives_what_onnx_runtime_does(shape: dict[str, Any], tmp_path: Path) -> None:
    model = toy_models.segmenter(tmp_path / "toy.onnx", **shape)
    expected, backend = OrtBackend(model, 1), OpenVinoBackend(model, 1)
    assert (backend.inputs, backend.outputs) == (expected.inputs, expected.outputs)
    (info,) = backend.inputs
    sides = [side or free for side, free in zip(info.shape or (), (1, 3, 24, 32), strict=True)]
    feed = {"image": np.random.default_rng(0).uniform(0, 200, sides).astype(info.dtype)}
    given = backend.run(feed)
    for name, value in expected.run(feed).items():
        assert (given[name].dtype, given[name].shape) == (value.dtype, value.shape)
        np.testing.assert_allclose(given[name], value, rtol=1e-3, atol=1e-2)


def test_what_a_run_gave_stays_when_the_next_one_comes(tmp_path: Path) -> None:
    backend = OpenVinoBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    zeros, ones = (np.full((1, 3, 24, 32), value, np.float32) for value in (0, 1))
    first = backend.run({"image": zeros})["scores"]
    before = first.copy()
    assert not np.array_equal(backend.run({"image": ones})["scores"], before)
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("feed", [np.zeros((1, 9, 24, 32), np.float32), np.zeros((1, 3, 24, 32), np.uint8)])
def test_a_wrong_feed_is_one_clear_line(tmp_path: Path, feed: np.ndarray[Any, Any]) -> None:
    backend = OpenVinoBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    with pytest.raises(InputError, match=r"toy\.onnx: OpenVINO refuses it: ") as caught:
        backend.run({"image": feed})
    assert "\n" not in str(caught.value)


def test_an_operator_of_somebodys_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="Mystery") as caught:
        OpenVinoBackend(toy_models.foreign_operator(tmp_path / "foreign.onnx"), 1)
    assert "\n" not in str(caught.value)


def test_a_broken_file_and_a_huge_output_are_refused_as_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match="not an ONNX model"):
        OpenVinoBackend(tmp_path / "junk.onnx", 1)
    with pytest.raises(InputError, match="is beyond"):
        OpenVinoBackend(toy_models.huge(tmp_path / "huge.onnx"), 1)


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    backend = OpenVinoBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    backend.close()
    backend.close()


def test_bf16_is_refused_where_the_processor_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Old)
    with pytest.raises(BackendError, match="does not compute in bf16"):
        OpenVinoBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1, "bf16")


@pytest.mark.parametrize("model", NETWORKS, ids=lambda model: model.stem)
def test_shipped_models_give_the_labels_of_onnx_runtime(model: Path) -> None:
    spec = load_spec(model)
    frames = list(open_source("test://?frames=3&size=320x240&seed=1"))
    given, expected = (
        [found.labels for found in Network(spec, open_backend(model, 1, name))(frames)]
        for name in ("openvino", "ort-cpu")
    )
    assert np.mean(np.stack(given) == np.stack(expected)) >= 0.999


@pytest.mark.skipif(not HAS_BF16, reason="this processor does not compute in bf16")
def test_bf16_gives_nearly_the_same_labels_on_a_photograph() -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    frame = Frame(np.ascontiguousarray(data.astronaut()[..., ::-1]), 0, 0.0, 0.0)
    model = SHIPPED / "person.onnx"
    networks = [Network(load_spec(model), open_backend(model, 1, name)) for name in ("openvino-bf16", "ort-cpu")]
    given, expected = (network([frame])[0].labels for network in networks)
    assert 0.99 <= np.mean(given == expected) < 1  # were it 1, it would not have computed in bf16


def test_after_an_error_signals_are_still_heard(tmp_path: Path) -> None:
    backend = OpenVinoBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    with pytest.raises(InputError):
        backend.run({"image": np.zeros((1, 3, 5, 5), np.float32)})
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]

"""Networks that take floats or give scores, between the kernels: the labels of ONNX Runtime, and bytes on the bus."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.cuda import kernels
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import ImageBackend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network
from tests.infer.test_network import frame
from tests.parts.gpu_machine import Machine
from tests.parts.toy_models import segmenter

FRAMES = [frame(0, 48, 64), frame(1, 37, 53), frame(2, 480, 640), frame(3, 480, 640)]


@pytest.fixture(autouse=True)
def compiler() -> None:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")


def write(folder: Path, spec: str, **model: Any) -> Path:
    (folder / "toy.yaml").write_text(f"classes: [a, b, c, d, e]\noutputs: {{logits: scores}}\n{spec}")
    return segmenter(folder / "toy.onnx", **model)


def both(file: Path) -> tuple[Network, Network]:
    spec = load_spec(file)
    return Network(spec, open_backend(file, 1, "tensorrt")), Network(spec, OrtBackend(file, 1))


@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_labels_are_those_of_onnx_runtime(
    machine: Machine, tmp_path: Path, batch: int | None, layout: Any, dtype: str, fit: str
) -> None:
    spec = f"input: {{layout: {layout}, dtype: {dtype}, mean: [10, 20, 30], std: [255], fit: {fit}}}"
    through, plain = both(write(tmp_path, spec, batch=batch, layout=layout, dtype=dtype))
    for found, expected in zip(through(FRAMES), plain(FRAMES), strict=True):
        assert found.labels.shape == expected.labels.shape
        assert np.mean(found.labels == expected.labels) > 0.99  # computed in fp16
        assert found.frame_index == expected.frame_index
    through.close()
    assert machine.gpu.leaks() == []


def test_a_large_frame_goes_up_at_the_networks_size_and_a_small_one_as_it_is(machine: Machine, tmp_path: Path) -> None:
    through, _ = both(write(tmp_path, "input: {std: [255]}"))
    for height, width, bytes_up in [(480, 640, 24 * 32 * 3), (12, 16, 12 * 16 * 3)]:
        machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
        (found,) = through([frame(0, height, width)])
        assert machine.gpu.uploaded_bytes == bytes_up
        assert machine.gpu.downloaded_bytes == found.labels.size == 24 * 32
    through.close()


def test_coarse_scores_give_labels_at_the_networks_size(machine: Machine, tmp_path: Path) -> None:
    through, plain = both(write(tmp_path, "input: {std: [255]}", stride=4))
    (found,), (expected,) = through(FRAMES[:1]), plain(FRAMES[:1])
    assert expected.labels.shape == (6, 8)
    assert found.labels.shape == (24, 32)
    centres = found.labels.reshape(6, 4, 8, 4)[:, 1:3, :, 1:3]  # around the places where the scores were computed
    assert np.mean(centres == expected.labels[:, None, :, None]) > 0.8
    through.close()


def test_finer_labels_than_those_of_the_cpu_count_as_right(machine: Machine, tmp_path: Path) -> None:
    file = write(tmp_path, "input: {std: [255], height: 96, width: 128}", size=(96, 128), stride=4)
    network = load_segmenter(str(file), backend="tensorrt").make(1)
    assert network(FRAMES[:1])[0].labels.shape == (96, 128)
    network.close()
    assert machine.gpu.leaks() == []


def test_kernels_that_do_not_load_are_compiled_here(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def compile_source(source: str, *, no_extern_c: bool, arch: str) -> bytes:
        assert no_extern_c and "struct Pick" in source
        asked.append(arch)
        return b"compiled"

    machine.refuse(kernels.compiled("kernels").read_bytes())
    machine.compiler(compile_source)
    with caplog.at_level(logging.INFO, "streamseg"):
        through, _ = both(write(tmp_path, "input: {std: [255]}"))
    assert asked == ["sm_86"]
    assert "the kernels that ship do not load on Test GPU (sm86, 24 multiprocessors)" in caplog.text
    through.close()


def test_without_any_kernels_the_cpu_does_their_work(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(source: str, **_: object) -> bytes:
        raise FileNotFoundError("nvcc")

    machine.refuse(kernels.compiled("kernels").read_bytes())
    machine.compiler(no_compiler)
    file = write(tmp_path, "input: {std: [255]}")
    with caplog.at_level(logging.INFO, "streamseg"):
        backend = open_backend(file, 1, "tensorrt")
    assert not isinstance(backend, ImageBackend)
    assert "no kernels: nvcc does not compile for Test GPU" in caplog.text
    backend.close()
    through, plain = both(file)
    np.testing.assert_array_equal(through(FRAMES[:1])[0].labels, plain(FRAMES[:1])[0].labels)
    through.close()

"""ONNX Runtime for CUDA on machines that are not perfect: a double raises what the real one was seen to raise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import BackendError, InputError
from streamseg.infer import backends
from streamseg.infer.backends import faults, open_backend
from tests.parts import fake_ort as fake
from tests.parts.toy_models import segmenter
from tests.parts.whole_runs import walk

GUESSES = {"cudnn_conv_algo_search": "HEURISTIC"}


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.FakeOrt]:
    """A machine with ONNX Runtime for CUDA and a driver, and nothing else of NVIDIA's."""
    double = fake.FakeOrt()
    monkeypatch.setitem(sys.modules, "onnxruntime", double)
    monkeypatch.setattr(backends, "nvidia_driver", lambda: "/proc/driver/nvidia/version")
    monkeypatch.setattr(backends, "BACKENDS", {name: backends.BACKENDS[name] for name in ("ort-cuda", "ort-cpu")})
    yield double
    faults.LOST.clear()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255]}\n")
    return segmenter(tmp_path / "toy.onnx")


def test_cudas_libraries_are_loaded_out_of_pips_packages(ort: fake.FakeOrt, model: Path) -> None:
    assert open_backend(model, 1, "ort-cuda").name.endswith("(CUDA)")
    assert ort.preloaded


def test_it_runs_on_the_gpu_that_was_asked_for(ort: fake.FakeOrt, model: Path) -> None:
    for gpu, options in ((0, {}), (1, {"device_id": "1"})):
        open_backend(model, 1, "ort-cuda", gpu=gpu).close()
        assert ort.asked[-1] == options


def test_where_pictures_may_have_any_size_cudnn_does_not_try_everything_for_each(
    ort: fake.FakeOrt, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "free.yaml").write_text((tmp_path / "toy.yaml").read_text())
    for file, options in ((model, {}), (segmenter(tmp_path / "free.onnx", size=(None, None)), GUESSES)):
        open_backend(file, 1, "ort-cuda").close()
        assert ort.asked[-1] == options


def test_libraries_that_are_missing_are_named_and_nothing_is_printed(
    ort: fake.FakeOrt, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ort.libraries = False
    with pytest.raises(BackendError, match=r"did not start: Failed to load libcublasLt.so.13.*gpu\[cuda,cudnn\]'"):
        open_backend(model, 1, "ort-cuda")
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_is_too_old_leads_to_the_next_backend(
    ort: fake.FakeOrt, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ort.creation = [fake.no_device()]
    (line,) = walk(model, caplog, ["ort-cuda"])
    reason = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"
    assert line == f"ort-cuda: {model}: ONNX Runtime cannot run it: {reason}; running on the CPU (ort-cpu) instead"


def test_a_model_that_is_wrong_is_still_the_models_fault(ort: fake.FakeOrt, model: Path) -> None:
    ort.creation = [fake.wrong_model()]
    with pytest.raises(InputError, match="invalid model"):
        open_backend(model, 1, "ort-cuda")


@pytest.mark.parametrize("error", [fake.failed_kernel(), fake.thrown_in_a_run(), RuntimeError("CUDNN"), MemoryError()])
def test_a_run_that_fails_is_run_again_and_again_and_then_on_the_cpu(
    ort: fake.FakeOrt, model: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    ort.runs = [None, None, None, error, None, None, error]  # each opening warms up first
    lines = walk(model, caplog, ["ort-cuda"])
    assert [line.rpartition("; ")[2] for line in lines] == ["reopened", "running on the CPU (ort-cpu) instead"]


def test_feeds_that_do_not_fit_are_the_callers_mistake_on_a_gpu_as_well(ort: fake.FakeOrt, model: Path) -> None:
    backend = open_backend(model, 1, "ort-cuda")
    ort.runs = [fake.wrong_feed()]
    with pytest.raises(InputError, match="Got: 9 Expected: 3"):
        backend.run({"image": np.zeros((1, 9, 24, 32), np.float32)})


def test_an_error_that_ends_cuda_for_the_process_leads_to_the_cpu_at_once(
    ort: fake.FakeOrt, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ort.runs = [None, None, fake.failed_kernel(fake.LOST)]
    (line,) = walk(model, caplog, ["ort-cuda"])
    assert "an illegal memory access was encountered" in line
    assert line.endswith("; running on the CPU (ort-cpu) instead")
    sessions = ort.sessions
    with pytest.raises(
        BackendError, match=r"the GPU failed for this process: .* \(it is tried again after a new start"
    ):
        open_backend(model, 1, "ort-cuda")
    assert ort.sessions == sessions


def test_whatever_else_is_raised_leads_to_the_next_backend(
    ort: fake.FakeOrt, model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "preload_dlls", lambda: 1 / 0)
    (line,) = walk(model, caplog, ["ort-cuda"])
    assert (
        line == "ort-cuda: a defect: ZeroDivisionError: division by zero (--debug shows where); "
        "running on the CPU (ort-cpu) instead"
    )

"""Everything that can go wrong between here and a mask is one line, and what can go on goes on."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from streamseg.cuda.driver import has_package
from streamseg.errors import BackendError, InputError
from streamseg.infer.backends import open_backend
from tests.infer.tensorrt.test_backend import picture
from tests.parts.gpu_machine import Machine


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("parse", "tensorrt 11.4.0 does not take the model: node 'the_odd_one': no importer"),
        ("build", "tensorrt 11.4.0 cannot build the model: could not find any implementation"),
        ("memory", "tensorrt 11.4.0 cannot load the engine: .*OutOfMemory"),
        ("context", "there is no execution context: .*out of memory"),
    ],
)
def test_a_fault_at_the_start_is_one_line_and_the_next_backend_runs(
    machine: Machine, toy: Path, fault: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine.world.faults[fault] = 1
    with pytest.raises(BackendError, match=says) as caught:
        open_backend(toy, 1, "tensorrt")
    assert "\n" not in str(caught.value)
    del caught
    machine.world.faults[fault] = 1
    with caplog.at_level(logging.INFO, "streamseg"):
        backend = open_backend(toy, 1)
    assert backend.name.startswith("ONNX Runtime")
    assert any(record.getMessage().endswith("running on the CPU (ort-cpu) instead") for record in caplog.records)
    assert machine.gpu.leaks() == []


def test_a_network_that_gives_a_size_which_the_cpu_reckons_runs_on_the_next_backend(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = onnx.load(toy)
    model.graph.node.append(onnx.helper.make_node("Shape", ["scores"], ["size"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("size", onnx.TensorProto.INT64, [4]))
    onnx.save(model, toy)
    with pytest.raises(BackendError, match="tensorrt: 'size' lies in the CPU's memory"):
        open_backend(toy, 1, "tensorrt")
    with caplog.at_level(logging.INFO, "streamseg"):
        assert open_backend(toy, 1).name.startswith("ONNX Runtime")
    assert machine.gpu.leaks() == []


@pytest.mark.parametrize(("fault", "says"), [("execute", "the pass did not begin"), ("shape", "no input of")])
def test_a_fault_in_a_run_is_one_line_and_the_next_run_may_work(
    machine: Machine, toy: Path, fault: str, says: str
) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    machine.world.faults[fault] = 1
    with pytest.raises(BackendError, match=says):
        backend.run(picture((1, 3, 16, 16)))
    assert backend.run(picture((1, 3, 16, 16)))["scores"].shape == (1, 5, 16, 16)
    backend.close()
    assert machine.gpu.leaks() == []


def test_a_full_gpu_is_one_line_and_what_fits_goes_on(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    before = backend.run(picture((1, 3, 8, 16)))["scores"]
    machine.gpu.room_bytes = machine.gpu.held_bytes + 5_000
    for _ in range(2):
        with pytest.raises(BackendError, match="the GPU failed: cuMemAlloc failed: out of memory"):
            backend.run(picture((1, 3, 32, 32)))
        np.testing.assert_array_equal(backend.run(picture((1, 3, 8, 16)))["scores"], before)
    machine.gpu.room_bytes = 1 << 30
    assert backend.run(picture((1, 3, 32, 32)))["scores"].shape == (1, 5, 32, 32)
    backend.close()
    assert machine.gpu.leaks() == []


def test_a_lost_gpu_is_one_line_and_closing_is_still_quiet(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    backend.run(picture((1, 3, 16, 16)))
    machine.gpu.lost = True
    with pytest.raises(BackendError, match="the GPU failed: .*unspecified launch failure"):
        backend.run(picture((1, 3, 16, 16)))
    backend.close()


def test_an_engine_that_does_not_load_is_built_again_once(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_backend(toy, 1, "tensorrt").close()
    machine.world.faults["deserialise"] = 1
    with caplog.at_level(logging.WARNING, "streamseg"):
        backend = open_backend(toy, 1, "tensorrt")
    assert backend.run(picture((1, 3, 8, 8)))
    backend.close()
    assert machine.world.builds == 2
    assert "the kept engine does not load: Serialization assertion failed" in caplog.text
    machine.world.faults["deserialise"] = 2
    with pytest.raises(BackendError, match="does not load what it built"):
        open_backend(toy, 1, "tensorrt")
    assert machine.world.builds == 3


def test_feeds_that_do_not_fit_are_the_callers_mistake(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    with pytest.raises(InputError, match="takes float32"):
        backend.run({"image": np.zeros((1, 3, 8, 8), np.uint8)})
    with pytest.raises(InputError, match="inputs are image, not picture"):
        backend.run({"picture": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(BackendError, match=r"\(1, 3, 4096, 8\) is beyond what the engine was built for"):
        backend.run({"image": np.zeros((1, 3, 4096, 8), np.float32)})
    backend.close()


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("tensorrt", r"tensorrt is not installed \(.*pip install.*\[tensorrt\]"),
        ("pycuda", r"neither cuda-bindings nor pycuda is installed \(.*pip install cuda-bindings\)"),
    ],
)
def test_what_is_missing_is_said_with_how_to_get_it(
    machine: Machine, toy: Path, monkeypatch: pytest.MonkeyPatch, missing: str, says: str
) -> None:
    monkeypatch.delitem(sys.modules, missing, raising=False)
    if importlib.util.find_spec(missing) or missing == "pycuda" and has_package():
        pytest.skip("it is really here")
    with pytest.raises(BackendError, match=says):
        open_backend(toy, 1, "tensorrt")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("init_error", "cuInit failed: no CUDA-capable device is detected", "there is no NVIDIA GPU: cuInit failed"),
        ("count", 0, "there is no NVIDIA GPU .CUDA_VISIBLE_DEVICES hides it"),
        ("lost", True, "the GPU failed: .*launch failure"),
    ],
)
def test_no_gpu_is_one_line(machine: Machine, toy: Path, field: str, value: object, says: str) -> None:
    setattr(machine.gpu, field, value)
    with pytest.raises(BackendError, match=says):
        open_backend(toy, 1, "tensorrt")


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (
            "libcuda.so.1: cannot open shared object file: No such file or directory",
            r"no NVIDIA driver: libcuda.so.1: .* \(install NVIDIA's driver",
        ),
        (
            "_driver.so: undefined symbol: cuCtxCreate_v4",
            r"pycuda does not load: .*_v4 \(install a newer driver, or pycuda",
        ),
        ("numpy.core.multiarray failed to import", r"pycuda does not load: numpy.* \(.*pip install pycuda"),
    ],
)
def test_a_pycuda_that_does_not_load_is_one_line(
    machine: Machine, toy: Path, monkeypatch: pytest.MonkeyPatch, raised: str, says: str
) -> None:
    if machine.package == "cuda-bindings":
        pytest.skip("it is not asked")

    def importing(name: str) -> None:
        raise ImportError(raised)

    monkeypatch.setattr("streamseg.cuda.driver.importlib.import_module", importing)
    with pytest.raises(BackendError, match=says):
        open_backend(toy, 1, "tensorrt")


def test_an_old_tensorrt_is_refused(machine: Machine, toy: Path) -> None:
    machine.install("10.3.0")
    with pytest.raises(BackendError, match=r"TensorRT 10.3.0 is too old: 10.12 or newer"):
        open_backend(toy, 1, "tensorrt")

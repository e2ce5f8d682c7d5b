"""Machines with a GPU that are not perfect: whatever fails, and whenever, the run goes on with the next backend."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from streamseg.assembly import assemble, share_cores
from streamseg.config import make_options
from streamseg.errors import BackendError
from streamseg.frame import StreamInfo
from streamseg.infer import backends, load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.tensorrt import load
from streamseg.infer.backends.tensorrt.backend import TensorRtBackend
from streamseg.infer.backends.tensorrt.runtime import ExecutionSlot
from streamseg.infer.batching import share_networks
from tests.infer.test_network import frame
from tests.parts.fake_tensorrt import CONTEXT_BYTES
from tests.parts.gpu_machine import Machine


@pytest.fixture(autouse=True)
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BACKENDS", {name: backends.BACKENDS[name] for name in ("tensorrt", "ort-cpu")})


def walk(model: Path, caplog: pytest.LogCaptureFixture, at: int = -1, what: Any = None, **options: object) -> list[str]:
    """A whole run of twelve frames, none of which may be lost; `what` happens at frame `at`. Gives what was said."""
    values = {"source": "test://?frames=12", "outputs": ("null",), "model": str(model), "workers": 1, **options}
    pipeline = assemble(make_options(values))
    with caplog.at_level(logging.INFO, "streamseg"):
        for shown in pipeline:
            if shown.frame.index == at:
                what()
    metrics = pipeline.metrics()
    assert metrics.captured == metrics.shown == 12
    assert not metrics.failed
    lines = [record.getMessage() for record in caplog.records]
    return [line for line in lines if line.startswith("tensorrt")]


@pytest.mark.parametrize("null", ["Builder", "OnnxParser", "Runtime"])
def test_a_library_that_does_not_start_leads_to_the_next_backend(
    machine: Machine, toy: Path, null: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine.world.null = {null}
    (line,) = walk(toy, caplog)
    assert line.startswith("tensorrt: tensorrt 11.4.0 does not start: CUDA initialization failure with error: 35")
    assert "pip install tensorrt-cu12" in line
    assert line.endswith("; running on the CPU (ort-cpu) instead")
    assert machine.gpu.leaks() == []


@pytest.mark.parametrize("fault", ["set_shape", "build", "memory", "context"])
def test_a_fault_at_the_start_leads_to_the_next_backend(
    machine: Machine, toy: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine.world.faults[fault] = 1
    (line,) = walk(toy, caplog)
    assert line.endswith("; running on the CPU (ort-cpu) instead")
    assert machine.gpu.leaks() == []


def test_a_defect_at_the_start_leads_to_the_next_backend(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load_spec", lambda file: 1 / 0)
    assert walk(toy, caplog) == [
        "tensorrt: a defect: ZeroDivisionError: division by zero (--debug shows where); "
        "running on the CPU (ort-cpu) instead"
    ]


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), RuntimeError("thrown in C++")])
def test_a_defect_in_mid_run_leads_to_the_next_backend(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def raising(*_: object) -> None:
        raise error

    def fail() -> None:
        monkeypatch.setattr(ExecutionSlot, "enqueue", raising)

    lines = walk(toy, caplog, 3, fail)
    assert lines[-1].endswith("; running on the CPU (ort-cpu) instead")
    assert type(error).__name__ in " ".join(lines)
    assert machine.gpu.leaks() == []


def test_a_defect_while_it_is_closed_costs_nothing(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TensorRtBackend.close

    def close(backend: TensorRtBackend) -> None:
        whole(backend)
        raise RuntimeError("thrown in C++")

    monkeypatch.setattr(TensorRtBackend, "close", close)
    assert walk(toy, caplog) == []
    lines = walk(toy, caplog, 3, lambda: machine.world.faults.update(execute=99))
    assert lines[-1].endswith("; running on the CPU (ort-cpu) instead")


def test_a_worker_for_which_the_gpu_has_no_room_runs_on_the_next_backend(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_backend(toy, 1, "tensorrt").close()
    machine.gpu.room_bytes = CONTEXT_BYTES * 3 // 2
    (line,) = walk(toy, caplog, workers=2)
    assert "out of memory" in line.lower()
    assert line.endswith("; running on the CPU (ort-cpu) instead")
    assert machine.gpu.leaks() == []


def test_a_gpu_that_is_lost_is_left_at_once_and_its_engine_is_kept(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = walk(toy, caplog, 3, lambda: setattr(machine.gpu, "lost", True))
    assert len(lines) == 1, "it is not reopened: nothing on this GPU is"
    assert "unspecified launch failure" in lines[0]
    assert lines[0].endswith("; running on the CPU (ort-cpu) instead")
    assert machine.world.builds == 1
    assert machine.plan.is_file()


def test_what_a_lost_gpu_does_not_load_is_not_thrown_away(machine: Machine, toy: Path) -> None:
    open_backend(toy, 1, "tensorrt").close()
    kept = machine.plan.read_bytes()
    machine.world.on_load = lambda: setattr(machine.gpu, "lost", True)
    with pytest.raises(BackendError, match="the GPU failed: .*unspecified launch failure"):
        open_backend(toy, 1, "tensorrt")
    assert machine.plan.read_bytes() == kept
    assert machine.world.builds == 1


@pytest.mark.parametrize("reason", ["Error Code 1: Cuda Runtime (API call is not supported)", "OutOfMemory"])
def test_an_engine_that_the_machine_cannot_load_is_not_built_again(machine: Machine, toy: Path, reason: str) -> None:
    open_backend(toy, 1, "tensorrt").close()
    machine.world.refusal = reason
    with pytest.raises(BackendError, match="tensorrt 11.4.0 cannot load the engine: ") as told:
        open_backend(toy, 1, "tensorrt")
    assert reason in str(told.value)
    assert machine.world.builds == 1


def test_an_engine_that_does_not_load_stays_until_there_is_another(machine: Machine, toy: Path) -> None:
    open_backend(toy, 1, "tensorrt").close()
    kept = machine.plan.read_bytes()
    machine.world.faults |= {"deserialise": 1, "build": 1}
    with pytest.raises(BackendError, match="cannot build the model"):
        open_backend(toy, 1, "tensorrt")
    assert machine.plan.read_bytes() == kept


def test_a_service_whose_gpu_is_lost_goes_on_without_asking_for_it_again(machine: Machine, toy: Path) -> None:
    recipe = share_networks(load_segmenter)(str(toy))
    one, other = recipe.make(1), recipe.make(1)
    one([frame(0, 48, 64)])
    machine.gpu.lost = True
    (found,) = other([frame(1, 48, 64)])
    assert found.frame_index == 1
    one.close()
    other.close()
    machine.gpu.lost = False  # for a process that starts afterwards
    again = recipe.make(1)
    with pytest.raises(BackendError, match="the GPU failed for this process: .*unspecified launch failure"):
        open_backend(toy, 1, "tensorrt")
    again.close()


def test_streams_that_share_a_network_may_come_from_any_thread(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Made in one thread, used in four, closed by whichever is last; nothing stays on the GPU, and nothing is said."""
    recipe = share_networks(load_segmenter)(str(toy), backend="tensorrt")
    alone = load_segmenter(str(toy), backend="ort-cpu").make(1)
    expected = [alone([frame(index, 48, 64)])[0].labels for index in range(20)]
    errors: list[BaseException] = []

    def stream(number: int) -> None:
        try:
            segment = recipe.make(1)
            for index in range(5 * number, 5 * number + 5):
                (found,) = segment([frame(index, 48, 64)])
                assert found.frame_index == index
                assert np.mean(found.labels == expected[index]) > 0.99
            segment.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=stream, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert machine.gpu.leaks() == []


def test_a_pass_that_does_not_begin_leaves_no_copy_under_way(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    machine.world.faults["execute"] = 1
    with pytest.raises(BackendError, match="the pass did not begin"):
        backend.run({"image": np.zeros((1, 3, 16, 16), np.float32)})
    backend.close()
    assert machine.gpu.leaks() == []  # the double says where memory goes that is still copied from


def test_waiting_for_the_gpu_keeps_no_core_busy(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    backend.run({"image": np.zeros((1, 3, 16, 16), np.float32)})
    backend.close()
    assert machine.gpu.slept
    assert not machine.gpu.spun


def test_a_file_gets_two_workers_of_one_engine_on_a_gpu_however_many_cores_there_are(
    machine: Machine, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamseg.assembly.available_cores", lambda: 16)
    info = StreamInfo("file", 64, 48, 25.0, live=False)
    options = make_options({"source": "test://?frames=3", "model": str(toy)})
    recipe = load_segmenter(str(toy))
    for found, expected in ((recipe, (2, 8)), (load_segmenter(str(toy), backend="ort-cpu"), (16, 1))):
        shared = share_cores(options, info, found)
        assert (shared.count, shared.threads) == expected
    workers = [recipe.make(8) for _ in range(2)]
    assert machine.world.engines == 1
    for worker in workers:
        worker.close()
    assert machine.gpu.leaks() == []


def test_weights_that_lie_beside_the_model_are_built_in_and_others_mean_another_engine(
    machine: Machine, toy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = load_segmenter(str(toy), backend="ort-cpu").make(1)([frame(0, 48, 64)])[0].labels
    beside = tmp_path / "beside" / "toy.onnx"
    beside.parent.mkdir()
    beside.with_suffix(".yaml").write_bytes(toy.with_suffix(".yaml").read_bytes())
    onnx.save(onnx.load(toy), beside, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert walk(beside, caplog) == []
    segment = load_segmenter(str(beside), backend="tensorrt").make(1)
    assert np.mean(segment([frame(0, 48, 64)])[0].labels == expected) > 0.99
    segment.close()
    weights = beside.with_name("weights.bin")
    weights.write_bytes(np.negative(np.frombuffer(weights.read_bytes(), np.float32)).tobytes())
    open_backend(beside, 1, "tensorrt").close()
    assert machine.world.builds == 2

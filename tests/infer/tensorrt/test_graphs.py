"""CUDA graphs: a pass of fixed size is recorded once and replayed; pycuda, which cannot record, goes without.

In a process of their own on the real cuda-bindings (`test_real_parts.py`) these tests record.
"""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import BackendError
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from tests.infer.tensorrt.test_backend import on_cpu, picture
from tests.infer.test_network import frame
from tests.parts.gpu_machine import Machine
from tests.parts.patience import PATIENCE_S
from tests.parts.toy_models import segmenter

SHAPE = (1, 3, 24, 32)
FIXED = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\n"


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    (tmp_path / "fixed.yaml").write_text(FIXED)
    return segmenter(tmp_path / "fixed.onnx", size=SHAPE[2:], batch=1)


def records(machine: Machine) -> bool:
    return machine.package == "cuda-bindings"


def walk(backend: Backend, plain: Backend, count: int) -> None:
    """So many passes over pictures that differ, each as the CPU has it."""
    for seed in range(count):
        found, expected = (each.run(picture(SHAPE, seed))["scores"] for each in (backend, plain))
        np.testing.assert_array_equal(found, expected)


def test_a_pass_is_recorded_behind_the_first_and_replayed_from_then_on(
    machine: Machine, fixed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "streamseg")
    backend = open_backend(fixed, 1, "tensorrt")
    walk(backend, on_cpu(fixed, tmp_path), 6)
    lines = [line for line in caplog.messages if "no CUDA graph" in line]
    if records(machine):
        assert (machine.gpu.recorded, machine.gpu.replayed, machine.world.passes) == (1, 5, 2)
        assert lines == []
    else:
        assert machine.world.passes == 6
        assert lines == ["tensorrt 11.4.0 on Test GPU: no CUDA graph, pycuda has no stream capture"]
    backend.close()
    assert machine.gpu.leaks() == []


def test_sizes_that_change_are_never_recorded(machine: Machine, toy: Path, tmp_path: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    walk(backend, on_cpu(toy, tmp_path), 3)
    assert machine.world.passes == 3
    backend.close()
    assert machine.gpu.leaks() == []


@pytest.mark.parametrize("fault", ["record", "allocate"])
def test_what_cannot_be_recorded_is_given_up_in_one_line(
    machine: Machine, fixed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    if not records(machine):
        pytest.skip("pycuda records nothing")
    caplog.set_level(logging.DEBUG, "streamseg")
    machine.world.faults[fault] = 1
    backend = open_backend(fixed, 1, "tensorrt")
    walk(backend, on_cpu(fixed, tmp_path), 4)
    assert (machine.gpu.recorded, machine.gpu.replayed) == (0, 0)
    (line,) = [line for line in caplog.messages if "no CUDA graph" in line]
    says = {"record": "cannot be captured", "allocate": "cuStreamEndCapture failed: .*previous error during capture"}
    assert line.startswith("tensorrt 11.4.0 on Test GPU: no CUDA graph, ")
    assert re.search(says[fault], line)
    backend.close()
    assert machine.gpu.leaks() == []


def test_a_size_that_is_refused_leaves_the_graph_right(machine: Machine, fixed: Path, tmp_path: Path) -> None:
    backend, plain = open_backend(fixed, 1, "tensorrt"), on_cpu(fixed, tmp_path)
    walk(backend, plain, 3)
    with pytest.raises(BackendError, match="beyond what the engine was built for"):
        backend.run(picture((1, 3, 16, 16)))
    walk(backend, plain, 3)
    backend.close()
    assert machine.gpu.leaks() == []


def test_kernels_stand_before_and_behind_the_graph(machine: Machine, fixed: Path) -> None:
    """A small picture goes up as it is: `fit` writes what the graph reads, `pick` reads what it writes."""
    network, plain = (load_segmenter(str(fixed), backend=each).make(1) for each in ("tensorrt", "ort-cpu"))
    for index in range(5):
        (found,), (expected,) = (each([frame(index, 24, 32)]) for each in (network, plain))
        assert np.mean(found.labels == expected.labels) > 0.99
    assert machine.world.passes == (2 if records(machine) else 6)  # one more for the picture that warms it up
    network.close()
    assert machine.gpu.leaks() == []


def test_a_gpu_that_is_lost_in_a_replay_is_one_line(machine: Machine, fixed: Path, tmp_path: Path) -> None:
    backend = open_backend(fixed, 1, "tensorrt")
    walk(backend, on_cpu(fixed, tmp_path), 3)
    machine.gpu.lost = True
    with pytest.raises(BackendError, match="the GPU failed: .*unspecified launch failure"):
        backend.run(picture(SHAPE))
    backend.close()


def test_workers_record_side_by_side(machine: Machine, fixed: Path, tmp_path: Path) -> None:
    plain, raised = on_cpu(fixed, tmp_path), list[BaseException]()
    walked = threading.Barrier(3)  # the double takes it amiss where one goes while another's stream is busy

    def work() -> None:
        try:
            backend = open_backend(fixed, 1, "tensorrt")
            try:
                walk(backend, plain, 8)
            finally:
                walked.wait(PATIENCE_S)
            backend.close()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert machine.gpu.leaks() == []

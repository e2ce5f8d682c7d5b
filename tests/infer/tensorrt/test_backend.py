"""The backend on doubles of CUDA and TensorRT: right bytes in the right places, rules kept, every fault one line."""

from __future__ import annotations

import fcntl
import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from streamseg.assembly import assemble
from streamseg.cli import main
from streamseg.config import RunOptions
from streamseg.contracts import Controls
from streamseg.cuda.driver import open_cuda
from streamseg.errors import BackendError
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.backends.tensorrt.engine import get_engine
from streamseg.infer.backends.tensorrt.library import is_installed, load_library
from streamseg.infer.backends.tensorrt.prepare import prepare
from streamseg.infer.model.catalogue import SHIPPED, load_spec
from streamseg.infer.network import Network
from streamseg.pipeline.pipeline import Pipeline
from tests.infer.tensorrt.conftest import TOY
from tests.infer.test_network import frame
from tests.parts.fakes import CountingSource
from tests.parts.gpu_machine import Machine
from tests.parts.models import NETWORKS
from tests.parts.toy_models import segmenter


def picture(shape: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(seed).random(shape, np.float32)}


def on_cpu(file: Path, folder: Path) -> OrtBackend:
    """What is in the engine, run by ONNX Runtime."""
    (folder / "prepared.onnx").write_bytes(prepare(file, "fp16"))
    return OrtBackend(folder / "prepared.onnx", 1)


@pytest.mark.slow
@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_every_network_that_ships_gives_the_labels_of_onnx_runtime(
    machine: Machine, file: Path, tmp_path: Path
) -> None:
    spec = load_spec(file)
    frames = [frame(0, 360, 640)]
    through = Network(spec, open_backend(file, 1, "tensorrt"))
    plain = Network(spec, on_cpu(file, tmp_path))
    for found, expected in zip(through(frames), plain(frames), strict=True):
        np.testing.assert_array_equal(found.labels, expected.labels)
    through.close()
    assert machine.gpu.leaks() == []


def test_shapes_and_batches_may_change_from_call_to_call(machine: Machine, toy: Path, tmp_path: Path) -> None:
    backend, plain = open_backend(toy, 1, "tensorrt"), on_cpu(toy, tmp_path)
    for seed, shape in enumerate([(1, 3, 40, 64), (3, 3, 64, 48), (1, 3, 8, 8), (9, 3, 24, 64), (1, 3, 40, 64)]):
        feeds = picture(shape, seed)
        np.testing.assert_array_equal(backend.run(feeds)["scores"], plain.run(feeds)["scores"])
    backend.close()
    backend.close()
    assert machine.gpu.leaks() == []


def test_what_a_run_gave_stays_when_the_next_one_comes(machine: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt")
    first = backend.run(picture((1, 3, 16, 16), 1))["scores"]
    before = first.copy()
    backend.run(picture((1, 3, 16, 16), 2))
    backend.close()
    np.testing.assert_array_equal(first, before)


def test_only_bytes_cross_the_bus_for_a_network_that_takes_and_gives_bytes(machine: Machine) -> None:
    file = SHIPPED / "person.onnx"
    network = Network(load_spec(file), open_backend(file, 1, "tensorrt"))
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    (found,) = network([frame(0, 1080, 1920)])
    height, width = load_spec(file).input.height, load_spec(file).input.width
    assert height and width
    assert machine.gpu.uploaded_bytes == height * width * 3
    assert machine.gpu.downloaded_bytes == 2 * found.labels.size
    network.close()


def test_two_workers_have_two_frames_in_flight_and_every_frame_its_own_labels(machine: Machine) -> None:
    file = SHIPPED / "person.onnx"

    def make() -> Network:
        return Network(load_spec(file), open_backend(file, 1, "tensorrt"))

    make().close()  # builds the engine
    machine.gpu.meet = threading.Barrier(2)
    shown = list(Pipeline(CountingSource(8), make, workers=2))
    machine.gpu.meet = None
    assert machine.gpu.most_in_flight == 2
    assert machine.world.builds == 1
    alone = make()
    for one in shown:
        np.testing.assert_array_equal(one.segmentation.labels, alone([one.frame])[0].labels)
    assert len(shown) == 8
    alone.close()
    assert machine.gpu.leaks() == []


def test_the_engine_is_built_once_and_said_so(machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "streamseg"):
        for _ in range(3):
            open_backend(toy, 1, "tensorrt").close()
    assert machine.world.builds == 1
    (line,) = [record.getMessage() for record in caplog.records if "building" in record.getMessage()]
    assert line.startswith(
        "toy: building an engine for Test GPU (sm86, 24 multiprocessors) with tensorrt: there was none"
    )


def test_a_build_ends_when_the_run_is_to_end(machine: Machine, toy: Path) -> None:
    asked = iter([False, False, True, True])
    with pytest.raises(KeyboardInterrupt):
        open_backend(toy, 1, "tensorrt", lambda: next(asked))
    assert list(machine.engines.glob("*.plan")) == []
    open_backend(toy, 1, "tensorrt").close()
    assert machine.world.builds == 2


def test_who_waits_for_another_process_that_builds_the_same_ends_when_told_to(machine: Machine, toy: Path) -> None:
    open_backend(toy, 1, "tensorrt").close()
    machine.plan.unlink()
    (lock,) = machine.engines.glob("*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(KeyboardInterrupt):
            open_backend(toy, 1, "tensorrt", lambda: True)
    assert machine.gpu.leaks() == []


def test_a_build_ends_within_a_phase_that_is_long(machine: Machine, toy: Path) -> None:
    steps: list[int] = []
    machine.world.on_step = lambda: steps.append(1)
    with pytest.raises(KeyboardInterrupt):
        open_backend(toy, 1, "tensorrt", lambda: len(steps) == 5)
    assert len(steps) == 6  # of sixty, and three of the outermost phase


def test_ctrl_c_ends_a_build_in_the_midst_of_a_run(machine: Machine) -> None:
    controls = Controls()
    machine.world.on_step = lambda: setattr(controls, "quit", True)
    options = RunOptions(source="test://?frames=20", outputs=("null",), backend="tensorrt", workers=2)
    with pytest.raises(KeyboardInterrupt):
        assemble(options, controls).run()
    assert machine.world.builds == 1
    assert not list(machine.engines.glob("*.plan"))


def test_a_whole_run_through_the_command_line(
    machine: Machine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["run", "test://?frames=20", str(out), "--backend", "tensorrt", "--workers", "2"]) == 0
    assert len(out.read_text().splitlines()) == 20
    said = capfd.readouterr().err
    assert "person: building an engine for Test GPU (sm86, 24 multiprocessors) with tensorrt: there was none" in said
    assert "20 frames captured, 20 shown in" in said
    assert machine.gpu.leaks() == []


def test_tensorrt_rtx_takes_the_engine_that_was_built_ahead_for_such_a_gpu(machine: Machine, toy: Path) -> None:
    machine.install_rtx()
    with open_cuda().current():  # the double builds nowhere else
        get_engine(load_library("tensorrt-rtx"), toy, "fp16", target="sm86", gpu="", progress=lambda done: True)
    backend = open_backend(toy, 1, "tensorrt-rtx")
    assert machine.world.builds == 1
    assert backend.name == "tensorrt-rtx 1.7.1 on Test GPU"
    assert not machine.world.graphs  # sides are free: a graph would be recorded again and again
    backend.close()


def test_tensorrt_rtx_records_a_cuda_graph_where_sizes_are_fixed(machine: Machine, tmp_path: Path) -> None:
    machine.install_rtx()
    (tmp_path / "toy.yaml").write_text(TOY)
    backend = open_backend(segmenter(tmp_path / "toy.onnx"), 1, "tensorrt-rtx")
    assert machine.world.graphs
    assert backend.run(picture((1, 3, 24, 32)))["scores"].shape == (1, 5, 24, 32)
    backend.close()


def test_a_gpu_that_tensorrt_rtx_has_no_name_for_is_said_before_anything_is_built(machine: Machine, toy: Path) -> None:
    machine.install_rtx()
    machine.gpu.capability = (9, 0)
    with pytest.raises(BackendError, match=r"tensorrt-rtx 1.7.1 knows no Test GPU \(sm90, .* \(it knows sm75, sm80"):
        open_backend(toy, 1, "tensorrt-rtx")
    assert machine.world.builds == 0


@pytest.mark.slow
def test_the_real_tensorrt_rtx_builds_and_then_says_that_it_has_no_gpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the real library can be taken without a GPU."""
    if not is_installed("tensorrt-rtx"):
        pytest.skip("TensorRT-RTX is not installed: pip install '.[build]'")
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("there is a driver: the double's addresses are not its own")
    with pytest.raises(BackendError, match=r"tensorrt-rtx 1.* cannot load the engine: .*cudaError"):
        open_backend(SHIPPED / "person.onnx", 1, "tensorrt-rtx")
    assert machine.plan.stat().st_size > 1_000_000

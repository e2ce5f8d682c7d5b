"""Several GPUs in one process: each network belongs to one of them, and a service deals its streams over all."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.cli import main
from streamseg.config import make_options
from streamseg.contracts import Segmenter
from streamseg.errors import InputError
from streamseg.infer import backends, load_segmenter
from streamseg.infer.backends import faults
from streamseg.serve.supervisor import Streams, deal
from tests.infer.test_network import frame
from tests.parts.fake_tensorrt import CONTEXT_BYTES
from tests.parts.gpu_machine import Machine
from tests.parts.patience import until


@pytest.fixture(autouse=True)
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BACKENDS", {name: backends.BACKENDS[name] for name in ("tensorrt", "ort-cpu")})


def segments_as(segment: Segmenter, expected: Segmenter) -> bool:
    (found,), (right,) = (each([frame(3, 48, 64)]) for each in (segment, expected))
    return bool(np.mean(found.labels == right.labels) > 0.99)


def test_each_network_works_on_the_gpu_that_was_asked_for(machine: Machine, toy: Path) -> None:
    machine.show(2)
    alone = load_segmenter(str(toy), backend="ort-cpu").make(1)
    one, other = (load_segmenter(str(toy), backend="tensorrt", gpu=number).make(1) for number in range(2))
    assert (machine.world.builds, machine.world.engines) == (1, 2), "one plan for two GPUs of a kind, loaded on each"
    for number, segment in enumerate([one, other]):
        before = +machine.gpu.uploads
        assert segments_as(segment, alone)
        assert set(machine.gpu.uploads - before) == {number}
    one.close()
    assert segments_as(other, alone)
    other.close()
    assert machine.gpu.leaks() == []


def test_kernels_work_on_the_gpu_that_was_asked_for(machine: Machine, toy: Path) -> None:
    """`toy` takes floats and gives scores: a small picture goes up, and both kernels run."""
    machine.show(2)
    segment = load_segmenter(str(toy), backend="tensorrt", gpu=1).make(1)
    (found,) = segment([frame(3, 24, 32)])
    (right,) = load_segmenter(str(toy), backend="ort-cpu").make(1)([frame(3, 24, 32)])
    assert found.labels.shape >= right.labels.shape
    segment.close()
    assert set(+machine.gpu.uploads) == {1}
    assert machine.gpu.leaks() == []


def test_a_gpu_that_is_lost_takes_only_the_networks_on_it(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine.show(2)
    alone = load_segmenter(str(toy), backend="ort-cpu").make(1)
    one, other = (load_segmenter(str(toy), gpu=number).make(1) for number in range(2))
    machine.gpu.lost_alone, machine.gpu.lost = 1, True
    caplog.set_level(logging.INFO, "streamseg")
    assert segments_as(other, alone) and segments_as(one, alone)
    (line,) = caplog.messages
    assert line.startswith("tensorrt failed: ") and line.endswith("; running on the CPU (ort-cpu) instead")
    assert set(faults.LOST) == {1}
    machine.world.faults["execute"] = 1
    assert segments_as(one, alone)
    assert caplog.messages[-1].endswith("; reopened"), "the other GPU is no reason to leave this one"
    before = machine.world.engines
    again, elsewhere = (load_segmenter(str(toy), gpu=number).make(1) for number in range(2))
    assert machine.world.engines == before, "the first still has its engine, and the second is not asked"
    for segment in (one, other, again, elsewhere):
        segment.close()


def test_a_gpu_that_is_not_there_is_one_line(machine: Machine, toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.show(2)
    for gpu, says in (
        (2, "no NVIDIA GPU 2: CUDA shows 2, counted from 0"),
        (64, "gpu: expected a whole number from 0 to 63"),
    ):
        assert main(["run", "test://?frames=1", "null", "--model", str(toy), "--gpu", str(gpu)]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        assert says in line
    machine.show(0)
    with pytest.raises(InputError, match=r"no NVIDIA GPU 0: there is none here \(`streamseg doctor` lists them\)"):
        load_segmenter("otsu", gpu=0)


def test_a_run_takes_the_gpu_that_it_names(machine: Machine, toy: Path, tmp_path: Path) -> None:
    machine.show(3)
    (tmp_path / "run.yaml").write_text(f"source: test://?frames=3\noutputs: ['null']\nmodel: {toy}\ngpu: 2\n")
    assert main(["run", "--config", str(tmp_path / "run.yaml")]) == 0
    assert set(+machine.gpu.uploads) == {2}
    assert main(["run", "--config", str(tmp_path / "run.yaml"), "--gpu", "1"]) == 0
    assert set(+machine.gpu.uploads) == {1, 2}


def site(model: Path, **more: str) -> str:
    streams = {name: "" for name in "abcd"} | more
    lines = (f"  {name}: {{source: 'test://?fps=20', model: {model}{each}}}\n" for name, each in streams.items())
    return "streams:\n" + "".join(lines)


def test_the_streams_of_a_service_are_dealt_over_the_gpus(machine: Machine, toy: Path, tmp_path: Path) -> None:
    machine.show(2)
    (tmp_path / "site.yaml").write_text(site(toy))
    streams = Streams(tmp_path / "site.yaml")
    with contextlib.ExitStack() as stack:
        stack.callback(streams.end)
        streams.load()
        assert [stream.gpu for stream in streams.now()] == [0, 1, 0, 1]
        until(lambda: all(stream.latest.shown for stream in streams.now()))
        contexts = [size for size in machine.gpu.kept.values() if size == CONTEXT_BYTES]
        assert len(contexts) == 2, "two streams share each network"
        assert set(+machine.gpu.uploads) == {0, 1}
        streams.restart("a")
        (tmp_path / "site.yaml").write_text(site(toy, c=", gpu: 1", e=", backend: ort-cpu", f=""))
        streams.load()
        assert [stream.gpu for stream in streams.now()] == [0, 1, 1, 1, None, 0]
    until(lambda: not machine.gpu.leaks())


class Held:
    gone = False

    def __init__(self, gpu: int | None) -> None:
        self.gpu = gpu


def test_nothing_is_dealt_to_a_gpu_that_is_lost(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.show(2)
    options, beside = make_options({"source": "test://"}), [Held(1), Held(None)]
    held: Any = beside
    assert deal(options, held) == 0
    monkeypatch.setitem(faults.LOST, 0, "an illegal memory access was encountered")
    assert deal(options, held) == 1
    monkeypatch.setitem(faults.LOST, 1, "an illegal memory access was encountered")
    assert deal(options, held) is None
    assert deal(make_options({"source": "test://", "gpu": 0}), held) == 0

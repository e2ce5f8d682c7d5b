"""`--gpu N` of every command beside `run` that opens a network: the GPU that it names, or one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.bench.compare import Wanted, prepare
from streamseg.bench.streamseg_loops import pipeline
from streamseg.bench.upper_bound import alone
from streamseg.cli import main
from streamseg.infer import backends
from streamseg.infer.tuning_store import Choice
from tests.parts.gpu_machine import Machine

SCENE = "test://?frames=2&size=64x48"
QUICK = ("--seconds", "0.1", "--pictures", "test://?frames=4&size=64x48")


@pytest.fixture(autouse=True)
def three(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three GPUs, and no backend beside TensorRT and the CPU; nothing tuned."""
    chain = {name: backends.BACKENDS[name] for name in ("tensorrt", "ort-cpu")}
    for place in ("streamseg.infer.backends", "streamseg.tuning.tune"):
        monkeypatch.setattr(f"{place}.BACKENDS", chain)
        monkeypatch.setattr(f"{place}.ON_REQUEST", {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    machine.show(3)


@pytest.fixture
def words(toy: Path, tmp_path: Path) -> dict[str, Sequence[str]]:
    """What is typed behind each command."""
    for name, shape in (("pictures", (48, 64, 3)), ("masks", (48, 64))):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "one.png"), np.ones(shape, np.uint8))
    return {
        "tune": (str(toy), "--for", "live", *QUICK),
        "compare": (str(toy), "--backends", "ort-cpu,tensorrt", "--pictures", SCENE),
        "eval": (str(toy), "pictures", "masks"),
        "models": ("--try", str(toy), "--overwrite"),
        "plan": ("--cameras", "1", "--model", str(toy), "--size", "64x48", "--seconds", "0.1"),
        "doctor": (),
    }


@pytest.mark.parametrize("command", ["tune", "compare", "eval", "models", "plan", "doctor"])
def test_a_network_runs_on_the_gpu_that_is_named(
    command: str, words: dict[str, Sequence[str]], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, *words[command], "--gpu", "2"]) == 0, capsys.readouterr()
    assert set(+machine.gpu.uploads) == {2}
    assert main([command, *words[command]]) == 0
    assert set(+machine.gpu.uploads) == {0, 2}, "the first where none is named"


def test_an_import_is_checked_on_the_gpu_that_is_named(machine: Machine, toy: Path) -> None:
    cv2.imwrite("street.png", np.full((48, 64, 3), 90, np.uint8))
    toy.with_suffix(".yaml").unlink()
    named = ("--classes", "5", "--role", "logits", "--normalise", "0..1", "--height", "48", "--width", "64")
    assert main(["import", str(toy), "made.onnx", *named, "--check", "street.png", "--gpu", "1"]) == 0
    assert set(+machine.gpu.uploads) == {1}


def test_what_bench_compares_as_tuned_runs_on_the_gpu_that_is_named(machine: Machine, tmp_path: Path) -> None:
    """The others are those of the CPU."""
    task = prepare(Wanted("person-wide", gpu=1), tmp_path)
    choice = Choice(backend="tensorrt", workers=1, threads=1, agreement=1.0, rate=1.0)
    pipeline(task, choice).labels(2)
    assert set(+machine.gpu.uploads) == {1}
    before = machine.gpu.uploads[1]
    alone(task, "tensorrt", 1, 1).labels(2)
    assert machine.gpu.uploads[1] > before and set(+machine.gpu.uploads) == {1}


@pytest.mark.parametrize("command", ["tune", "compare", "eval", "models", "plan", "doctor", "bench", "import"])
def test_a_gpu_that_is_not_there_is_one_line_and_exit_code_2(
    command: str, words: dict[str, Sequence[str]], toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"bench": ("person-wide",), "import": (str(toy), "made.onnx")} | words
    for gpu, says in (
        ("3", "no NVIDIA GPU 3: CUDA shows 3, counted from 0 (`streamseg doctor` lists them)"),
        ("64", f"argument --gpu: 64: expected a whole number from 0 to 63 (see streamseg {command} --help)"),
    ):
        assert main([command, *more[command], "--gpu", gpu]) == 2
        assert capsys.readouterr().err == f"streamseg: {says}\n"
    assert not Path("made.onnx").exists()

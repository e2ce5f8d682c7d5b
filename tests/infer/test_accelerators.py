"""GPUs and NPUs other than NVIDIA's, none of which is here: doubles of what sees them, which compute on the CPU."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streamseg.cli import main
from streamseg.errors import BackendError
from streamseg.infer import backends
from streamseg.infer.backends import BACKENDS, ON_REQUEST, faults, open_backend
from streamseg.infer.tuning_store import Choice, remember
from streamseg.tuning.tune import check_variants, shares, some_images
from tests.parts import fake_ort
from tests.parts.toy_models import segmenter
from tests.parts.whole_runs import walk

BUILT_IN = {
    "ort-coreml": "CoreMLExecutionProvider",
    "ort-directml": "DmlExecutionProvider",
    "ort-migraphx": "MIGraphXExecutionProvider",
    "ort-qnn": "QNNExecutionProvider",
}
DEVICES = {"openvino-gpu": "GPU", "openvino-npu": "NPU"}
PLUGIN = "ort-qnn as a plugin"
ALL = [*BUILT_IN, *DEVICES, PLUGIN]
Here = Callable[[str], Any]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """Makes a double of the one device by its backend's name, and hides NVIDIA's backends."""
    chain = {name: BACKENDS[name] for name in ("ort-cpu", "openvino")}
    for user in ("streamseg.infer.backends", "streamseg.infer.tuning_store", "streamseg.tuning.tune"):
        monkeypatch.setattr(f"{user}.BACKENDS", chain)

    def make(name: str) -> Any:
        if name in DEVICES:
            pytest.importorskip("openvino", reason="OpenVINO is an extra")
            from tests.parts.fake_openvino import FakeOpenVino

            double: Any = FakeOpenVino(DEVICES[name])
            monkeypatch.setitem(sys.modules, "openvino", double)
            return double
        double = fake_ort.FakeOrt(BUILT_IN[name.split()[0]], plugin=name == PLUGIN)
        monkeypatch.setitem(sys.modules, "onnxruntime", double)
        if name == PLUGIN:
            package: Any = ModuleType("onnxruntime_qnn")
            package.get_library_path = lambda: "libonnxruntime_providers_qnn.so"
            package.__spec__ = importlib.machinery.ModuleSpec("onnxruntime_qnn", None)
            monkeypatch.setitem(sys.modules, "onnxruntime_qnn", package)
        return double

    return make


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255]}\n")
    return segmenter(tmp_path / "toy.onnx")


def named(case: str) -> str:
    return case.split()[0]


def tuned(model: Path, name: str) -> None:
    """As if `streamseg tune` had chosen it."""
    choice = Choice(backend=name, workers=1, threads=1, agreement=1.0, rate=100.0)
    remember(model, {"file": choice, "live": choice})


@pytest.mark.parametrize("case", ALL)
def test_what_is_there_runs_and_says_where(
    case: str, here: Here, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    double = here(case)
    backend = open_backend(model, 1, named(case))
    where = DEVICES.get(case) or double.provider.removesuffix("ExecutionProvider")
    assert backend.name.endswith(f"({where})")
    backend.close()
    assert walk(model, caplog, ON_REQUEST, backend=named(case)) == []


@pytest.mark.parametrize("name", [*BUILT_IN, *DEVICES])
def test_what_is_not_there_is_one_line_where_it_is_named(
    name: str, here: Here, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name in DEVICES:
        here(name).available_devices = ["CPU"]
    assert main(["run", "test://?frames=2", "null", "--model", str(model), "--backend", name]) == 5
    (line,) = [line for line in capsys.readouterr().err.splitlines() if name in line]
    assert f"{name} does not run it here: " in line
    assert ("sees no" if name in DEVICES else "has no") in line and line.endswith(")")


def test_what_is_not_there_is_no_news_to_a_run_nor_to_tune(
    here: Here, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert walk(model, caplog, ON_REQUEST) == []
    checked = check_variants(model, [], some_images("test://?frames=2&size=64x48"), 0.99)
    assert not {variant.backend for variant in checked} & {*BUILT_IN, *DEVICES}


@pytest.mark.parametrize("case", ALL)
def test_it_is_never_taken_unasked(case: str, here: Here, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run measures no speed, and it may be slower than the CPU."""
    assert named(case) not in BACKENDS
    double = here(case)
    assert walk(model, caplog, ON_REQUEST) == []
    assert not double.runs_there


@pytest.mark.parametrize("case", ALL)
def test_tune_lets_it_race_with_the_workers_of_a_gpu(case: str, here: Here, model: Path) -> None:
    here(case)
    images = some_images("test://?frames=2&size=64x48")
    checked = {variant.backend: variant for variant in check_variants(model, [], images, 0.99)}
    assert checked[named(case)].refused == "" and checked[named(case)].agreement > 0.99
    assert list(shares("file", 2, named(case))) == [(1, 2), (2, 1), (3, 1), (4, 1)]


@pytest.mark.parametrize("case", ALL)
def test_wrong_labels_are_refused_by_tune_and_by_a_run(
    case: str, here: Here, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here(case).wrong = True
    images = some_images("test://?frames=2&size=64x48")
    checked = {variant.backend: variant for variant in check_variants(model, [], images, 0.99)}
    assert checked[named(case)].refused.startswith("masks differ")
    assert main(["run", "test://?frames=2", "null", "--model", str(model), "--backend", named(case)]) == 5
    assert "of its labels are those of ort-cpu" in capsys.readouterr().err


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("error", [RuntimeError("the driver is too old"), MemoryError(), ValueError()])
def test_what_does_not_start_leads_to_the_cpu(
    case: str, error: Exception, here: Here, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here(case).creation = [error]
    tuned(model, named(case))
    (line,) = walk(model, caplog, ON_REQUEST)
    assert line.startswith(f"{named(case)}: ") and line.endswith("; running on the CPU (ort-cpu) instead")


@pytest.mark.parametrize("case", ALL)
@pytest.mark.parametrize("error", [RuntimeError("device removed"), MemoryError()])
def test_what_fails_in_the_middle_is_run_again_and_then_on_the_cpu(
    case: str, error: Exception, here: Here, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here(case).runs = [None, None, None, error, None, None, error]  # each opening warms up first
    tuned(model, named(case))
    lines = walk(model, caplog, ON_REQUEST)
    assert [line.rpartition("; ")[2] for line in lines] == ["reopened", "running on the CPU (ort-cpu) instead"]


def test_an_error_that_would_end_cuda_ends_nothing_elsewhere(here: Here, model: Path) -> None:
    here("ort-directml").creation = [RuntimeError("GPU hang: unspecified launch failure")]
    with pytest.raises(BackendError, match="launch failure"):
        open_backend(model, 1, "ort-directml")
    assert not faults.LOST


def test_a_plugin_without_an_npu_or_that_does_not_load_is_one_line(
    here: Here, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = here(PLUGIN)
    double.npus = 0
    with pytest.raises(BackendError, match="onnxruntime_qnn sees no NPU"):
        open_backend(model, 1, "ort-qnn")
    monkeypatch.setattr(double, "get_ep_devices", lambda: 1 / 0)
    with pytest.raises(BackendError, match="onnxruntime_qnn does not load: division by zero"):
        open_backend(model, 1, "ort-qnn")


def test_a_plugin_is_shown_to_onnx_runtime_once(here: Here, model: Path) -> None:
    double = here(PLUGIN)
    for _ in range(3):
        open_backend(model, 1, "ort-qnn").close()
    assert double.registered == [("QNNExecutionProvider", "libonnxruntime_providers_qnn.so")]


def test_directml_is_asked_for_no_memory_pattern_which_it_refuses(here: Here, model: Path) -> None:
    double = here("ort-directml")
    open_backend(model, 1, "ort-directml").close()
    assert [options.enable_mem_pattern for options in double.options] == [False]
    open_backend(model, 1, "ort-cpu").close()
    assert double.options[-1].enable_mem_pattern


def test_of_two_gpus_openvino_takes_its_first(here: Here, model: Path) -> None:
    double = here("openvino-gpu")
    double.available_devices = ["CPU", "GPU.0", "GPU.1"]
    assert open_backend(model, 1, "openvino-gpu").name.endswith("(GPU)")
    assert double.compiled == [("GPU", {"PERFORMANCE_HINT": "LATENCY"})]


def test_where_each_runs_is_said_as_it_is() -> None:
    assert backends.place("openvino-gpu") == "on the GPU (openvino-gpu)"
    assert backends.place("openvino-npu") == "with openvino-npu"
    assert backends.place("ort-coreml") == "with ort-coreml"
    assert backends.place("openvino-bf16") == "on the CPU (openvino-bf16)"

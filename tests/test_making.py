from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streamseg.cli import main
from streamseg.making import summary
from tests.training.scene import make_plan, write_scene

trained = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="training needs PyTorch: pip install 'streamseg[train]'"
)
built = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None,
    reason="TensorRT-RTX is not installed: pip install 'streamseg[build]'",
)


def write_plan(root: Path) -> Path:
    import msgspec

    path = root / "plan.yaml"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(make_plan(root, data={"hold_out": ["2*"]}))))
    return path


@trained
def test_from_pictures_to_a_model_that_runs_in_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(tmp_path, 3)
    out = tmp_path / "out"
    assert main(["train", str(write_plan(tmp_path)), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "epoch 2/2  loss" in told.err
    assert "best.pt: held out mIoU" in told.out
    assert f"streamseg run SOURCE --model {out / 'scene.onnx'}" in told.out
    assert main(["run", str(tmp_path / "pictures"), "null", "--model", str(out / "scene.onnx"), "--quiet"]) == 0
    arguments = ["export", str(out / "best.pt"), str(tmp_path / "scene.onnx"), "--pictures", str(tmp_path / "pictures")]
    assert main(arguments) == 0
    assert "of the pixels as PyTorch has them" in capsys.readouterr().out
    assert (tmp_path / "scene.onnx").stat().st_size > 1000


@trained
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@trained
def test_the_data_folder_may_be_given_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(tmp_path, 3)
    assert main(["train", str(write_plan(tmp_path)), "--data", str(tmp_path / "empty"), "--out", str(tmp_path)]) == 2
    assert "empty/pictures: no such folder" in capsys.readouterr().err


@trained
def test_architectures_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == 0
    assert "unet-lite0" in capsys.readouterr().out


def test_running_streamseg_never_imports_torch() -> None:
    code = "import sys, streamseg, streamseg.training; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "--list"]) == 2
    assert "pip install 'streamseg[train]'" in capsys.readouterr().err


@trained
def test_the_best_epoch_is_named() -> None:
    history = [
        {"epoch": 1.0, "loss": 1.0, "val miou": 0.5},
        {"epoch": 2.0, "loss": 1.0},
        {"epoch": 3.0, "val miou": 0.4},
    ]
    assert summary(history) == "val mIoU 50.0% in epoch 1"
    assert summary([{"epoch": 1.0, "loss": 1.0}]) == "1 epochs, nothing to validate on"


@trained
def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    write_scene(tmp_path, 3)
    monkeypatch.setattr("streamseg.training.train.train", interrupted)
    assert main(["train", str(write_plan(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "the same command goes on" in capsys.readouterr().err


@trained
def test_a_plan_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "streamseg train PLAN.yaml" in capsys.readouterr().err


@built
def test_an_engine_is_built_for_a_gpu_that_is_not_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["build", "person", "--for", "sm86", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "layers: there is none yet" in capsys.readouterr().out
    assert main(words) == 0
    assert "was there" in capsys.readouterr().out
    (plan,) = tmp_path.glob("person-*.plan")
    plan.write_bytes(plan.read_bytes()[:-1] + b"x")
    assert main(words) == 0
    assert "its checksum differs" in capsys.readouterr().out
    assert main([*words, "--precision", "fp32"]) == 0
    assert "another precision" in capsys.readouterr().out


@built
def test_which_gpu_must_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "person", "--out", str(tmp_path)]) == 2
    assert "--for one of sm75" in capsys.readouterr().err
    assert main(["build", "person", "--for", "sm1", "--out", str(tmp_path)]) == 5
    assert main(["build", str(tmp_path / "none.onnx"), "--for", "sm86"]) == 2
    assert "none.onnx" in capsys.readouterr().err


def test_without_tensorrt_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamseg.infer.backends.tensorrt.library import load_library

    load_library.cache_clear()
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    assert main(["build", "person", "--for", "sm86"]) == 5
    assert "pip install 'streamseg[build]'" in capsys.readouterr().err
    load_library.cache_clear()

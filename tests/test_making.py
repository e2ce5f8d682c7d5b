from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streamseg.cli import main
from streamseg.making import summary
from tests.training.scene import make_plan, write_scene

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install 'streamseg[train]'")


def write_plan(root: Path) -> Path:
    import msgspec

    path = root / "plan.yaml"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(make_plan(root, data={"hold_out": ["2*"]}))))
    return path


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


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_data_folder_may_be_given_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(tmp_path, 3)
    assert main(["train", str(write_plan(tmp_path)), "--data", str(tmp_path / "empty"), "--out", str(tmp_path)]) == 2
    assert "empty/pictures: no such folder" in capsys.readouterr().err


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


def test_the_best_epoch_is_named() -> None:
    history = [
        {"epoch": 1.0, "loss": 1.0, "val miou": 0.5},
        {"epoch": 2.0, "loss": 1.0},
        {"epoch": 3.0, "val miou": 0.4},
    ]
    assert summary(history) == "val mIoU 50.0% in epoch 1"
    assert summary([{"epoch": 1.0, "loss": 1.0}]) == "1 epochs, nothing to validate on"


def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    write_scene(tmp_path, 3)
    monkeypatch.setattr("streamseg.training.train.train", interrupted)
    assert main(["train", str(write_plan(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "the same command goes on" in capsys.readouterr().err


def test_a_plan_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "streamseg train PLAN.yaml" in capsys.readouterr().err

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from streamseg.cli import main
from streamseg.commands.train import summary
from tests.training.scene import make_plan, write_scene

trained = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="training needs PyTorch: pip install '.[train]'"
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


@trained
def test_folds_give_a_spread_and_what_is_sealed_is_scored_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import msgspec

    write_scene(tmp_path, 5)
    groups = {"named": "^[0-9]", "folds": 2, "sealed": ["4*"]}
    path, out = tmp_path / "plan.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(msgspec.to_builtins(make_plan(tmp_path, data={"hold_out_groups": groups}))))
    words = ["train", str(path), "--out", str(out)]
    assert main([*words, "--folds"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == [f"{out}/fold-0/best.pt", f"{out}/fold-1/best.pt", "2 folds"]
    assert not list(out.rglob("sealed.json"))
    assert main(words) == 0
    assert "sealed, scored once: miou" in capsys.readouterr().out
    (out / "sealed.json").write_text('{"miou": 0.123}')
    assert main(words) == 0
    assert "sealed, scored once: miou 12.3%" in capsys.readouterr().out


@trained
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@trained
def test_what_is_left_out_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "which plan? (streamseg train PLAN.yaml" in capsys.readouterr().err
    assert main(["train", "--from", "cracks"]) == 2
    assert "which pictures? (streamseg train --from MODEL FOLDER" in capsys.readouterr().err


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
    assert "[train]'" in capsys.readouterr().err


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
    assert main(["train", str(write_plan(tmp_path)), "--out", str(tmp_path / "out")]) == 130
    assert "the same command continues" in capsys.readouterr().err


@trained
def test_a_plan_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "streamseg train PLAN.yaml" in capsys.readouterr().err

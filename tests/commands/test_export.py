from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.cli import main
from tests.commands.test_train import trained, write_plan
from tests.training.scene import write_scene


@trained
def test_a_checkpoint_becomes_a_model_and_writes_over_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(tmp_path, 3)
    out = tmp_path / "out"
    assert main(["train", str(write_plan(tmp_path)), "--out", str(out)]) == 0
    capsys.readouterr()
    arguments = ["export", str(out / "best.pt"), str(tmp_path / "scene.onnx"), "--pictures", str(tmp_path / "pictures")]
    (tmp_path / "scene.onnx").write_bytes(b"precious")
    assert main(arguments) == 4
    assert "scene.onnx: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert (tmp_path / "scene.onnx").read_bytes() == b"precious"
    assert main([*arguments, "--overwrite"]) == 0
    assert "of the pixels as PyTorch has them" in capsys.readouterr().out
    assert (tmp_path / "scene.onnx").stat().st_size > 1000
    best = (out / "best.pt").read_bytes()
    for target, told in (("best.pt", "a model's name ends in .onnx"), ("scene.yaml", "a model's name ends in .onnx")):
        assert main(["export", str(out / "best.pt"), str(out / target), "--overwrite"]) == 2
        assert told in capsys.readouterr().err
    (out / "best.onnx").write_bytes(best)
    assert main(["export", str(out / "best.onnx"), str(out / "best.onnx"), "--overwrite"]) == 2
    assert "best.onnx: would write over what is read" in capsys.readouterr().err
    assert (out / "best.pt").read_bytes() == (out / "best.onnx").read_bytes() == best

"""Whatever stands on the command line: one line and a documented exit code, and never "a defect"."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from tests.parts import toy_models

SCENE = "test://?frames=2&size=64x48"
NUMBERS = [
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e999",
    "9" * 30,
    "0x10",
    "1_000",
    "½",
    "١٢",
    "\udcff",
    "\t",
    "--",
]
NAMES = [
    "",
    " ",
    "a" * 300,
    "a" * 5000,
    "../" * 50,
    ".",
    "/",
    "folder",
    "folder/",
    "junk",
    "empty",
    "loop",
    "nowhere/x",
]
NAMES += [
    "/dev/full",
    "/dev/null/x",
    "junk/x",
    "loop/x",
    "[",
    "[[",
    "*",
    "**",
    "%s",
    "%d",
    "{}",
    "{x.y}",
    "~root",
    "\udcff",
]
NAMES += [
    "é",
    "🙂",
    "[/red]",
    "'",
    '"',
    "\\",
    "=",
    "a=",
    "=b",
    "a=b=c",
    "null",
    "window",
    "#fff",
    "#gggggg",
    "file:///x",
]
SIZES = ["0x0", "1x", "x", "-1x-1", "1x1x1", "99999x99999", "1920*1080", *NUMBERS]
SETTINGS = [
    "",
    "k",
    "k=",
    "=4",
    "k=4,5",
    "k=nan",
    "k=inf",
    "k=1e9",
    "k=-1",
    "k=a",
    "value=\udcff",
    "k==4",
    "k=4=5",
    "--",
]
FLAGS = {
    "run": {
        **dict.fromkeys(["opacity", "fps", "workers", "threads", "stall-timeout"], NUMBERS),
        **dict.fromkeys(["model", "backend", "target", "view", "background", "pixel-format", "transport"], NAMES),
        "config": [name for name in NAMES if name != "null"] + ["huge.yaml", "list.yaml", "broken.yaml", "utf16.yaml"],
        "size": SIZES,
        "set": SETTINGS,
    },
    "import": {
        **dict.fromkeys(
            ["name", "classes", "colours", "normalise", "colour", "fit", "layout", "output", "role"], NAMES
        ),
        **dict.fromkeys(["background", "mean", "std", "height", "width", "stride"], NUMBERS),
    },
    "compare": {"backends": NAMES, "pictures": NAMES, "least": NUMBERS},
    "tune": {"least": ["", "nan", "2"], "seconds": ["", "nan", "inf", "-1", "0", "1e999", "x"], "pictures": NAMES},
    "bench": {"rounds": ["0", "-1", "nan", "1e3", "9" * 5000], "seconds": ["nan", "inf", "0", "-1"], "clip": NAMES},
    "eval": {"only": NAMES, "parts": NAMES, "ids": NUMBERS + SETTINGS, "sheet": NAMES},
}
CALM = {
    "run": ["run", SCENE, "null", "--model", "kmeans"],
    "import": ["import", "toy.onnx", "own.onnx"],
    "compare": ["compare", "own.onnx", "--pictures", "pictures"],
    "tune": ["tune", "own.onnx"],
    "bench": ["bench", "own.onnx"],
    "eval": ["eval", "own.onnx", "pictures", "masks"],
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "junk").write_bytes(random.Random(0).randbytes(5000))
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "huge.yaml").write_text("source: test://\n" + "#" * 9_000_000)
    (tmp_path / "list.yaml").write_text("- 1\n- 2\n")
    (tmp_path / "broken.yaml").write_text("source: [\n")
    (tmp_path / "utf16.yaml").write_bytes("source: test://\n".encode("utf-16"))
    for name, value in (("pictures", 100), ("masks", 1)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.full((48, 64), value, np.uint8))
    toy_models.segmenter(tmp_path / "toy.onnx")
    assert main(["import", "toy.onnx", "own.onnx", "--normalise", "imagenet"]) == 0
    return tmp_path


def check(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code = main(words)
    said = capsys.readouterr().err
    assert code in (0, 2, 3, 4, 5) or (code == 1 and words[0] == "compare"), (words, said)
    assert "defect" not in said and "Traceback" not in said, (words, said)
    if code and not said.startswith("usage:"):
        also = said.count("frames captured") + said.count("passed over")  # the second a line for each file in a folder
        assert said.count("\n") == 1 + also, (words, said)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "flag"), [(command, flag) for command in FLAGS for flag in FLAGS[command]])
def test_a_flag_takes_any_value(command: str, flag: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for value in FLAGS[command][flag]:
        if (command, flag, value) != ("run", "config", "huge.yaml"):
            check([*CALM[command], f"--{flag}={value}"], capsys)


@pytest.mark.slow
@pytest.mark.parametrize("command", CALM)
def test_a_place_takes_any_name(command: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (1, 2):
        for name in NAMES:
            if (command, place, name) == ("run", 2, "window"):
                continue
            check([*CALM[command][:place], name, *CALM[command][place + 1 :]], capsys)


@pytest.mark.parametrize("flag", ["opacity=nan", "size=0x0", "fps=inf", "threads=1e9", "set=--", "config=folder"])
def test_what_is_no_value_is_refused(flag: str, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALM["run"], f"--{flag}"]) == 2
    assert flag.partition("=")[0] in capsys.readouterr().err.replace("folder", "config")

"""What the documents tell a person to type, and a folder in which it can be typed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.convert.importer import Hints, import_model
from tests.parts import asked_networks, clips, toy_models
from tests.parts.matting import matting
from tests.parts.program import environment

ROOT = Path(__file__).parents[2]
WALKED = sorted([*(ROOT / "docs" / "tutorials").glob("*.md"), *(ROOT / "docs" / "howto").glob("*.md")])
"""Pages that are worked through from top to bottom, each in a folder of its own."""
CARDS = sorted([*ROOT.glob("streamseg/infer/models/*.md"), *ROOT.glob("*-models/**/*.md")])
"""Of the models, and what the packages of some say of themselves."""
_OTHERS = {*ROOT.glob("[CS]*.md"), *(ROOT / "docs").rglob("*.md"), *CARDS} - {*WALKED}
PAGES = [ROOT / "README.md", *sorted(_OTHERS - {ROOT / "CHANGELOG.md"})]
PROGRAMS = (
    "make", "streamseg", "pip", "python", "python3", "source", "openssl", "mkdir", "echo", "cp", "podman", "pre-commit",
)  # fmt: skip
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")


class Block(NamedTuple):
    """Fenced lines; `language` is empty for what is typed into a terminal, and for pictures drawn with letters."""

    page: Path
    language: str
    text: str


def blocks(language: str) -> list[Block]:
    """All fenced blocks of one language."""
    return [block for page in PAGES for block in blocks_of(page) if block.language == language]


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of one page in order; also those that stand indented, in a tab or a list."""
    found = _BLOCK.findall(page.read_text())
    return [Block(page, language, textwrap.dedent(text)) for _, language, text in found]


def typed(block: Block) -> list[str]:
    """The commands of a block, without prompts, remarks and what they print; continued lines are joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [re.split(r"\s{2,}#", line)[0].strip() for line in prompted or lines if line.partition(" ")[0] in PROGRAMS]


def typed_in_sentences() -> list[str]:
    """Commands that stand within a sentence; those with an ellipsis are none."""
    prose = (_BLOCK.sub("", page.read_text()) for page in PAGES)
    found = [" ".join(command.split()) for text in prose for command in _INLINE.findall(text)]
    return [command for command in found if "…" not in command]


def commands() -> list[str]:
    """Every command of every page, once."""
    of_blocks = [command for block in blocks("") for command in typed(block)]
    return list(dict.fromkeys([*of_blocks, *typed_in_sentences()]))


def workplace(folder: Path) -> Path:
    """A checkout with the files in it that the documents take for granted: small ones of those names."""
    checkout(folder)
    practice(folder)
    (folder / "dash").mkdir()
    for name in FILMS:
        clips.clip(folder / name, frames=12)
    (folder / "classes.txt").write_text("one\ntwo\nthree\nfour\nfive\n")
    plan = next(block.text for block in blocks("yaml") if "network:" in block.text)
    (folder / "cracks.yaml").write_text(plan.replace("epochs: 24, repeat: 4", "epochs: 1, repeat: 4"))
    (folder / "public").mkdir()
    (folder / "site.yaml").symlink_to(ROOT / "configs" / "site.yaml")
    toy_models.segmenter(folder / "unet.onnx")
    import_model(folder / "unet.onnx", folder / "own.onnx", Hints(normalise="imagenet"))
    matting(folder / "rvm.onnx")
    asked_networks.pair(folder, "sam2")
    (folder / "segformer").mkdir()
    for name, file in HUGGING_FACE.items():
        (folder / "segformer" / name).write_text(json.dumps(file))
    for name, outputs in FAMILIES.items():
        arrays = {
            key: np.zeros(shape, np.int64 if key == "labels" and len(shape) < 3 else np.float32)
            for key, shape in outputs.items()
        }
        toy_models.constant(folder / name, arrays, metadata=ULTRALYTICS if name.startswith("yolo") else None)
    shutil.copy(ROOT / RESEARCH / "street.onnx", folder / "street-int8.onnx")
    (folder / "training" / "cracks").mkdir(parents=True)
    shutil.copy(ROOT / RESEARCH / "cracks.onnx", folder / "training" / "cracks" / "cracks.onnx")
    for name, masks, suffix in DATA:
        _pictures(folder / name, suffix, masks=False)
        _pictures(folder / masks, ".png", masks=True)
    for name in ("frames", "slides"):
        _pictures(folder / name, ".jpg", masks=False)
    shutil.copy(next((folder / "frames").iterdir()), folder / "photo.jpg")
    return folder


ULTRALYTICS = {"task": "segment", "names": "{0: 'disc', 1: 'square'}", "imgsz": "[64, 64]", "stride": "32"}
FAMILIES: dict[str, dict[str, tuple[int, ...]]] = {
    "yolo11n-seg.onnx": {"output0": (1, 38, 84), "output1": (1, 32, 16, 16)},
    "rf-detr-seg.onnx": {"dets": (1, 9, 4), "labels": (1, 9, 91), "masks": (1, 9, 16, 16)},
    "d-fine-seg.onnx": {"labels": (1, 9), "boxes": (1, 9, 4), "scores": (1, 9), "masks": (1, 9, 16, 16)},
    "mask2former.onnx": {"class_queries_logits": (1, 9, 4), "masks_queries_logits": (1, 9, 16, 16)},
    "cells.onnx": {"maps": (1, 3, 32, 32)},
    "maskrcnn.onnx": {"boxes": (2, 4), "labels": (2,), "scores": (2,), "masks": (2, 1, 64, 64)},
    "segformer/model.onnx": {"logits": (1, 3, 16, 16)},
    "deeplab.onnx": {"out": (1, 21, 64, 64), "aux": (1, 21, 64, 64)},
    "sigmoids.onnx": {"scores": (1, 3, 64, 64)},
}
"""Outputs of networks in the form of their exporters, in which nothing is found."""
RESEARCH = "research-models/streamseg_research_models"
FILMS = (
    "dashcam.mp4", "road.mp4", "drive.mp4", "clip.mp4", "film.mp4", "match.mp4", "a.mp4", "b.mp4", "dash/day.mp4",
)  # fmt: skip


def checkout(folder: Path) -> Path:
    """The repository by links, without what was made in it."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv", "training", "practice", "demo-out", "site"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)  # whatever it is called here
    return folder


def practice(folder: Path) -> Path:
    """The films that pages take for granted, in `folder`/practice."""
    command = [sys.executable, str(ROOT / "tools" / "practice.py")]
    subprocess.run(command, cwd=folder, env=environment(PYTHONPATH=str(ROOT)), check=True, capture_output=True)
    return folder / "practice"


DATA = (
    ("road/images", "road/masks", ".jpg"),
    ("held-out/images", "held-out/masks", ".jpg"),
    ("cracks/images", "cracks/masks", ".jpg"),
    ("membrane/images", "membrane/masks", ".png"),
    ("nuclei/images", "nuclei/instances", ".webp"),
    ("camvid/val", "camvid/valannot", ".png"),
    ("camvid/train", "camvid/trainannot", ".png"),
)
"""Pictures, their masks, and what the pictures are."""


def _pictures(folder: Path, suffix: str, *, masks: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    dice = np.random.default_rng(0)
    for number in (4, 5, 7, 16, 17):
        picture = np.zeros((384, 480), np.uint8) if masks else dice.integers(0, 255, (384, 480, 3), np.uint8)
        if masks:
            picture[100:200, 100:300] = 1
        cv2.imwrite(str(folder / f"{number}{suffix}"), picture)


HUGGING_FACE = {
    "config.json": {"model_type": "segformer", "id2label": {"0": "road", "1": "car", "2": "person"}},
    "preprocessor_config.json": {"do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
}

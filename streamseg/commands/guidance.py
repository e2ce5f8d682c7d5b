"""What a new user types first, and the command that does it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

START = """which command? The first ones are

  streamseg run 0                   your webcam, in a window
  streamseg run FILM.mp4 out.mp4    a film, recorded with its masks
  streamseg run test:// out.mp4     a generated scene, where no camera is at hand
  streamseg --help                  everything else"""

_RUN = "run SOURCE, such as streamseg run 0 or streamseg run film.mp4"
_COMMANDS = {
    **dict.fromkeys(("webcam", "camera", "cam"), "run 0"),
    **dict.fromkeys(("detect", "predict", "segment", "track", "infer", "start", "play"), _RUN),
    **dict.fromkeys(("server", "web", "ui", "service"), "serve --config SITE.yaml"),
    **dict.fromkeys(("evaluate", "val", "validate", "score", "test"), "eval MODEL PICTURES MASKS"),
    **dict.fromkeys(("convert", "add"), "import MODEL.onnx"),
    **dict.fromkeys(("info", "check", "status", "devices"), "doctor"),
    **dict.fromkeys(("list", "ls", "zoo"), "models"),
    **dict.fromkeys(("benchmark", "profile"), "bench"),
    "quantize": "quantise MODEL PICTURES FILE.onnx",
    "help": "--help",
    "version": "--version",
}
_SOURCE = "the source is the first word: streamseg run 0"
_OUTPUT = "outputs follow the source: streamseg run SOURCE out.mp4"
_SCORE = "the least score of an object is set by streamseg import FILE.onnx --threshold 0.4"
_SIDE = "a network sees the size of its export; a free one: streamseg import FILE.onnx --height 640 --width 640"
PLACES = {
    **dict.fromkeys(("--source", "--input", "--camera", "--video", "-i", "-s"), _SOURCE),
    **dict.fromkeys(("--output", "--out", "--save", "--record", "-o"), _OUTPUT),
    **dict.fromkeys(("--conf", "--conf-thres", "--confidence"), _SCORE),
    **dict.fromkeys(("--imgsz", "--img-size"), _SIDE),
    "--classes": "every class of the model is drawn; --hide covers some, --hide-all-but all others",
}
"""Flags for what streamseg takes without one, or elsewhere."""
FLAGS = {
    **dict.fromkeys(("--weights", "--network", "-m"), "--model NAME"),
    **dict.fromkeys(("--device", "--cpu", "--provider"), "--backend NAME; `streamseg doctor` lists them"),
    **dict.fromkeys(("--gpu-id", "--device-id"), "--gpu N; `streamseg doctor` lists them"),
    **{f"--{view}": f"--view {view}" for view in ("overlay", "mask", "side-by-side", "blur", "replace", "objects")},
    "--alpha": "--opacity",
    "--resolution": "--size WIDTHxHEIGHT",
    "--rate": "--fps",
    "--skip": "--every",
}
"""Flags of other programs, and streamseg's own for the same."""
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")


def is_source(word: str) -> bool:
    """Whether the name of a command would be an odd thing to write like `word`: it is a source without `run`."""
    if word.isdigit() or word == "-" or _ADDRESS.match(word) or "*" in word:
        return True
    return os.path.exists(word) or bool(re.fullmatch(r"\.\w{2,11}", Path(word).suffix))  # noqa: PTH110 - never raises


def command_meant(word: str, known: Collection[str]) -> str:
    """What to type instead of the unknown command `word`, as a hint."""
    meant = _COMMANDS.get(word.lower()) or next(iter(difflib.get_close_matches(word.lower(), known, n=1)), "")
    return f"did you mean: streamseg {meant}" if meant else "`streamseg --help` lists the commands"


def flags_meant(unknown: Sequence[str], known: Collection[str]) -> str:
    """What to type instead of the first unknown flag, as a hint."""
    flag = unknown[0].partition("=")[0]
    if place := PLACES.get(flag.lower()):
        return place
    meant = FLAGS.get(flag.lower()) or next(iter(difflib.get_close_matches(flag, known, n=1)), "")
    return f"did you mean: {meant}" if meant else "`streamseg COMMAND --help` lists the flags"

"""The fuzz corpus: small files of every kind that is read, made in code, and ways in which something gnaws at them.

Whatever a seed once broke stays broken the same way, because both the files and the bites follow from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import cv2

from tests.parts import clips, toy_models

Bite = Callable[[random.Random, bytearray], bytearray]

VIDEOS: dict[str, dict[str, object]] = {
    "a.mp4": {},
    "a.mkv": {},
    "a.ts": {"format": "mpegts"},
    "a.avi": {"codec": "mpeg4"},
    "a.webm": {"codec": "libvpx-vp9"},
}
PICTURES = ("a.png", "a.jpg", "a.webp", "a.bmp", "a.tiff")
_RUN = b"""source: test://?frames=2&size=64x48
outputs: ["null"]
model: otsu
view: side-by-side
opacity: 0.5
settings: {}
legend: true
fps: 25
"""
_SPEC = b"""classes: [a, b, c, d, e]
outputs: {logits: scores}
input:
  colour: rgb
  mean: [123.7, 116.3, 103.5]
  std: [58.4, 57.1, 57.4]
  fit: letterbox
colours: ['#000000', '#102030', '#405060', '#708090', '#a0b0c0']
background: 0
"""
_HOSTILE = (b"!!python/object/apply:os.system [ls]", b"&a [*a]", b"{" * 50, b"\xff\xfe", b"\0", b"1e999", b"-0x", b"? ")


def corpus(folder: Path) -> dict[str, bytes]:
    """Name to the bytes of one whole file of each kind."""
    files: dict[str, bytes] = {}
    for name, options in VIDEOS.items():
        path = clips.clip(folder / f"whole-{name}", frames=8, size=(160, 120), **options)  # type: ignore[arg-type]
        files[name] = path.read_bytes()
    for name in PICTURES:
        files[name] = cv2.imencode(Path(name).suffix, clips.numbered(3, 160, 120))[1].tobytes()
    files["model.onnx"] = toy_models.segmenter(folder / "whole.onnx").read_bytes()
    files["run.yaml"], files["spec.yaml"] = _RUN, _SPEC
    return files


def gnaw(path: Path, whole: bytes, dice: random.Random) -> Path:
    """Writes `whole` to `path` with some of it changed, cut out, doubled or missing."""
    bites = (*BITES, _hostile_text) if path.suffix == ".yaml" else BITES
    path.write_bytes(dice.choice(bites)(dice, bytearray(whole)))
    return path


def words(kind: str, path: Path, folder: Path) -> list[str]:
    """The command line that reads `path`."""
    scene = "test://?frames=2&size=64x48"
    if kind == "run.yaml":
        return ["run", scene, "--config", str(path)]
    if kind == "spec.yaml":
        model = toy_models.segmenter(folder / f"{path.stem}.onnx")
        return ["run", scene, "null", "--model", str(model)]
    if kind == "model.onnx":
        path.with_suffix(".yaml").write_bytes(_SPEC)
        return ["run", scene, "null", "--model", str(path)]
    return ["run", str(path), "null", "--model", "otsu"]


def anywhere(dice: random.Random, raw: bytearray) -> bytearray:
    for _ in range(dice.randrange(1, 60)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    return raw


def header(dice: random.Random, raw: bytearray) -> bytearray:
    for _ in range(dice.randrange(1, 8)):
        raw[dice.randrange(min(400, len(raw)))] = dice.choice([0, 127, 255, dice.randrange(256)])
    return raw


def tail(dice: random.Random, raw: bytearray) -> bytearray:
    return raw[: dice.randrange(len(raw))]


def middle(dice: random.Random, raw: bytearray) -> bytearray:
    at = dice.randrange(len(raw))
    raw[at:at] = dice.randbytes(dice.randrange(1, 500))
    return raw


def doubled(dice: random.Random, raw: bytearray) -> bytearray:
    at = dice.randrange(len(raw))
    raw[at:at] = raw[at : at + dice.randrange(1, 2000)]
    return raw


def _hostile_text(dice: random.Random, raw: bytearray) -> bytearray:
    lines = bytes(raw).splitlines()
    lines.insert(dice.randrange(len(lines)), dice.choice([*_HOSTILE, dice.choice(lines), b"  " + dice.choice(lines)]))
    at = dice.randrange(len(lines))
    key, _, _ = lines[at].partition(b":")
    lines[at] = key + b": " + dice.choice(_HOSTILE)
    return bytearray(b"\n".join(lines))


BITES: tuple[Bite, ...] = (anywhere, header, tail, middle, doubled)

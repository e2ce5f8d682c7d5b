"""Files that something gnawed at: whatever is left of them, a person sees frames or one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from streamseg.capture import open_source
from streamseg.errors import StreamsegError
from tests.parts import clips

Gnaw = Callable[[random.Random, bytearray], bytearray]


def _anywhere(dice: random.Random, raw: bytearray) -> bytearray:
    for _ in range(dice.randrange(1, 60)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    return raw


def _header(dice: random.Random, raw: bytearray) -> bytearray:
    for _ in range(dice.randrange(1, 8)):
        raw[dice.randrange(min(400, len(raw)))] = dice.choice([0, 127, 255, dice.randrange(256)])
    return raw


def _tail(dice: random.Random, raw: bytearray) -> bytearray:
    return raw[: dice.randrange(len(raw))]


def _middle(dice: random.Random, raw: bytearray) -> bytearray:
    at = dice.randrange(len(raw))
    raw[at:at] = dice.randbytes(dice.randrange(1, 500))
    return raw


GNAW: tuple[Gnaw, ...] = (_anywhere, _header, _tail, _middle)
VIDEOS: dict[str, dict[str, object]] = {
    "a.mp4": {},
    "a.mkv": {},
    "a.ts": {"format": "mpegts"},
    "a.avi": {"codec": "mpeg4"},
    "a.webm": {"codec": "libvpx-vp9"},
}
PICTURES = ("a.png", "a.jpg", "a.webp", "a.bmp", "a.tiff")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*VIDEOS, *PICTURES])
def test_a_gnawed_file_gives_frames_or_one_line(name: str, tmp_path: Path) -> None:
    whole = tmp_path / name
    if name in VIDEOS:
        clips.clip(whole, frames=8, size=(160, 120), **VIDEOS[name])  # type: ignore[arg-type]
    else:
        assert cv2.imwrite(str(whole), clips.numbered(3, 160, 120))
    gnawed = tmp_path / f"gnawed{whole.suffix}"
    frames = 0
    for seed in range(24):
        dice = random.Random(seed)
        gnawed.write_bytes(GNAW[seed % len(GNAW)](dice, bytearray(whole.read_bytes())))
        try:
            frames += sum(1 for _ in open_source(str(gnawed)))
        except StreamsegError as error:
            assert "\n" not in str(error)
            assert error.exit_code == 2
    assert frames > 0 or name in PICTURES  # no video is given up at its first wrong byte

"""Small files that promise enormous pictures."""

from __future__ import annotations

import itertools
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import cv2

from tests.parts import clips
from tests.parts.patience import finished

SIDE = 16_000
"""Pixels a side: about the most that FFmpeg itself lets through, 0.8 GB as a picture."""


def picture_formats(side: int = 30_000) -> dict[str, bytes]:
    """Name to the header of a picture of `side` x `side` pixels, and little behind it."""
    bmp = (
        b"BM" + struct.pack("<IHHI", 1 << 20, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, side, -side, 1, 24, *[0] * 6)
    )
    sun = struct.pack(">8I", 0x59A66A95, side, side, 24, 0, 1, 0, 0)
    pam = f"P7\nWIDTH {side}\nHEIGHT {side}\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n".encode()
    return {
        "rows_downwards.bmp": bmp + bytes(1000),
        "grey.pgm": f"P5 {side} {side} 255\n".encode() + bytes(1000),
        "float_in_disguise.png": f"PF\n{side} {side}\n-1.0\n".encode() + bytes(1000),
        "radiance_in_disguise.jpg": f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {side} +X {side}\n".encode()
        + bytes(1000),
        "sun_in_disguise.tiff": sun + bytes(1000),
        "pam_in_disguise.webp": pam + bytes(1000),
        "photo.jpg": jpeg(side),
    }


def jpeg(side: int) -> bytes:
    """A photograph whose header was changed to `side` x `side`."""
    _, data = cv2.imencode(".jpg", clips.numbered(3))
    raw = bytearray(data.tobytes())
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(raw)


def gif(path: Path) -> Path:
    frame = b"\x21\xf9\x04\0\x04\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, SIDE, SIDE, 0) + b"\x02\x01\x44\0"
    path.write_bytes(b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0xF0, 0, 0) + bytes(6) + frame * 4 + b";")
    return path


def motion_jpeg(path: Path) -> Path:
    """Ten good pictures, then enormous ones."""
    raw = bytearray(clips.clip(path, frames=20, codec="mjpeg", pix_fmt="yuvj420p").read_bytes())
    for found in list(re.finditer(rb"\xff\xc0\0\x11\x08", raw))[10:]:
        raw[found.end() : found.end() + 4] = struct.pack(">HH", SIDE, SIDE)
    path.write_bytes(raw)
    return path


def h264(path: Path) -> Path:
    """Twenty pictures of 16000 x 16000 in under a kilobyte."""
    path.write_bytes(_parameters(SIDE) + b"".join(_slice(number) for number in range(20)))
    return path


def h264_that_grows(path: Path) -> Path:
    """Begins as any other video."""
    small = clips.annexb(path.with_suffix(".small"), frames=25)
    path.write_bytes(small.read_bytes() + h264(path.with_suffix(".large")).read_bytes())
    return path


VIDEOS: dict[str, Callable[[Path], Path]] = {
    "gif.mp4": gif,
    "pictures.avi": motion_jpeg,
    "at_once.h264": h264,
    "later.h264": h264_that_grows,
}


def peak_kib(*, reset: bool = False) -> int:
    """The most memory that this process has had, or from now on will have had.

    Not `ru_maxrss`: a child begins with that of its parent, and of a large one it would never grow.
    """
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def measured(code: str, *words: object, limit_bytes: int = 2 << 30) -> tuple[str, int]:
    """What `code` prints in a process of its own under a memory limit, and by how many KiB it grew after imports."""
    frame = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({limit_bytes}, {limit_bytes}))\n"
        "import streamseg.assembly, av; from streamseg.capture import open_source\n"
        "from streamseg.errors import StreamsegError\n"
        "from tests.parts.bombs import peak_kib\n"
        f"before = peak_kib(reset=True)\n{code}\nprint(peak_kib() - before)\n"
    )
    command = [sys.executable, "-c", frame, *map(str, words)]
    done = finished(command)
    assert done.returncode == 0, done.stderr[-2000:]
    said, _, grown = done.stdout.rstrip().rpartition("\n")
    return said, int(grown)


def _bits(*fields: tuple[int, int] | int) -> bytes:
    """Numbers as H.264 writes them: (value, width) as it is, a lone number as Exp-Golomb; closed by a stop bit."""
    text = ""
    for field in fields:
        if isinstance(field, tuple):
            text += f"{field[0]:0{field[1]}b}"
        else:
            code = f"{field + 1:b}"
            text += "0" * (len(code) - 1) + code
    text += "1"
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def _unit(kind: int, body: bytes) -> bytes:
    return b"\0\0\0\1" + bytes([kind]) + body.replace(b"\0\0\0", b"\0\0\3\0").replace(b"\0\0\1", b"\0\0\3\1")


def _parameters(side: int) -> bytes:
    blocks = side // 16 - 1
    flags = ((1, 1), (1, 1), (0, 1), (0, 1))  # frames only, 8x8 inference, no cropping, no usability information
    sequence = _bits((66, 8), (0xC0, 8), (62, 8), 0, 0, 2, 1, (0, 1), blocks, blocks, *flags)
    picture = _bits(0, 0, (0, 2), 0, 0, 0, (0, 3), 0, 0, 0, (0, 3))
    return _unit(0x67, sequence) + _unit(0x68, picture)


def _slice(number: int) -> bytes:
    return _unit(0x65, _bits(0, 7, 0, (0, 4), number % 2, (0, 2), 0) + bytes(itertools.repeat(0xA5, 20)))

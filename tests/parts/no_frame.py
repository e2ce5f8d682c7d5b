"""Video files out of which no frame comes, although they open."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av

from tests.parts.clips import clip


def head_alone(path: Path) -> Path:
    """An MP4 of fragments that ended before its first."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "empty_moov+frag_keyframe"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()
    return path


def four_packets(path: Path) -> Path:
    """The first 752 bytes of an MPEG-TS."""
    path.write_bytes(clip(path.with_suffix(".whole"), frames=10, format="mpegts").read_bytes()[: 4 * 188])
    return path


def out_of_reach(path: Path) -> Path:
    """An MP4 whose index points behind its end."""
    raw = bytearray(clip(path.with_suffix(".whole"), frames=10, format="mp4").read_bytes())
    at = raw.index(b"stco") + 8  # behind version and flags
    (count,) = struct.unpack_from(">I", raw, at)
    for entry in range(count):
        struct.pack_into(">I", raw, at + 4 * (1 + entry), len(raw) + 1000)
    path.write_bytes(raw)
    return path


def zeros(path: Path) -> Path:
    """An MP4 with zeros for pictures."""
    raw = bytearray(clip(path.with_suffix(".whole"), frames=10, format="mp4").read_bytes())
    at = raw.index(b"mdat")
    (size,) = struct.unpack_from(">I", raw, at - 4)
    raw[at + 4 : at - 4 + size] = bytes(size - 8)
    path.write_bytes(raw)
    return path


WITHOUT_FRAMES: dict[str, Callable[[Path], Path]] = {
    "head-alone.mp4": head_alone,
    "four-packets.ts": four_packets,
    "out-of-reach.mp4": out_of_reach,
    "zeros.mp4": zeros,
}
"""Name to a function that writes such a file."""

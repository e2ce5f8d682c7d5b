"""Playlists of HLS and what they name, made and served."""

from __future__ import annotations

from pathlib import Path

from tests.parts import clips
from tests.parts.http_answers import whole
from tests.parts.http_server import Answer

PLAYLIST = "application/vnd.apple.mpegurl"


def made(folder: Path, frames: int = 50, /, **options: str) -> dict[str, bytes]:
    """Files of a playlist of a segment for every 25 frames, by name."""
    given = {"hls_time": "1", "hls_list_size": "0", **options}
    clips.clip(
        folder / "live.m3u8", frames=frames, format="hls", container_options=given, options={"g": "25", "bf": "0"}
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def served(files: dict[str, bytes]) -> dict[str, Answer]:
    return {
        f"/{name}": whole(body, PLAYLIST if name.endswith("m3u8") else "video/mp2t") for name, body in files.items()
    }


FORMS = {"ts": {}, "fmp4": {"hls_segment_type": "fmp4"}, "one file": {"hls_flags": "single_file"}}

"""The mark in videos that streamseg wrote, by which it knows them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg import __version__
from streamseg.pyav import open_input

if TYPE_CHECKING:
    from av.container import OutputContainer

_MAKER = "streamseg "
_STREAMS = ("mpegts", "hls")  # have no comment, but name who provides a program
_WRITTEN = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts"
_HEAD_BYTES = 8192  # of a transport stream, in which that name comes again and again


def sign(container: OutputContainer) -> None:
    """Names streamseg as the maker, before anything is written."""
    key = "service_provider" if container.format.name in _STREAMS else "comment"
    container.metadata[key] = f"{_MAKER}{__version__}"


def by_others(paths: Sequence[Path]) -> Sequence[Path]:
    """`paths` without the videos that streamseg wrote, or all of them where there are no others."""
    return [path for path in paths if not is_signed(path)] or paths


def is_signed(path: Path) -> bool:
    """Whether streamseg wrote the video `path`."""
    import av

    limits = {"protocol_whitelist": "file", "format_whitelist": _WRITTEN, "probesize": "1000000"}
    try:
        with open_input(f"file:{path}", limits) as container, path.open("rb") as file:
            if container.format.name == "mpegts":  # whose names PyAV does not tell
                return _MAKER.encode() in file.read(_HEAD_BYTES)
            comments = [value for key, value in container.metadata.items() if key.lower() == "comment"]
            return any(comment.startswith(_MAKER) for comment in comments)
    except (av.error.FFmpegError, OSError, ValueError):
        return False

"""How long recordings stay: the oldest of an output's own files go first, and nobody else's are ever touched."""

from __future__ import annotations

import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from streamseg.errors import InputError

_log = logging.getLogger(__name__)
_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3, "y": 2}


@dataclass(frozen=True, slots=True)
class Limits:
    """What recordings may take; None: as much as there is."""

    keep_s: float | None = None
    """A file is deleted once it was finished this long ago."""
    keep_bytes: float | None = None
    """All files together."""
    free_bytes: float | None = None
    """What must stay free on the disk."""


def own_files(name: str) -> re.Pattern[str]:
    """What the names made from the strftime pattern `name` look like, those of doubles and recovered files too.

    Raises:
        InputError: it holds no time, or one that is not all digits.
    """
    stem, dot, suffix = name.rpartition(".")
    parts = re.split(r"%(.)", stem)
    unknown = [letter for letter in parts[1::2] if letter not in _DIGITS]
    if unknown or len(parts) == 1 or "%" in suffix:
        raise InputError(
            f"{name}: a time in a name is made of {' '.join(f'%{letter}' for letter in _DIGITS)}",
            "cam-%Y%m%d-%H%M%S.mp4",
        )
    known = [re.escape(part) if at % 2 == 0 else rf"\d{{{_DIGITS[part]}}}" for at, part in enumerate(parts)]
    return re.compile("".join(known) + r"(-\d+)?(-recovered-\d+)?" + re.escape(dot + suffix))


def make_room(folder: Path, own: re.Pattern[str], limits: Limits, *, wanted_bytes: float = 0) -> bool:
    """Deletes the oldest of the files in `folder` that are `own`, until the limits hold.

    Args:
        wanted_bytes: what is about to be written, counted as if it were there.

    Returns:
        Whether so much stays free as must.
    """
    files = sorted(((path, path.stat()) for path in _own(folder, own)), key=lambda file: file[1].st_mtime_ns)
    total = sum(state.st_size for _, state in files) + wanted_bytes
    for path, state in files:
        old = limits.keep_s is not None and time.time() - state.st_mtime > limits.keep_s
        large = limits.keep_bytes is not None and total > limits.keep_bytes
        if not old and not large and has_room(folder, limits):
            break
        path.unlink(missing_ok=True)
        total -= state.st_size
        _log.debug("%s deleted: %s", path, "too old" if old else "too much is kept" if large else "the disk is full")
    return has_room(folder, limits)


def has_room(folder: Path, limits: Limits) -> bool:
    """Whether so much is free on the disk as must be."""
    return limits.free_bytes is None or shutil.disk_usage(folder).free >= limits.free_bytes


def _own(folder: Path, own: re.Pattern[str]) -> list[Path]:
    return [path for path in folder.iterdir() if own.fullmatch(path.name) and path.is_file() and not path.is_symlink()]

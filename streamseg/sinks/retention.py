"""How long recordings stay: the oldest of an output's own files go first, and nobody else's are ever touched."""

from __future__ import annotations

import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.files import natural, writing
from streamseg.sinks.query import byte_count, seconds

_log = logging.getLogger(__name__)
OPTIONS = ("keep", "keep_size", "free")
_LOOK_EVERY_S = 1.0
_LOOK_SHARE = 0.05  # of the time: looking through very many files takes long


@dataclass(frozen=True, slots=True)
class Limits:
    """What recordings may take; None: as much as there is."""

    keep_s: float | None = None
    """A file is deleted once it was finished this long ago."""
    keep_bytes: float | None = None
    """All files together."""
    free_bytes: float | None = None
    """What must stay free on the disk."""


def limits(asked: dict[str, str]) -> Limits:
    """What the options of an output ask for.

    Raises:
        InputError: one is no time or size.
    """
    return Limits(seconds(asked, "keep"), byte_count(asked, "keep_size"), byte_count(asked, "free"))


def make_room(folder: Path, own: re.Pattern[str], limits: Limits, *, wanted_bytes: float = 0) -> bool:
    """Deletes the oldest of the files in `folder` that are `own`, until the limits hold.

    Args:
        wanted_bytes: what is about to be written, counted as if it were there.

    Returns:
        Whether so much stays free as must.
    """
    found = ((path, path.stat()) for path in _own(folder, own))
    files = sorted(found, key=lambda file: (file[1].st_mtime_ns, natural(file[0])))  # FAT counts two seconds as one
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


class Upkeep:
    """Makes room in `folder` while many small files are written, about once a second."""

    def __init__(self, folder: Path, own: re.Pattern[str], limits: Limits) -> None:
        self._folder, self._own, self._limits = folder, own, limits
        self._due_s, self._written = 0.0, 0  # of bytes since the last look

    def before(self, wanted_bytes: int) -> None:
        """So much is about to be written.

        Raises:
            OutputError: less is free on the disk than must be, or the folder is gone.
        """
        self._written += wanted_bytes
        now_s = time.monotonic()
        if self._limits == Limits() or now_s < self._due_s:
            return
        if not self._make_room(self._written):  # as much will come until the next look as came since the last
            self._written -= wanted_bytes  # which is not going to be
            raise OutputError(f"{self._folder}: less is free on the disk than free= asks for")
        done_s = time.monotonic()
        self._due_s, self._written = done_s + max(_LOOK_EVERY_S, (done_s - now_s) / _LOOK_SHARE), 0

    def finish(self) -> None:
        """Nothing more is written; OutputError where the folder is gone."""
        if self._limits != Limits() and self._written:
            self._make_room(0)

    def _make_room(self, wanted_bytes: int) -> bool:
        with writing(self._folder):
            return make_room(self._folder, self._own, self._limits, wanted_bytes=wanted_bytes)


def _own(folder: Path, own: re.Pattern[str]) -> list[Path]:
    return [path for path in folder.iterdir() if own.fullmatch(path.name) and path.is_file() and not path.is_symlink()]

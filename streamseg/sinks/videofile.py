"""Video files that survive a crash: fragments of at most a second, under a `.part` name until they are whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from av.packet import Packet

_log = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".ts": "mpegts"}
# A fragment is written at every key frame and ends as a plain file when it is closed in peace.
_FRAGMENTS = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
_CONTAINER = {
    "mp4": _FRAGMENTS,
    "mov": _FRAGMENTS,
    "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
    "mpegts": {"flush_packets": "1"},
}
_SYNC_EVERY_S = 0.5  # at most, and by the clock on the wall: a file that is worked through faster must not wait
_ROOM = 16_000_000  # bytes free before a file is begun after one that failed


class VideoFile:
    """A file of packets; `.part`, and locked against other runs, until it is whole.

    At key frames it is made sure that the disk itself has it, so that a power cut costs hardly more than a kill.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError where nothing can be written."""
        import av

        self.path = path
        self.bytes = self.pending = 0
        """Of video so far; and frames not known to be in the file yet."""
        self._part, self._synced_s = part_of(path), -_SYNC_EVERY_S
        self._lock: BinaryIO | None = None
        keep(self._part)
        kind = FORMATS[path.suffix.lower()]
        self.container = av.open(f"file:{self._part}", "w", format=kind, options=_CONTAINER[kind])

    def mux(self, packet: Packet[Any]) -> None:
        """Adds a packet; OSError or ValueError where it cannot be written, or the file is no longer where it was."""
        size, key = packet.size, packet.is_keyframe
        self.container.mux(packet)
        if self._lock is None:  # the first packet makes the file
            self._lock = self._part.open("rb+")
            with contextlib.suppress(OSError):  # some network disks have no locks
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.bytes += size
        if key and not self._part.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if key and time.monotonic() - self._synced_s >= _SYNC_EVERY_S:
            self._sync()
        self.pending = 1 if key else self.pending + 1

    def finish(self) -> None:
        """Makes sure all of it is on the disk, and gives the file its name."""
        try:
            self.container.close()
            self._sync()
            self._part.replace(self.path)
            _sync_folder(self.path.parent)
        finally:
            self._unlock()

    def abandon(self) -> None:
        """Closes what can be closed; the part stays, playable up to its last fragment."""
        with contextlib.suppress(OSError, ValueError):
            self.container.close()
        self._unlock()
        _log.info("%s holds what was recorded until now", self._part)

    def _sync(self) -> None:
        self._synced_s = time.monotonic()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def check_room(folder: Path) -> None:
    """Raises OSError where a file that is begun now would be torn off soon."""
    if shutil.disk_usage(folder).free < _ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unused(path: Path) -> Path:
    """`path`, or where it is taken `NAME-2`, `NAME-3` and so on."""
    free, number = path, 1
    while free.exists() or part_of(free).exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def in_use(part: Path) -> bool:
    """Whether somebody who is alive holds its lock."""
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)
    return False


def part_of(path: Path) -> Path:
    """The name that the file at `path` has while it is written."""
    return path.with_name(path.name + ".part")


def keep(part: Path) -> None:
    """What an earlier run left behind when it was killed gets a name of its own; OSError while one is writing it."""
    if part.exists():
        if in_use(part):
            raise OSError(errno.EBUSY, "another run is writing it")
        path, number = part.with_suffix(""), 1
        while (kept := path.with_name(f"{path.stem}-recovered-{number}{path.suffix}")).exists():
            number += 1
        part.rename(kept)
        _log.warning("%s was cut short: kept as %s", part.name, kept.name)


def reason(error: Exception) -> str:
    """What the system says, without the name of the file."""
    return getattr(error, "strerror", None) or str(error)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the new name
    finally:
        os.close(handle)

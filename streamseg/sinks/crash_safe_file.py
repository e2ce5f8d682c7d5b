"""Video files that survive a crash: fragments of at most a second, under a `.part` name until they are whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from streamseg.errors import OutputError
from streamseg.files import Folder, free_behind, numbered
from streamseg.provenance import sign
from streamseg.pyav import failures, open_input
from streamseg.sinks.part import give_name, in_use, locked, part_of, recovered_name, taken

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

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        """Raises OSError or ValueError where nothing can be written, BlockingIOError where another run is writing it.

        Args:
            replace: at the end it takes the place of a file that has its name, instead of a name beside it.
        """
        import av

        self.path, self._replace = path, replace
        self.bytes = self.pending = 0
        """Of video so far; and frames not known to be in the file yet."""
        self._part, self._synced_s = part_of(path), -_SYNC_EVERY_S
        recover_part(self._part)
        kind = FORMATS[path.suffix.lower()]
        self.container = av.open(f"file:{self._part}", "w", format=kind, options=_CONTAINER[kind])
        sign(self.container)
        self._lock: BinaryIO | None = _begun(self._part)

    def mux(self, packet: Packet[Any]) -> None:
        """Adds a packet; OSError or ValueError where it cannot be written, or the file is no longer where it was."""
        size, key = packet.size, packet.is_keyframe
        self.container.mux(packet)
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
            self.path = give_name(self._part, self.path, replace=self._replace)
            _sync_folder(self.path.parent)
        finally:
            self._unlock()

    def abandon(self) -> None:
        """Closes what can be closed; the part stays, playable up to its last fragment, where anything is in it."""
        with contextlib.suppress(*failures()):
            self.container.close()
        if self._lock is not None and _is_named(self._lock, self._part):
            if os.fstat(self._lock.fileno()).st_size:
                _log.info("%s holds what was recorded until now", self._part)
            else:
                self._part.unlink()
        self._unlock()

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
    disk = shutil.disk_usage(folder)
    if disk.total and disk.free < _ROOM:  # some network disks do not tell
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def try_folder(path: Path) -> tuple[Path, int]:
    """Writes a file without a name into the folder `path`, or into the nearest above it that is there; nothing stays.

    Gives the folder that was tried, and how many bytes are free.

    Raises:
        OutputError: nothing can be written there, or there is no room.
    """
    above = Folder(path).above
    try:
        check_room(above)
        with tempfile.TemporaryFile(dir=above) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        return above, shutil.disk_usage(above).free
    except FileNotFoundError:  # the folder is there: /proc, /sys
        raise OutputError(f"{above}: takes no files") from None
    except OSError as error:
        raise OutputError(f"{above}: {error.strerror or error}") from None


def free_name(path: Path, *beside: str) -> Path:
    """`path`, or where it is taken, also with a suffix of those `beside` it, `NAME-2`, `NAME-3` and so on."""
    suffixes = (path.suffix, *beside)
    return next(
        each
        for each in numbered(path)
        if not any(os.path.lexists(each.with_suffix(suffix)) for suffix in suffixes) and not in_use(part_of(each))
    )


def _begun(part: Path) -> BinaryIO:
    """A new file, locked; BlockingIOError where another process was quicker."""
    try:
        file = part.open("xb")
    except FileExistsError:
        raise taken() from None
    with contextlib.suppress(OSError):  # some network disks have no locks
        fcntl.flock(file, fcntl.LOCK_EX)  # waits for who only looks whether it is in use
    if not _is_named(file, part):  # who took it for one that was left behind
        file.close()
        raise taken()
    return file


def _is_named(file: BinaryIO, path: Path) -> bool:
    """Whether the open `file` is still what `path` names."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def recover_parts(folder: Path, own: re.Pattern[str]) -> None:
    """The same of all parts in a folder whose files are called like `own`, but for those that are being written."""
    for part in sorted(folder.glob("*.part")):
        if own.fullmatch(part.stem):
            with contextlib.suppress(BlockingIOError):
                recover_part(part)


def recover_part(part: Path) -> None:
    """What an earlier run left behind when it was killed gets a name; BlockingIOError while one is writing it.

    `NAME-recovered-1.mp4` if it can be played, else `NAME.mp4.unplayable-1`, which nothing takes for a video.
    """
    try:
        file = part.open("rb")
    except FileNotFoundError:
        if part.is_symlink():  # to a file that is gone
            raise
        return
    with file:  # locked until it has its new name, so that no other process begins one under the old name meanwhile
        if not locked(file):
            raise taken()
        if not _is_named(file, part):  # another process has seen to it
            return
        if os.fstat(file.fileno()).st_size:
            _keep(part)
        else:
            part.unlink()


def _keep(part: Path) -> None:
    playable, path = _playable(part), part.with_suffix("")
    kept = recovered_name(part) if playable else free_behind(path, ".unplayable-")
    part.rename(kept)
    when = "" if playable else " before its first picture"
    _log.warning("%s was cut short%s: kept as %s", part.name, when, kept.name)


def _playable(path: Path) -> bool:
    """Whether a picture comes out of it."""
    import av

    try:
        with open_input(f"file:{path}", {"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]  # without a codec where its description is torn off
            return stream.codec_context is not None and next(container.decode(stream), None) is not None
    except (av.error.FFmpegError, OSError, ValueError, IndexError):  # IndexError: there is no video in it
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the new name
    finally:
        os.close(handle)

"""HTTP Live Streaming (RFC 8216): a list and short files that any web server can serve to any browser."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.contracts import Controls, Existing, Shown
from streamseg.errors import InputError, OutputError
from streamseg.files import Folder
from streamseg.frame import StreamInfo
from streamseg.provenance import sign
from streamseg.pyav import failures
from streamseg.sinks.codecs import encoding
from streamseg.sinks.crash_safe_file import check_room
from streamseg.sinks.kind import OutputKind, folder_of
from streamseg.sinks.names import literal
from streamseg.sinks.part import locked, reason
from streamseg.sinks.query import split_query
from streamseg.sinks.video import Encoder

if TYPE_CHECKING:
    from av.container import OutputContainer

_log = logging.getLogger(__name__)
_LIST = "index.m3u8"
_SEGMENT = re.compile(r"index-\d+\.ts(\.tmp)?")
_ENDS, _TAIL = b"#EXT-X-ENDLIST", 64  # of a list that nothing is added to; its last bytes
_OPTIONS = {"hls_time": "2", "hls_segment_type": "mpegts"}
_FLAGS = "independent_segments+temp_file"  # lists and segments appear whole, by renaming
_APPEND = "+append_list+discont_start"
_LOOK_EVERY_S = 1.0  # at the disk: FFmpeg does not say when a segment cannot be written
_LIVE = {"hls_list_size": "6", "hls_delete_threshold": "2"}
_LIVE_FLAGS = f"{_FLAGS}{_APPEND}+delete_segments+omit_endlist+program_date_time"


class HlsSink:
    """Writes `FOLDER/index.m3u8` and its segments of two seconds: of a live stream the last twelve, of a file all.

    A live list continues where an earlier run left it, so that viewers need not reconnect; any other is made new,
    where that may be.
    """

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str, info: StreamInfo, *, existing: Existing = "refuse") -> None:
        self._folder, self._live, self._encoding = _folder(uri), info.live, encoding("h264", info.fps)
        self._open: tuple[OutputContainer, Encoder] | None = None
        self._lists = 0
        self._looked_s = -_LOOK_EVERY_S
        self._home = Folder(self._folder)
        self._lock: int | None = None
        if existing == "refuse" and (lost := would_be_lost(self._folder, live=self._live)):
            raise OutputError(f"{lost}: exists", "--overwrite replaces it")

    def write(self, shown: Shown) -> None:
        """Adds one picture.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        self._home.make()
        try:
            self._look(shown.frame.time_s)
            if self._open and (not self._open[1].takes(shown) or self._open[1].pauses(shown.frame.time_s)):
                self._finish()
            if self._open is None:
                self._open = self._begin(shown)
            container, encoder = self._open
            container.mux(encoder.write(shown.pixels, shown.frame.time_s))
        except failures() as error:
            opened, self._open = self._open, None
            with contextlib.suppress(*failures()):
                if opened is not None:
                    opened[0].close()
            raise self._failed(error) from None

    def close(self) -> None:
        """Completes the last segment and the list.

        Raises:
            OutputError: they cannot be written.
        """
        try:
            self._finish()
        except failures() as error:
            raise self._failed(error) from None
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _begin(self, first: Shown) -> tuple[OutputContainer, Encoder]:
        import av

        self._hold()
        if not self._lists:
            self._clear()
        flags = _LIVE_FLAGS if self._live else _FLAGS + (_APPEND if self._lists else "")
        limits = _LIVE if self._live else {"hls_list_size": "0"}
        folder = str(self._folder.absolute())  # with a slash before any colon, which would make a protocol of it
        names = {"hls_segment_filename": f"{folder}/index-%d.ts", "hls_flags": flags}
        container = av.open(f"{folder}/{_LIST}", "w", format="hls", options={**_OPTIONS, **limits, **names})
        sign(container)
        self._lists += 1
        return container, Encoder(container, first, str(self._folder), self._encoding)

    def _hold(self) -> None:
        """Keeps other runs out of the folder: their segments would have the same names."""
        if self._lock is not None:
            return
        lock = os.open(self._folder, os.O_RDONLY)
        if not locked(lock):
            os.close(lock)
            raise OutputError(f"hls:{self._folder}: another run is writing it")
        self._lock = lock

    def _look(self, time_s: float) -> None:
        if self._open is None or abs(time_s - self._looked_s) >= _LOOK_EVERY_S:
            self._looked_s = time_s
            check_room(self._folder)

    def _finish(self) -> None:
        if self._open is not None:
            (container, encoder), self._open = self._open, None
            with container:
                container.mux(encoder.flush())

    def _clear(self) -> None:
        """Removes segments that no list names any more: a run that is killed cannot do it."""
        path = self._folder / _LIST
        if would_be_lost(self._folder, live=self._live) == path:
            path.unlink()
        listed = set(path.read_text(errors="replace").splitlines()) if path.exists() else set()
        for segment in self._folder.iterdir():
            if _SEGMENT.fullmatch(segment.name) and segment.name not in listed:
                segment.unlink()

    def _failed(self, error: Exception) -> OutputError:
        return OutputError(f"hls:{self._folder}: {reason(error)}")


def would_be_lost(folder: Path, *, live: bool) -> Path | None:
    """What an earlier run left in `folder` that this one would not continue, but delete."""
    path = folder / _LIST
    if path.exists():
        return None if live and _ENDS not in path.read_bytes()[-_TAIL:] else path
    return next(list_and_segments(folder), None)


def list_and_segments(folder: Path) -> Iterator[Path]:
    """What is there of a list's files, those apart that were never finished."""
    files = folder.iterdir() if folder.is_dir() else ()
    return (path for path in files if path.name == _LIST or _SEGMENT.fullmatch(path.name) and path.suffix == ".ts")


def _folder(uri: str) -> Path:
    """Raises InputError where FFmpeg could write no list there."""
    folder = split_query(uri, ())[0].removeprefix("hls:")
    path = str(Path(folder).absolute())
    if not folder or "%" in path:  # FFmpeg would put the segment's number there
        raise InputError(f"{uri}: needs a folder, without % in its path", "hls:public/camera")
    if path != path.encode(errors="replace").decode():
        raise InputError(f"{uri}: needs a folder whose name is UTF-8, as in every address")
    return Path(folder)


def _open(uri: str, info: StreamInfo, controls: Controls, existing: Existing) -> HlsSink:
    if controls.codec != "h264":
        _log.info("%s: is H.264 all the same, which every browser plays", uri)
    return HlsSink(uri, info, existing=existing)


HLS = OutputKind(
    forms="hls:FOLDER",
    means=lambda uri: uri.startswith("hls:"),
    open=_open,
    check=_folder,
    names=lambda uri, inputs: literal(f"{folder_of(uri)}/index.m3u8"),
    also_replaced=list_and_segments,
    lost=lambda folder, live: would_be_lost(folder, live=live),
)

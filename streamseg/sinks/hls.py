"""HTTP Live Streaming (RFC 8216): a list and short files that any web server can serve to any browser."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Pixels
from streamseg.sinks.video import Encoder
from streamseg.sinks.videofile import check_room, reason

if TYPE_CHECKING:
    from av.container import OutputContainer

_LIST = "index.m3u8"
_SEGMENT = re.compile(r"index-\d+\.ts(\.tmp)?")
_OPTIONS = {"hls_time": "2", "hls_segment_type": "mpegts"}
_FLAGS = "independent_segments+temp_file"  # lists and segments appear whole, by renaming
_APPEND = "+append_list+discont_start"
_LOOK_EVERY_S = 1.0  # at the disk: FFmpeg does not say when a segment cannot be written
_LIVE = {"hls_list_size": "6", "hls_delete_threshold": "2"}
_LIVE_FLAGS = f"{_FLAGS}{_APPEND}+delete_segments+omit_endlist+program_date_time"


class HlsSink:
    """Writes `FOLDER/index.m3u8` and its segments of two seconds: of a live stream the last twelve, of a file all.

    A live list goes on where an earlier run left it, so that whoever watches need not start anew.
    """

    blocking = True
    needs_picture = True

    def __init__(self, uri: str, controls: Controls) -> None:
        folder = uri.removeprefix("hls:")
        if not folder or "%" in str(Path(folder).absolute()):  # FFmpeg would put the segment's number there
            raise InputError(f"{uri}: needs a folder, without % in its path", "hls:public/camera")
        self._folder, self._live = Path(folder), not controls.pace
        self._open: tuple[OutputContainer, Encoder] | None = None
        self._size: tuple[int, ...] = ()
        self._lists = 0
        self._looked_s = -_LOOK_EVERY_S
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clear()
        except OSError as error:
            raise OutputError(f"{folder}: {error.strerror}") from None
        if not os.access(self._folder, os.W_OK):
            raise OutputError(f"{folder}: not writable")

    def write(self, shown: Shown) -> None:
        """Adds one picture.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        size = shown.pixels.shape[:2]
        try:
            self._look(shown.frame.time_s)
            if size != self._size:
                self._finish()
            if self._open is None:
                self._open, self._size = self._begin(shown.pixels), size
            container, encoder = self._open
            container.mux(encoder.write(shown.pixels, shown.frame.time_s))
        except (OSError, ValueError) as error:
            opened, self._open = self._open, None
            with contextlib.suppress(OSError, ValueError):
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
        except (OSError, ValueError) as error:
            raise self._failed(error) from None

    def _begin(self, first: Pixels) -> tuple[OutputContainer, Encoder]:
        import av

        flags = _LIVE_FLAGS if self._live else _FLAGS + (_APPEND if self._lists else "")
        limits = _LIVE if self._live else {"hls_list_size": "0"}
        folder = str(self._folder.absolute())  # with a slash before any colon, which would make a protocol of it
        names = {"hls_segment_filename": f"{folder}/index-%d.ts", "hls_flags": flags}
        container = av.open(f"{folder}/{_LIST}", "w", format="hls", options={**_OPTIONS, **limits, **names})
        self._lists += 1
        return container, Encoder(container, first, str(self._folder))

    def _look(self, time_s: float) -> None:
        if self._open is None or abs(time_s - self._looked_s) >= _LOOK_EVERY_S:
            self._looked_s = time_s
            check_room(self._folder)

    def _finish(self) -> None:
        if self._open is not None:
            (container, encoder), self._open = self._open, None
            container.mux(encoder.flush())
            container.close()

    def _clear(self) -> None:
        """Removes segments that no list names any more: a run that is killed cannot do it."""
        path = self._folder / _LIST
        if not self._live:
            path.unlink(missing_ok=True)
        listed = set(path.read_text(errors="replace").splitlines()) if path.exists() else set()
        for segment in self._folder.iterdir():
            if _SEGMENT.fullmatch(segment.name) and segment.name not in listed:
                segment.unlink()

    def _failed(self, error: Exception) -> OutputError:
        return OutputError(f"hls:{self._folder}: {reason(error)}")

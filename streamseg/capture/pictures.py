"""Pictures in the parts of one answer that are no JPEG (PNG, WebP, BMP), of which FFmpeg takes none."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from streamseg.capture.httpfile import HttpFile
from streamseg.capture.snapshots import LARGEST, decoded, decoded_or_counted
from streamseg.capture.turn import Turn
from streamseg.errors import SourceError
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.options import SourceOptions

# With limits, so that nonsense of any length is looked through in no time.
_HEAD = re.compile(rb"(--[^\r\n]{0,200})\r?\n((?:[\w-]{1,60}[ \t]{0,9}:[^\r\n]{0,500}\r?\n){0,30})\r?\n")
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_LONGEST = 2048  # bytes of a head
_CHUNK = 1 << 16
_MOST_OTHERS = 16  # parts before the first picture: what a camera says between them
_FIRST = re.compile(_HEAD.pattern + rb"(?:\x89PNG\r\n|RIFF|BM|(?P<jpeg>\xff\xd8))")


def are_pictures(body: HttpFile) -> bool:
    """Whether the first part of `body` is a picture, and no JPEG; takes nothing of it."""
    size, data = 0, body.peek(1)
    while size < len(data) <= _LONGEST and not _FIRST.search(data):
        size, data = len(data), body.peek(len(data) + 1)
    first = _FIRST.search(data)
    return first is not None and first["jpeg"] is None


class PictureParts:
    """The pictures in `body`, at the times at which they arrive; owns it.

    Raises:
        SourceError: none of the first of them can be read.
        InputError: it is larger than allowed.
    """

    waits_for = "a picture that can be read"
    patience_s = math.inf

    def __init__(self, body: HttpFile, name: str, options: SourceOptions) -> None:
        self.counters = {"decode_errors": 0}
        self._body, self._name, self._most = body, name, options.max_megapixels
        self._ahead = bytearray()
        self._closed, self._turn = False, Turn()
        parts = itertools.islice(iter(self._part, None), _MOST_OTHERS)
        first = next((image for part in parts if (image := decoded(part, name, self._most)) is not None), None)
        if first is None:
            raise body.failure or SourceError(f"{name}: no picture that can be read")
        body.opened = True
        self._first: Image | None = first
        self.info = StreamInfo(name, first.shape[1], first.shape[0], None, live=True)

    @property
    def heard_s(self) -> float:
        """When the last bytes came, whether or not a picture came of them."""
        return self._body.arrived_s

    def __iter__(self) -> Iterator[Frame]:
        if not self._turn.take():
            return
        index, began_s = 0, self.heard_s
        image, self._first = self._first, None
        try:
            while not self._closed:
                if image is not None:
                    yield Frame(image, index, self.heard_s - began_s, self.heard_s, self._name)
                    index += 1
                part = self._part()
                if part is None:
                    break
                image = decoded_or_counted(part, self._name, self._most, self.counters)
            if self._body.failure and not self._closed:
                raise self._body.failure
        finally:
            self._body.close()

    def close(self) -> None:
        """Ends the iteration before its next frame; the iterating thread closes the connection, if there is one."""
        self._closed = True
        if self._turn.take():
            self._body.close()

    def _part(self) -> bytes | None:
        """What the next part holds; None at the end."""
        ahead = self._ahead
        while not (head := _HEAD.search(ahead)):
            del ahead[:-_LONGEST]
            if not self._more():
                return None
        border, length = b"\n" + head[1], _LENGTH.search(head[2])
        del ahead[: head.end()]
        seen, end = 0, int(length[1]) if length else -1
        while end < 0 or len(ahead) < end:
            if len(ahead) > LARGEST or not self._more():
                return None
            if length is None:
                end, seen = ahead.find(border, seen), max(0, len(ahead) - len(border))
        part = bytes(ahead[:end])
        del ahead[:end]
        return part

    def _more(self) -> bool:
        """Whether anything came."""
        data = self._body.read(_CHUNK)
        self._ahead += data
        return bool(data)

"""Motion JPEG in parts: a part that begins as a JPEG is one, whatever its head calls it."""

from __future__ import annotations

import re

from streamseg.capture.httpfile import HttpFile

_JPEG = b"\xff\xd8\xff"
# With limits, so that nonsense of any length is looked through in no time.
_HEAD = re.compile(
    rb"((?<!-)--[^\r\n]{0,200}\r?\n)((?:[\w-]{1,60}[ \t]{0,9}:[^\r\n]{0,500}\r?\n){0,30})(?=\r?\n\xff\xd8\xff)"
)
_TYPE = re.compile(rb"^content-type[ \t]*:[^\r\n]*\r?\n", re.IGNORECASE | re.MULTILINE)
_LONGEST = 2048  # bytes of a head


class Parts:
    """`body` for FFmpeg, which takes no part but those that are called `image/jpeg`, in just these letters.

    Cameras also say `image/jpg`, `image/jpeg; charset=utf-8`, `application/octet-stream`, or nothing.
    """

    def __init__(self, body: HttpFile) -> None:
        self._body = body
        self._named = b""
        self._held = b""
        self._before = b"\n"  # the byte before what is held

    def peek(self, least: int) -> bytes:
        """What comes first, without taking it."""
        return self._body.peek(least)

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; empty at the end."""
        while not self._named:
            data = self._body.read(most)
            text = _HEAD.sub(self._name, self._held + data)
            end = _unfinished(text) if data else len(text)
            self._named, self._held = text[:end], text[end:]
            self._before = text[:end][-1:] or self._before
            if not data:
                break
        given, self._named = self._named[:most], self._named[most:]
        return given

    def _name(self, head: re.Match[bytes]) -> bytes:
        """The head as FFmpeg knows it, on a line of its own: where a part has no length, it ends with its line."""
        before = head.string[: head.start()][-1:] or self._before
        gap = b"" if before == b"\n" else b"\r\n"
        return gap + head[1] + b"Content-Type: image/jpeg\r\n" + _TYPE.sub(b"", head[2])


def _unfinished(text: bytes) -> int:
    """Where the last head in `text` begins, whose end is still to come; the end of `text` where there is none."""
    if text == b"-" or text.endswith((b"\n-", b"\xd9-")):
        return len(text) - 1
    # Behind a line's end, or a JPEG's: boundaries have dashes of their own, as in ----frame.
    at = max(text.rfind(b"\n--"), text.rfind(b"\xd9--")) + 1
    begins = text.startswith(b"--", at) and len(text) - at <= _LONGEST
    return at if begins and _JPEG not in text[at:] else len(text)

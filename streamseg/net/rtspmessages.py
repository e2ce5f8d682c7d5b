"""RTSP as it travels (RFC 2326): messages, and packets of media between them on the same connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_NUMBER = re.compile(r"[0-9]{1,18}")  # whatever else Python takes for one
_MOST_BYTES = 1 << 18  # of a message's head or body, whatever the other side sends


@dataclass(slots=True)
class Message:
    """A request or an answer."""

    first: str
    """Its first line: `DESCRIBE rtsp://… RTSP/1.0`, or `RTSP/1.0 200 OK`."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def words(self) -> tuple[str, str, str]:
        """The first line's three words; empty where there are fewer."""
        return tuple([*self.first.split(" ", 2), "", ""][:3])  # type: ignore[return-value]  # three of them

    @property
    def status(self) -> int | None:
        """That of an answer; None of a request."""
        version, number, _ = self.words
        return int(number) if version.startswith("RTSP/") and _NUMBER.fullmatch(number) else None

    def all(self, name: str) -> list[str]:
        """The values of a header, however often it stands there; `name` in small letters."""
        return [value for each, value in self.headers if each.lower() == name]

    def get(self, name: str) -> str:
        """The first value of a header; empty where there is none."""
        return next(iter(self.all(name)), "")

    def put(self, name: str, value: str) -> None:
        """Sets a header in the place where it stands, or at the end."""
        at = next((i for i, (each, _) in enumerate(self.headers) if each.lower() == name.lower()), len(self.headers))
        self.headers[at : at + 1] = [(name, value)]

    def encode(self) -> bytes:
        """As it travels."""
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode(errors="surrogateescape") + self.body


class Parser:
    """Cuts what arrives on a connection into messages and packets of media."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: bytes) -> Iterator[Message | bytes]:
        """Each whole message, and between them all whole packets as they came: `$`, channel, length, content.

        Raises:
            ConnectionError: that is no RTSP.
        """
        left = self._left
        left += data
        while left:
            end = self._packets()
            if end:
                yield bytes(left[:end])
            elif left[0] == ord("$"):
                break
            elif left[:1].isalpha():
                message = self._message()
                if message is None:
                    break
                yield message
                continue
            else:
                end = 1  # an empty line, or what a camera that lost count sends between
            del left[:end]

    def _packets(self) -> int:
        """How many bytes of whole packets come first."""
        left, at = self._left, 0
        while len(left) >= at + 4 and left[at] == ord("$"):
            end = at + 4 + (left[at + 2] << 8 | left[at + 3])
            if end > len(left):
                break
            at = end
        return at

    def _message(self) -> Message | None:
        """Takes the message that comes first; None where its end is not there yet."""
        begin, line_end, _ = self._left.partition(b"\n")
        if len(self._left) > 2 * _MOST_BYTES or (line_end and b"RTSP/" not in begin):
            raise ConnectionError("what answers there speaks no RTSP")
        found = _HEAD_END.search(self._left)
        if not found:
            return None
        first, *lines = self._left[: found.start()].decode(errors="surrogateescape").splitlines()
        pairs = (line.partition(":") for line in lines)
        message = Message(first, [(name.strip(), value.strip()) for name, _, value in pairs])
        length = message.get("content-length")
        end = found.end() + (int(length) if _NUMBER.fullmatch(length) else 0)
        if end > 2 * _MOST_BYTES:
            raise ConnectionError("an answer of endless length")
        if end > len(self._left):
            return None
        message.body = bytes(self._left[found.end() : end])
        del self._left[:end]
        return message

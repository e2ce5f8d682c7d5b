"""Answers of web servers as Python's own HTTP does not read them: the final one, and in time."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any


class FinalResponse(http.client.HTTPResponse):
    """What a server answers in the end: a word on the way there, such as 103, is read past."""

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the library's stubs
        # The library reads past 100 alone; behind 101 comes another protocol (RFC 9110, 15.2).
        return version, http.client.CONTINUE if 101 < status < 200 else status, reason


class TimelyResponse(FinalResponse):
    """An answer, head and body, that is there at `end_s` or raises TimeoutError."""

    def __init__(self, end_s: float, sock: socket.socket, **more: Any) -> None:
        super().__init__(sock, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Until(end_s, sock))


class _Until(io.RawIOBase):
    """What comes from a socket: one that sends a byte now and then must not hold its reader for ever."""

    def __init__(self, end_s: float, sock: socket.socket) -> None:
        self._end_s, self._socket, self._file = end_s, sock, sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()

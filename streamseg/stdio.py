"""The standard streams, which may be closed, full, read by nobody, or unable to show a name.

The standard output is data: it is waited for, in the thread that writes. The standard error is talk: a run that nobody
listens to continues. Neither has a buffer or a lock that a blocked writer could hold at the end.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import select
import sys
import threading
from collections import deque
from typing import TextIO

from streamseg.errors import OutputError, ReaderGoneError, legible

_PATIENCE_S = 0.5  # for the reader of the standard error, before talk is queued for them
_MOST_BYTES = 1 << 16  # of talk in that queue; what comes then is not said
_PLAIN = {"…": "...", "–": "-", "×": "x", "·": "-", "°": "deg"}
_HANDLER = "streamseg.plain"


def prepare() -> None:
    """Makes the three streams fit for use, whatever the program was started with; once, before it opens anything.

    One that is closed leads nowhere from now on: the next file or socket would get its number, and with it the text.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    codecs.register_error(_HANDLER, _plain)
    if not os.environ.get("COLUMNS", "").strip("0"):  # tables would be printed that wide: not at all
        os.environ.pop("COLUMNS", None)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _text(_Data(1), sys.stdout)
    sys.stderr = _text(_TALK, sys.stderr)


def finish() -> None:
    """Waits a moment for the last lines of the standard error; nothing else is held back."""
    _TALK.drain()


def write_out(data: bytes) -> None:
    """Writes all of `data` to the standard output, however long its reader takes.

    Raises:
        ReaderGoneError: it has left.
        OutputError: the output takes no more, for want of space say.
    """
    try:
        _write_all(1, data)
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputError(f"standard output: {error.strerror}") from None


def print_json(value: object) -> None:
    """Prints `value` as a line of JSON, in UTF-8 as every reader of JSON expects, whatever the terminal's encoding."""
    import msgspec

    tree = legible(msgspec.to_builtins(value, enc_hook=str))
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(tree) + b"\n")
    sys.stdout.buffer.flush()


class Rows:
    """The standard output as a file for whole lines of bytes; closing leaves it open."""

    def write(self, line: bytes) -> None:
        """Writes `line`; a pipe takes up to 4096 bytes wholly or not at all."""
        write_out(line)

    def close(self) -> None:
        """It is not ours to close."""


class _Raw(io.RawIOBase):
    """A descriptor as the lowest layer of a text stream."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True


class _Data(_Raw):
    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        write_out(bytes(data))
        return len(data)


class _Talk(_Raw):
    """Writes in a thread of its own, which alone waits for a reader that reads nothing.

    A thread that logs waits for that one, so that the lines of both streams stay in order on a terminal; but not for
    ever, and not again before something was read.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._queue: deque[bytes] = deque()
        self._waiting_bytes, self._heard, self._started = 0, True, False
        self._changed = threading.Condition()

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        with self._changed:
            if self._waiting_bytes + len(data) <= _MOST_BYTES:
                self._waiting_bytes += len(data)
                self._queue.append(bytes(data))
                self._changed.notify_all()
            if not self._started:
                self._started = True
                threading.Thread(target=self._life, name="streamseg-stderr", daemon=True).start()
        return len(data)

    def flush(self) -> None:
        if self._heard:
            self.drain()

    def drain(self) -> None:
        """Waits until all was written, a moment at most."""
        with self._changed:
            self._heard = self._changed.wait_for(lambda: not self._waiting_bytes, _PATIENCE_S)

    def _life(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                data = self._queue.popleft()
            with contextlib.suppress(OSError):  # nobody is there to be told that nobody is there
                _write_all(self._descriptor, data)
            with self._changed:
                self._waiting_bytes -= len(data)
                self._heard = True
                self._changed.notify_all()


_TALK = _Talk(2)


def _text(raw: _Raw, before: TextIO | None) -> TextIO:
    """Unlike Python's own, it fails on no character and waits for no lock; `before` says the encoding."""
    encoding = before.encoding if before else None
    return io.TextIOWrapper(raw, encoding, _HANDLER, line_buffering=True)  # type: ignore[type-var]


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an output cannot show."""
    assert isinstance(error, UnicodeEncodeError)
    unknown = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in unknown), error.end


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # another program that shares the stream wants to be told instead of waiting
            select.select([], [descriptor], [])

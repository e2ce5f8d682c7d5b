"""Every source and output of a service tried once, all at the same time: before the service runs, or beside it."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from streamseg.assembly import checked_outputs
from streamseg.capture import inputs_of, open_source
from streamseg.config import RunOptions
from streamseg.errors import OutputError, SourceError, StreamsegError, printable
from streamseg.redaction import redact, shown
from streamseg.serve.log import STREAM
from streamseg.sinks import try_output

_CONNECTED_S = 15.0  # after which a camera or receiver is not there; each step on the way has a shorter limit


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a source or output."""

    stream: str
    says: str
    """Its name and what was seen or is wrong, free of secrets."""
    exit_code: int = 0
    """That of the error; 0 where all is well."""


def try_all(streams: Mapping[str, RunOptions]) -> Iterator[Tried]:
    """Reads a frame of every source and tries every output, each in a thread; gives them in the file's order.

    Nothing is sent, written or left behind, and outputs that a running service has open do not notice.
    """
    trials = [trial for name, options in streams.items() for trial in _trials(name, options)]
    for trial in trials:
        yield trial.wait()


class _Trial:
    """One of them, begun."""

    def __init__(self, stream: str, name: str, act: Callable[[], str], late: StreamsegError, limit_s: float) -> None:
        self._stream, self._name, self._act = stream, shown(name), act
        self._late, self._end_s = late, time.monotonic() + limit_s
        self._done = threading.Event()
        self._tried: Tried | None = None
        context = contextvars.copy_context()
        context.run(STREAM.set, stream)
        # One that hangs in a library is left behind: the process ends without waiting for it.
        threading.Thread(target=context.run, args=(self._try,), name="streamseg-try", daemon=True).start()

    def wait(self) -> Tried:
        """What came of it, at the latest when its time is over."""
        self._done.wait(max(0.0, self._end_s - time.monotonic()))
        return self._tried or self._failed(self._late)

    def _try(self) -> None:
        try:
            self._tried = Tried(self._stream, f"{printable(self._name)}: {self._act()}")
        except StreamsegError as error:
            self._tried = self._failed(error)
        except Exception as error:
            self._tried = Tried(
                self._stream, redact(f"{self._name}: {type(error).__name__}: {printable(str(error))}"), 1
            )
        self._done.set()

    def _failed(self, error: StreamsegError) -> Tried:
        name = printable(self._name)
        said = str(error).removeprefix(f"{name.removeprefix('webhook:')}: ")
        return Tried(self._stream, f"{name}: {said}", error.exit_code)


def _trials(stream: str, options: RunOptions) -> Iterator[_Trial]:
    limit_s = _CONNECTED_S + options.capture.stall_timeout_s
    late = SourceError(f"no frame within {limit_s:.0f} s")
    yield _Trial(stream, options.source_text, lambda: _first_frame(options), late, limit_s)
    inputs = inputs_of(options.uri)
    for output in checked_outputs(options, "keep"):
        silent = OutputError(f"no answer within {_CONNECTED_S:.0f} s")
        yield _Trial(stream, output, partial(try_output, output, inputs), silent, _CONNECTED_S)


def _first_frame(options: RunOptions) -> str:
    """Size and speed of the source, of which one frame was read."""
    whole = msgspec.structs.replace(options.capture, wait=False, start=None, end=None, every=1)
    source = open_source(options.uri, whole)
    try:
        frame = next(iter(source), None)
    finally:
        source.close()
    if frame is None:
        raise SourceError("gives no frame")
    height, width = frame.pixels.shape[:2]
    fps = f", {source.info.fps:g} fps" if source.info.fps else ""
    return f"{width}x{height}{fps}"

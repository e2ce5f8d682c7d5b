"""Outputs that are objects or functions of a program's own."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from typing import Any

from streamseg.contracts import Shown, SimpleSink, Sink
from streamseg.errors import InputError


class FunctionSink:
    """Calls a function with every frame that is shown, in the thread that iterates over the stream.

    What it raises ends the run. Where it is slow, frames of a live stream are dropped before the network sees them.
    """

    blocking = False
    needs_image = True
    unwritten = 0

    def __init__(self, function: Callable[[Shown], object]) -> None:
        self._function = function

    def write(self, shown: Shown) -> None:
        """Calls it."""
        self._function(shown)

    def close(self) -> None:
        """Nothing is open."""


class CompletedSink:
    """An object with `write` and `close`; what else it does not have gets the default of the contract."""

    def __init__(self, sink: SimpleSink) -> None:
        self.blocking = bool(getattr(sink, "blocking", False))
        self.needs_image = bool(getattr(sink, "needs_image", True))
        self._sink = sink
        self.write = sink.write
        self.close = sink.close

    @property
    def unwritten(self) -> int:
        """What it counts itself."""
        return int(getattr(self._sink, "unwritten", 0))


def own_sink(output: Any) -> Sink:
    """A sink made of an object with `write` and `close`, or of a function of `Shown`.

    Raises:
        InputError: it is neither, or one that only begins when it is awaited or iterated over.
    """
    if any(map(_begins_later, (output, *(getattr(output, name, None) for name in ("write", "close", "__call__"))))):
        raise InputError(
            f"{_name(output)} is no output: it is asynchronous, or a generator, and nothing would run it",
            "a plain function; in a coroutine: async for shown in streamseg.open(…)",
        )
    if isinstance(getattr(output, "file", output), io.IOBase):  # tempfile's have one inside
        told = f"{_name(output)} is no output: an open file takes bytes, and an output gets frames"
        raise InputError(told, "a name, as out.mp4; - is the standard output")
    missing = [name for name in ("write", "close") if not hasattr(output, name)]
    if not missing and not isinstance(output, type):
        return CompletedSink(output)
    if callable(output) and "write" in missing and not isinstance(output, type):
        return FunctionSink(output)
    raise InputError(
        f"{_name(output)} is no output: it lacks {', '.join(missing) or 'an object of it'}",
        "a name, a function of `Shown`, or an object with `write(shown)` and `close()`",
    )


def _begins_later(function: object) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(function) for kind in kinds)


def _name(output: Any) -> str:
    return str(getattr(output, "__name__", type(output).__name__))

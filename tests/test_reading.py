from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

import streamseg
from streamseg.reading import Reading


class Lingering:
    """An output that takes until it may to close."""

    def __init__(self) -> None:
        self.closing, self.may = threading.Event(), threading.Event()

    def write(self, shown: object) -> None:
        pass

    def close(self) -> None:
        self.closing.set()
        self.may.wait(100)


def test_a_loop_whose_stream_another_thread_is_closing_ends() -> None:
    """As when a web server ends or reloads while it still sends the stream to a browser."""
    sink = Lingering()
    stream = streamseg.open("test://?size=64x48", sink, model="otsu")
    frames = iter(stream)
    next(frames)
    closer = threading.Thread(target=stream.close, daemon=True)
    closer.start()
    assert sink.closing.wait(100)
    assert next(frames, None) is None
    sink.may.set()
    closer.join(100)
    assert next(frames, None) is None


def wrong() -> Generator[int, None, None]:
    yield 1
    raise ValueError("of its own")


def test_what_the_frames_raise_comes_through() -> None:
    reading = Reading(wrong(), lambda: True)
    assert next(reading) == 1
    with pytest.raises(ValueError, match="of its own"):
        next(reading)


def test_two_that_read_at_once_are_told_so() -> None:
    def frames() -> Generator[int, None, None]:
        with pytest.raises(ValueError, match="already executing"):
            next(reading)
        yield 1

    reading = Reading(frames(), lambda: False)
    assert list(reading) == [1]

"""The heads of Motion JPEG's parts, in pieces of any size."""

from __future__ import annotations

from typing import Any, cast

import pytest

from streamseg.capture.parts import Parts

_NAMED = b"--b\r\nContent-Type: image/jpeg\r\n"
_JPEG = b"\xff\xd8\xff--\r\n--x\r\n\xff\xd9"


class Pieces:
    """A body that comes in pieces of `step` bytes."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = data, step

    def read(self, most: int) -> bytes:
        given, self._data = self._data[: self._step], self._data[self._step :]
        return given


def read(data: bytes, step: int) -> bytes:
    parts = Parts(cast(Any, Pieces(data, step)))
    return b"".join(iter(lambda: parts.read(7), b""))


@pytest.mark.parametrize("step", [1, 2, 3, 10, 1000])
def test_every_jpeg_is_called_one_and_nothing_else_is_changed(step: int) -> None:
    length = b"Content-Length: %d\r\n" % len(_JPEG)
    heads = [b"Content-Type: image/jpg\r\n" + length, length, b"", length + b"content-type:image/jpeg;x=y\r\n"]
    text = b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    sent = text + b"".join(b"--b\r\n" + head + b"\r\n" + _JPEG + b"\r\n" for head in heads)
    right = text + b"".join(_NAMED + (length if head else b"") + b"\r\n" + _JPEG + b"\r\n" for head in heads)
    assert read(sent, step) == right


@pytest.mark.parametrize("step", [1, 2, 3, 10, len(_JPEG), 1000])
def test_a_head_that_follows_a_jpeg_directly_begins_a_line(step: int) -> None:
    parts = [_NAMED + b"\r\n" + _JPEG] * 4
    assert read(b"".join(parts), step) == b"\r\n".join(parts)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 10, 30, 1000])
@pytest.mark.parametrize("boundary", [b"----b", b"--a--b"])
def test_a_boundary_with_dashes_of_its_own_is_one_wherever_it_is_cut(boundary: bytes, step: int) -> None:
    sent = [boundary + b"\r\nContent-Type: image/jpg\r\nX-Time: 1--2\r\n\r\n" + _JPEG for _ in range(4)]
    right = [boundary + b"\r\nContent-Type: image/jpeg\r\nX-Time: 1--2\r\n\r\n" + _JPEG for _ in range(4)]
    assert read(b"\r\n".join(sent), step) == b"\r\n".join(right)


@pytest.mark.parametrize("sent", [b"-" * 100_000, b"--a:\n" * 20_000, b"--b\r\n" * 20_000, b"\r\n--", b""])
def test_what_is_no_head_passes_as_it_is(sent: bytes) -> None:
    assert read(sent, 1000) == sent

"""Pictures in parts that are no JPEG: PNG, WebP, BMP."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError, SourceError
from streamseg.options import SourceOptions
from tests.capture.test_motion_jpeg import QUICK, stream, take
from tests.parts import bombs, clips
from tests.parts.http_server import http_server


def picture(kind: str, number: int, size: tuple[int, int] = (320, 240)) -> bytes:
    return cv2.imencode(f".{kind}", clips.numbered(number % 256, *size))[1].tobytes()


def part(kind: str, body: bytes, *, lines: str = "") -> bytes:
    return f"--frame\r\nContent-Type: image/{kind}\r\n{lines}\r\n".encode() + body + b"\r\n"


@pytest.mark.parametrize("size", [(320, 240), (960, 540)])
@pytest.mark.parametrize("told", [True, False], ids=["length", "no length"])
@pytest.mark.parametrize("kind", ["png", "webp", "bmp"])
def test_every_picture_is_shown_in_order(kind: str, told: bool, size: tuple[int, int]) -> None:
    def made(number: int) -> bytes:
        body = picture(kind, number, size)
        return part(kind, body, lines=f"Content-Length: {len(body)}\r\n" if told else "")

    with http_server(stream(made)) as (url, asked):
        frames, counters = take(url, 12)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(12)]
    assert {(frame.width, frame.height) for frame in frames} == {size}
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)
    assert times[0] == 0.0
    assert (len(asked), counters) == (1, {})


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "bytes changed": lambda body: body[:60] + b"\0\1\2\3" * 20 + body[140:],
    "cut off": lambda body: body[:200],
    "nothing": lambda body: b"",
    "words": lambda body: b"out of order",
    "enormous": lambda body: bombs.picture_formats()["rows_downwards.bmp"],
}


@pytest.mark.parametrize("kind", GARBLED)
def test_garbled_parts_cost_themselves_alone(kind: str) -> None:
    def made(number: int) -> bytes:
        body = picture("png", number)
        return part("png", GARBLED[kind](body) if number % 4 == 2 else body)

    with http_server(stream(made)) as (url, asked):
        frames, counters = take(url, 12)
    assert [clips.read_number(frame.image) for frame in frames] == [n for n in range(16) if n % 4 != 2]
    assert counters["decode_errors"] >= 3
    assert len(asked) == 1


def test_a_wrong_length_ends_in_frames_all_the_same() -> None:
    def made(number: int) -> bytes:
        body = picture("png", number)
        return part("png", body, lines=f"Content-Length: {len(body) - (300 if number % 8 == 5 else 0)}\r\n")

    with http_server(stream(made)) as (url, _):
        frames, _counters = take(url, 20)
    assert len(frames) == 20


def test_words_before_the_first_picture_and_between_them_cost_nothing() -> None:
    def made(number: int) -> bytes:
        return part("json", b'{"a": 1}') if number % 2 == 0 else part("png", picture("png", number // 2))

    with http_server(stream(made)) as (url, _):
        frames, _counters = take(url, 8)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(8)]


def test_a_stream_that_ends_is_opened_again() -> None:
    with http_server(stream(lambda n: part("png", picture("png", n), lines="X-A: b\r\n"), count=8)) as (url, asked):
        frames, counters = take(url, 15)
    assert [clips.read_number(frame.image) for frame in frames][:7] == [*range(7)]
    assert counters["reconnects"] >= 1
    assert len(asked) >= 2


def test_a_first_picture_that_is_larger_than_allowed_is_refused() -> None:
    with (
        http_server(stream(lambda n: part("png", bombs.picture_formats()["rows_downwards.bmp"]))) as (url, _),
        pytest.raises(InputError, match="mega"),
    ):
        open_source(url, QUICK)


def test_one_that_cannot_be_read_is_told() -> None:
    with (
        http_server(stream(lambda n: part("png", picture("png", n)[:40]))) as (url, _),
        pytest.raises(SourceError, match="no picture that can be read"),
    ):
        open_source(url, SourceOptions(stall_timeout_s=2.0, wait=False))

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamseg.capture.decode import (
    decode_packets,
    frame_rate,
    has_grey_values,
    open_error,
    pixel_limit,
    to_pixels,
    video_stream,
)
from streamseg.capture.hardware import Watch
from streamseg.errors import InputError, SourceError
from streamseg.yuv import Planes
from tests.parts.clips import annexb, audio_only, clip, numbered, read_number


def numbers(path: Path, wrapped: Any = None) -> tuple[list[int], dict[str, int]]:
    counters = {"decode_errors": 0}
    with av.open(str(path)) as container:
        stream = video_stream(container, path.name, 64)
        frames = decode_packets(
            wrapped(container) if wrapped else container, stream, counters, Watch("cpu", stream, "")
        )
        found = [read_number(np.asarray(each.frame.to_ndarray(format="bgr24"), np.uint8)) for each in frames]
    return found, counters


class Stumbling:
    """A container that stumbles before every packet with these numbers, as over a damaged place."""

    def __init__(self, inner: Any, places: set[int], error: type[Exception] = IndexError, times: int = 1) -> None:
        self._inner, self._left, self._error = inner, dict.fromkeys(places, times), error
        self._given = 0
        self._packets: Iterator[Any] | None = None

    def demux(self, stream: Any) -> Iterator[Any]:
        self._packets = self._packets or self._inner.demux(stream)
        while True:
            if self._left.get(self._given):
                self._left[self._given] -= 1
                raise self._error
            packet = next(self._packets, None)
            if packet is None:
                return
            self._given += 1
            yield packet


def test_every_frame_comes_also_those_that_the_decoder_holds_back(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=30, options={"bf": "3"})
    assert numbers(path) == (list(range(30)), {"decode_errors": 0})


def test_a_container_that_stumbles_is_asked_again_and_loses_nothing(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=30)
    found, counters = numbers(path, lambda inner: Stumbling(inner, {0, 7, 20}))
    assert found == list(range(30))
    assert counters == {"decode_errors": 3}


def test_a_container_that_stumbles_for_ever_is_left_and_what_came_before_is_shown(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=30, options={"bf": "0"})
    found, counters = numbers(path, lambda inner: Stumbling(inner, {10}, times=1000))
    assert found == list(range(10))
    assert counters == {"decode_errors": 16}


def test_what_is_wrong_with_the_connection_is_not_passed_over(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=30)
    with pytest.raises(ConnectionResetError):
        numbers(path, lambda inner: Stumbling(inner, {10}, ConnectionResetError))


def test_a_packet_that_cannot_be_decoded_costs_itself_alone(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.avi", frames=10, codec="mjpeg", pix_fmt="yuvj420p")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"00dc", raw.index(b"00dc", raw.index(b"movi")) + 8) + 8
    size = int.from_bytes(raw[at - 4 : at], "little")
    raw[at : at + size] = bytes(size)
    path.write_bytes(raw)
    found, counters = numbers(path)
    assert found == [0, *range(2, 10)]
    assert counters == {"decode_errors": 1}


def test_planes_stay_planes_and_other_frames_become_pictures() -> None:
    picture = numbered(5, 64, 48)
    plain = av.VideoFrame.from_ndarray(picture, format="bgr24")
    assert isinstance(to_pixels(plain.reformat(format="yuv420p")), Planes)
    pixels = to_pixels(plain)
    assert isinstance(pixels, np.ndarray)
    assert (pixels == picture).all()


def test_measured_values_are_shown_between_the_black_and_the_white_that_were_asked_for() -> None:
    values = np.array([[1000, 1500], [2000, 60_000]], np.uint16).repeat(8, 0).repeat(8, 1)
    frame = av.VideoFrame.from_ndarray(values, format="gray16le")
    pixels = to_pixels(frame, (1000.0, 2000.0))
    assert isinstance(pixels, np.ndarray)
    assert pixels.shape == (16, 16, 3)
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert abs(int(pixels[0, 8, 0]) - 128) <= 1
    assert pixels[8, 0].tolist() == pixels[8, 8].tolist() == [255, 255, 255]
    assert has_grey_values("gray16le") and has_grey_values("gray16be")
    assert not has_grey_values("gray") and not has_grey_values(None)


def rate(path: Path) -> float | None:
    with av.open(str(path)) as container:
        return frame_rate(container, container.streams.video[0], path.name)


def test_a_rate_is_told_where_it_is_constant(tmp_path: Path) -> None:
    assert rate(clip(tmp_path / "a.mp4", frames=30, fps=30)) == pytest.approx(30)


def test_a_stream_without_a_container_has_the_rate_in_its_own_headers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert rate(annexb(tmp_path / "a.h264", frames=20, fps=10)) == pytest.approx(10)
        assert caplog.text == ""
        jpegs = clip(tmp_path / "a.mjpeg", frames=5, codec="mjpeg", pix_fmt="yuvj420p", format="mjpeg")
        assert rate(jpegs) == 25
    assert "a.mjpeg names no rate: 25 frames a second are assumed" in caplog.text


def test_sound_alone_is_no_video_and_a_large_one_is_refused(tmp_path: Path) -> None:
    with av.open(str(audio_only(tmp_path / "a.mp4"))) as container, pytest.raises(InputError, match="x: no video in"):
        video_stream(container, "x", 64)
    with av.open(str(clip(tmp_path / "b.mp4", frames=3))) as container:
        with pytest.raises(InputError, match="320x240 is more than"):
            video_stream(container, "x", 0.07)
        stream = video_stream(container, "x", 0.08)
        assert stream.codec_context.options["max_pixels"] == "80000"
    assert pixel_limit(64) == {"max_pixels": "64000000"}


@pytest.mark.parametrize(
    ("error", "name", "kind", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "x"), "a.mp4", InputError, "a.mp4: no such file"),
        (PermissionError(errno.EACCES, "x"), "a.mp4", InputError, "a.mp4: may not be read"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "rtsp://c", SourceError, "rtsp://c: connection refused"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "rtsp://c", SourceError, "rtsp://c: does not answer"),
        (OSError(errno.EINVAL, "x"), "a.mp4", InputError, "a.mp4: not a video that can be read"),
        (ValueError("x"), "-", SourceError, "-: no answer that is a video stream"),
        (OSError(errno.EIO, "Input/Output Error"), "a.mp4", InputError, "a.mp4: input/output error"),
        (RuntimeError("rtsp://u:secret@c"), "rtsp://c", SourceError, "rtsp://c: runtimeerror"),
    ],
)
def test_what_went_wrong_is_told_in_words_of_ours(
    error: Exception, name: str, kind: type[Exception], said: str
) -> None:
    told = open_error(error, name)
    assert type(told) is kind
    assert str(told) == said


def test_a_line_that_was_said_already_stays_as_it_is() -> None:
    known = InputError("a.mp4: too large")
    assert open_error(known, "b.mp4") is known

"""Pixels that are not square stay so in everything that is written, so that players show the right shape."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import streamseg
from streamseg.capture import open_source
from streamseg.contracts import Controls, Shown
from streamseg.frame import SQUARE, Frame, squared
from streamseg.serve.viewers import _encode as encoded
from streamseg.sinks import open_sink
from streamseg.sinks.crash_safe_file import FORMATS
from streamseg.sinks.publish import PublishSink
from streamseg.sinks.video import VideoSink
from tests.parts import odd_video
from tests.parts.clips import numbered, read_number
from tests.parts.fakes import FILE, segmentation
from tests.parts.rtsp import Recorder
from tests.sinks.test_publish import wait_for_size

WIDE = Fraction(64, 45)


def shown(number: int, aspect: Fraction = WIDE) -> Shown:
    frame = Frame(numbered(number, 144, 120), number, number / 25, 0.0, pixel_aspect=aspect)
    return Shown(frame, segmentation(frame), frame.image, 0, {})


def said(path: Path) -> Fraction | None:
    """By the container, or what it holds, once some of it is decoded."""
    with av.open(str(path)) as container:
        next(container.decode(video=0))
        found: Fraction | None = container.streams.video[0].sample_aspect_ratio
        return found


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.avi"])
@pytest.mark.parametrize("aspect", [WIDE, Fraction(8, 9), Fraction(40, 33)])
def test_a_source_says_the_shape_of_its_pixels(name: str, aspect: Fraction, tmp_path: Path) -> None:
    path = odd_video.write(tmp_path / name, [numbered(n, 144, 120) for n in range(5)], aspect=aspect)
    assert {frame.pixel_aspect for frame in open_source(str(path))} == {aspect}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_recording_has_the_sources_shape(suffix: str, tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / f"a{suffix}"))
    for number in range(5):
        sink.write(shown(number))
    sink.close()
    assert said(tmp_path / f"a{suffix}") == WIDE


@pytest.mark.parametrize("uri", ["{}/a-%Y.mp4?segment=1", "events:{}?class=thing&area=0.1", "hls:{}"])
def test_segments_events_and_lists_have_it_too(uri: str, tmp_path: Path) -> None:
    sink = open_sink(uri.format(tmp_path), FILE, Controls())
    for number in range(5):
        sink.write(shown(number))
    sink.close()
    files = [path for path in tmp_path.iterdir() if path.suffix in {".mp4", ".ts"}]
    assert [said(path) for path in files] == [WIDE] * len(files) != []


def test_what_is_published_has_it_too(tmp_path: Path) -> None:
    with Recorder(tmp_path) as server:
        sink = PublishSink(server.url)
        for number in range(30):
            sink.write(shown(number))
        wait_for_size(server.files[0], 3000)
        sink.close()
        with av.open(str(server.files[0]), format="h264") as container:
            next(container.decode(video=0))
            assert container.streams.video[0].codec_context.sample_aspect_ratio == WIDE


def test_another_shape_begins_another_file(tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / "a.mp4"))
    for number in range(6):
        sink.write(shown(number, WIDE if number < 3 else SQUARE))
    sink.close()
    assert said(tmp_path / "a.mp4") == WIDE
    assert said(tmp_path / "a-2.mp4") in (SQUARE, None)


def test_a_shape_that_changes_in_the_middle_is_followed(tmp_path: Path) -> None:
    parts = [
        odd_video.write(tmp_path / f"{n}.ts", [numbered(n, 144, 120)] * 10, codec="mpeg2video", aspect=aspect)
        for n, aspect in enumerate((Fraction(16, 15), Fraction(64, 45)))
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    aspects = [frame.pixel_aspect for frame in open_source(str(tmp_path / "both.ts"))]
    assert len(aspects) >= 19
    assert aspects[0] != aspects[-1]
    assert aspects == sorted(aspects), "each at its own place"


@pytest.mark.parametrize("aspect", [Fraction(1000, 1), Fraction(1, 1000)])
def test_a_shape_that_cannot_be_is_not_believed(aspect: Fraction, tmp_path: Path) -> None:
    path = odd_video.write(tmp_path / "a.mkv", [numbered(n, 144, 120) for n in range(3)], aspect=aspect)
    assert {frame.pixel_aspect for frame in open_source(str(path))} == {SQUARE}


def test_a_whole_run_keeps_the_shape_and_turns_it_with_the_picture(tmp_path: Path) -> None:
    source = odd_video.with_matrix(tmp_path / "a.mp4", (0, 1, -1, 0))
    plain = odd_video.write(tmp_path / "b.ts", [numbered(n, 144, 120) for n in range(5)], codec="mpeg2video",
                            aspect=Fraction(16, 15))  # fmt: skip
    wanted = next(iter(open_source(str(plain)))).pixel_aspect
    assert wanted != SQUARE
    for path, aspect in ((source, SQUARE), (plain, wanted)):
        out = tmp_path / f"{path.stem}-out.mp4"
        for _ in streamseg.open(str(path), str(out), model="threshold"):
            pass
        assert (said(out) or SQUARE) == aspect
        (frame, *_) = open_source(str(out))
        shape = float(frame.width * frame.pixel_aspect / frame.height)
        assert shape == pytest.approx(0.75 if path is source else float(wanted * 144 / 120))


def test_a_screen_shows_square_pixels_of_the_same_height() -> None:
    image = shown(0).image
    assert squared(image, SQUARE) is image
    assert squared(image, WIDE).shape == (120, 205, 3)
    assert squared(image, Fraction(1, 2)).shape == (120, 72, 3)


def test_the_page_of_a_service_shows_it_so() -> None:
    picture = cv2.imdecode(np.frombuffer(encoded(shown(3)), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (120, 205, 3)
    assert read_number(np.asarray(picture, np.uint8)) == 3

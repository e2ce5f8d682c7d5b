"""`--codec hevc`: H.265 wherever H.264 is written, as safe against crashes, and with the tag that players look for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import streamseg
from streamseg.cli import main
from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.sinks.codecs import ENCODINGS, encoding
from streamseg.sinks.crash_safe_file import FORMATS
from streamseg.sinks.events import EventsSink
from streamseg.sinks.segments import SegmentsSink
from streamseg.sinks.video import VideoSink
from streamseg.yuv import Planes
from tests.parts.fakes import segmentation
from tests.sinks.test_video import read, shown


def written(path: Path) -> tuple[str, str]:
    """Codec, and tag in the container."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.name, context.codec_tag


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_frame_is_kept_in_order_and_at_its_own_time(suffix: str, tmp_path: Path) -> None:
    path, times_s = tmp_path / f"out{suffix}", np.cumsum([0, 0.04, 0.3, 0.01, 2.0, *[0.04] * 30])
    sink = VideoSink(str(path), codec="hevc")
    for number, time_s in enumerate(times_s):
        sink.write(shown(number, float(time_s)))
    sink.close()
    found = read(path)
    assert [number for number, _ in found] == list(range(len(times_s)))
    assert np.allclose([time_s - found[0][1] for _, time_s in found], times_s, atol=0.002)
    codec, tag = written(path)
    assert codec == "hevc"
    if FORMATS[suffix] in ("mp4", "mov"):
        assert tag == "hvc1", "players of Apple refuse hev1"
        assert b"hvc1" in path.read_bytes() and b"hev1" not in path.read_bytes()


@pytest.mark.parametrize("codec", ENCODINGS)
def test_each_picture_is_a_packet_at_once_and_each_second_has_a_key_frame(codec: str, tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / "out.mp4"), codec=codec)
    for number in range(60):
        sink.write(shown(number, number / 25))
        assert sink._open is not None and sink._open.pending == number % 25 + 1
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        keys = [float((packet.pts or 0) * packet.time_base) for packet in container.demux() if packet.is_keyframe]
    assert keys == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("size", [(321, 241), (320, 241), (24, 15), (2, 2), (1, 1)])
def test_odd_and_small_sides_are_written_too(size: tuple[int, int], tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / "out.mp4"), codec="hevc")
    for number in range(3):
        sink.write(shown(number, number / 25, *size))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [tuple(max(16, side + side % 2) for side in size)] * 3


def test_planes_are_recorded_as_they_are_and_in_their_own_colours(tmp_path: Path) -> None:
    for matrix, span in ((6, 1), (1, 1), (1, 2)):
        buffer = np.full((360, 320), 90, np.uint8)
        buffer[240:300], buffer[300:] = 150, 120
        planes = Planes.blank(buffer, (matrix, span))
        frame, path = Frame(planes, 0, 0.0, 0.0), tmp_path / f"{matrix}-{span}.mp4"
        sink = VideoSink(str(path), codec="hevc")
        sink.write(Shown(frame, segmentation(frame), planes, 0, {}))
        sink.close()
        with av.open(str(path)) as container:
            (found,) = container.decode(video=0)
            assert (found.colorspace, found.color_range) == (matrix, span)
            assert np.abs(found.to_ndarray().astype(int) - buffer).max() <= 2


def test_segments_are_written_in_it(tmp_path: Path) -> None:
    sink = SegmentsSink(f"{tmp_path}/cam-%Y%m%d-%H%M%S.mp4?segment=1", codec="hevc")
    for number in range(60):
        sink.write(shown(number, number / 25))
    sink.close()
    files = list(tmp_path.iterdir())  # in no order: which of them the clock's next second begins with, it decides
    assert sorted([number for number, _ in read(path)] for path in files) == [
        [*range(25)], [*range(25, 50)], [*range(50, 60)],
    ]  # fmt: skip
    assert {written(path) for path in files} == {("hevc", "hvc1")}


def test_a_clip_begins_before_what_was_seen_and_plays(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&before=2&after=1", Controls(codec="hevc"))
    for number in range(150):
        each: Any = shown(number, number / 25)
        each.segmentation.labels[:] = int(70 <= number < 80)
        sink.write(each)
    sink.close()
    (clip,) = tmp_path.glob("*.mp4")
    numbers = [number for number, _ in read(clip)]
    assert numbers == list(range(numbers[0], 105)) and numbers[0] in range(0, 26)
    assert written(clip) == ("hevc", "hvc1")


def test_a_run_takes_it_as_a_flag_and_python_as_an_argument(tmp_path: Path) -> None:
    words = ["test://?frames=3&size=64x48", f"{tmp_path}/a.mp4", "--model", "otsu", "--codec", "hevc"]
    assert main(["run", *words]) == 0
    streamseg.open("test://?frames=3&size=64x48", tmp_path / "b.mp4", model="otsu", codec="hevc").run()
    assert written(tmp_path / "a.mp4") == written(tmp_path / "b.mp4") == ("hevc", "hvc1")


def test_a_codec_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "test://", "a.mp4", "--codec", "vp9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "codec: expected one of h264, hevc" in line


def test_a_list_of_segments_for_browsers_stays_h264_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["test://?frames=3&size=64x48", f"hls:{tmp_path}", "--model", "otsu", "--codec", "hevc"]
    assert main(["run", *words]) == 0
    assert "is H.264 all the same, which every browser plays" in capsys.readouterr().err
    assert written(tmp_path / "index-0.ts")[0] == "h264"


def test_where_ffmpeg_has_no_encoder_for_it_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(name: str, mode: str) -> None:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av, "Codec", lacks)
    with pytest.raises(OutputError, match=r"codec hevc: FFmpeg of PyAV .* has no encoder libx265 \(PyAV as pip"):
        encoding("hevc")
    assert main(["run", "test://?frames=1", "a.mp4", "--model", "otsu", "--codec", "hevc"]) == OutputError.exit_code
    assert capsys.readouterr().err.count("\n") == 1


def test_the_encoder_writes_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sink = VideoSink(str(tmp_path / "out.mp4"), codec="hevc")
    sink.write(shown(0, 0.0))
    sink.close()
    assert capfd.readouterr() == ("", "")


def test_another_size_begins_a_file_in_it_as_well(tmp_path: Path) -> None:
    """Also in the file that another size begins."""
    sink = VideoSink(str(tmp_path / "out.mp4"), codec="hevc")
    for number, width in enumerate([64, 64, 96, 96]):
        sink.write(shown(number, number / 25, width, 48))
    sink.close()
    assert [written(path) for path in sorted(tmp_path.iterdir())] == [("hevc", "hvc1")] * 2

"""How long a video was to be, and whether all of it is there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamseg.capture import open_source
from tests.parts import clips


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4", "a.ts", "a.avi", "a.wmv", "a.wtv"])
def test_sound_that_is_longer_makes_no_truncated_video(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source(str(clips.with_sound(tmp_path / name, frames=20, sound_s=4.0)))
    assert len(list(source)) == 20
    assert not caplog.records
    assert source.info.frames is None or source.info.frames <= 25


@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}], ids=["Matroska", "fragments"])
def test_a_last_picture_that_stays_for_long_makes_no_truncated_video(
    options: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = clips.clip(tmp_path / "plain.mp4", frames=4, options={"bf": "0"})
    path = tmp_path / ("a.mp4" if options else "a.mkv")
    with av.open(str(plain)) as source, av.open(str(path), "w", options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            packet.pts = packet.dts = number * 500
            packet.duration = 500 if number < 3 else 6000
            out.mux(packet)
    with av.open(str(path)) as written:
        if max(packet.duration or 0 for packet in written.demux(video=0)) * written.streams.video[0].time_base < 6:
            pytest.skip("this PyAV writes no lengths of pictures")
    assert [frame.time_s for frame in open_source(str(path))] == [0, 0.5, 1.0, 1.5]
    assert not caplog.records


def test_a_matroska_file_with_sound_that_was_cut_off_is_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = clips.with_sound(tmp_path / "a.mkv", frames=100, sound_s=4.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(list(open_source(str(path)))) < 80
    assert "truncated" in caplog.text

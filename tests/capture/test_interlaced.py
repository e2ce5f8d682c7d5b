"""Two moments that are woven into one frame are taken apart; what is one moment is not touched."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.capture import filters, open_source
from tests.parts import clips, odd_video

INTERLACED: dict[str, tuple[str, dict[str, str]]] = {
    "a.ts": ("mpeg2video", {"flags": "+ilme+ildct", "b": "8M"}),
    "a.mp4": ("libx264", {"flags": "+ilme+ildct", "x264-params": "tff=1", "bf": "2"}),
    "a.h264": ("libx264", {"flags": "+ilme+ildct", "x264-params": "tff=1"}),
    "a.mkv": ("libx264", {"flags": "+ilme+ildct", "x264-params": "bff=1"}),
}


@pytest.mark.parametrize("name", INTERLACED)
def test_one_picture_a_frame_of_one_moment(name: str, tmp_path: Path) -> None:
    codec, options = INTERLACED[name]
    pictures = [odd_video.comb(number) for number in range(20)]
    if "bff" in str(options):
        pictures = [np.roll(picture, 1, 0) for picture in pictures]
    path = odd_video.write(tmp_path / name, pictures, codec=codec, options=options)
    found = list(open_source(str(path)))
    assert len(found) == 20
    assert [frame.time_s for frame in found] == pytest.approx([number / 25 for number in range(20)], abs=1e-3)
    woven = np.median([odd_video.teeth(picture) for picture in pictures])
    apart = np.median([odd_video.teeth(frame.image) for frame in found[1:-1]])
    assert apart < woven / 4
    assert all(frame.planes is not None for frame in found)


@pytest.mark.parametrize("name", ["a.mp4", "a.h264", "a.ts"])
def test_progressive_video_is_the_decoders_own_to_the_bit(name: str, tmp_path: Path) -> None:
    path = clips.clip(tmp_path / name, frames=10)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    for frame, wanted in zip(open_source(str(path)), plain, strict=True):
        assert (frame.image == wanted).all()


def test_a_stream_that_changes_between_both_keeps_its_progressive_frames(tmp_path: Path) -> None:
    codec, options = INTERLACED["a.ts"]
    still = [clips.numbered(number) for number in range(10)]
    parts = [
        odd_video.write(tmp_path / "1.ts", still, codec="mpeg2video", options={"b": "8M"}),
        odd_video.write(tmp_path / "2.ts", [odd_video.comb(n) for n in range(10)], codec=codec, options=options),
        odd_video.write(tmp_path / "3.ts", still, codec="mpeg2video", options={"b": "8M"}),
    ]
    (tmp_path / "all.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    found = list(open_source(str(tmp_path / "all.ts")))
    with av.open(str(tmp_path / "all.ts")) as container:
        plain = list(container.decode(video=0))
    assert len(found) == len(plain) >= 28
    for frame, wanted in zip(found, plain, strict=True):
        assert wanted.interlaced_frame or (frame.image == wanted.to_ndarray(format="bgr24")).all()
    woven = [frame for frame, wanted in zip(found, plain, strict=True) if wanted.interlaced_frame]
    assert len(woven) >= 9
    assert np.median([odd_video.teeth(frame.image) for frame in woven[1:-1]]) < 4


def test_frames_that_cannot_be_filtered_count_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def push(self, frame: av.VideoFrame | None) -> None:
            raise av.error.InvalidDataError(1, "broken")

    codec, options = INTERLACED["a.mp4"]
    path = odd_video.write(tmp_path / "a.mp4", [odd_video.comb(n) for n in range(6)], codec=codec, options=options)
    monkeypatch.setattr(filters, "graph_of", lambda *_: Broken())
    source = open_source(str(path))
    assert not list(source)
    assert source.counters == {"decode_errors": 6}


def test_an_interlaced_video_that_is_turned_is_both(tmp_path: Path) -> None:
    codec, options = INTERLACED["a.mp4"]
    path = odd_video.write(tmp_path / "a.mp4", [odd_video.comb(n) for n in range(10)], codec=codec, options=options)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tkhd") + 44
    raw[at : at + 16] = b"".join(value.to_bytes(4, "big", signed=True) for value in (0, 1 << 16, 0, -(1 << 16)))
    raw[at + 16 : at + 20] = bytes(4)
    path.write_bytes(raw)
    found = list(open_source(str(path)))
    assert [(frame.width, frame.height) for frame in found] == [(240, 320)] * 10
    assert np.median([odd_video.teeth(frame.image.transpose(1, 0, 2)) for frame in found[1:-1]]) < 4

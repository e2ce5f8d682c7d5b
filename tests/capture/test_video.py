from __future__ import annotations

import http.server
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Frame
from streamseg.options import SourceOptions
from tests.parts import clips


def frames(path: Path) -> list[Frame]:
    return list(open_source(str(path)))


FORMATS: dict[str, dict[str, object]] = {
    "h264.mp4": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "vp9.webm": {"codec": "libvpx-vp9", "frames": 20},
    "hevc.mkv": {"codec": "libx265", "frames": 20, "options": {"x265-params": "log-level=none"}},
    "b_frames.mkv": {"options": {"bf": "3", "preset": "medium"}},
    "ten_bit.mp4": {"pix_fmt": "yuv420p10le"},
    "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
    "full_colour.mp4": {"pix_fmt": "yuv444p"},
    "full_range.mp4": {"pix_fmt": "yuvj420p"},
    "odd_sides.mkv": {"codec": "ffv1", "size": (321, 241), "pix_fmt": "bgr0"},
    "odd_420.mkv": {"codec": "ffv1", "size": (321, 241)},
    "alpha.mov": {"codec": "qtrle", "pix_fmt": "argb"},
    "motion_jpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "interlaced.ts": {"codec": "mpeg2video", "options": {"flags": "+ilme+ildct", "b": "4M"}},
    "raw.h264": {"format": "h264"},
    "one.mp4": {"frames": 1},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_frame_comes_out_in_order(name: str, tmp_path: Path) -> None:
    path = clips.clip(tmp_path / name, **FORMATS[name])  # type: ignore[arg-type]
    found = frames(path)
    size = FORMATS[name].get("size", (320, 240))
    assert [clips.read_number(frame.image) for frame in found] == list(range(FORMATS[name].get("frames", 50)))  # type: ignore[call-overload]
    assert {(frame.width, frame.height) for frame in found} == {size}
    assert [frame.index for frame in found] == list(range(len(found)))
    assert not any(frame.image.flags.writeable for frame in found)
    below = found[-1].image[-20:, 20:-20].reshape(-1, 3).mean(0)
    wanted = (133, 133, 133) if name == "grey.mkv" else (60, 140, 190)
    assert np.abs(below - wanted).max() < 15, below


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_that_look_ahead_are_evenly_apart_in_a_container_that_does_not_say_when(
    codec: str, tmp_path: Path
) -> None:
    found = frames(clips.clip(tmp_path / "a.avi", frames=30, codec=codec, options={"bf": "2"}))
    assert [clips.read_number(frame.image) for frame in found] == list(range(30))
    assert [frame.time_s for frame in found] == pytest.approx([number / 25 for number in range(30)])


def test_a_variable_rate_keeps_each_frames_own_time(tmp_path: Path) -> None:
    times_ms = [0, 10, 30, 500, 510, 2000, 2040, 4000]
    source = open_source(str(clips.clip(tmp_path / "vfr.mp4", frames=8, times_ms=times_ms)))
    assert source.info.fps is None
    assert np.allclose([frame.time_s for frame in source], np.array(times_ms) / 1000, atol=0.002)


def test_a_constant_rate_is_told_and_kept(tmp_path: Path) -> None:
    source = open_source(str(clips.clip(tmp_path / "cfr.mp4", fps=30)))
    assert (source.info.fps, source.info.frames, source.info.live) == (30.0, 50, False)
    assert np.allclose([frame.time_s for frame in source], np.arange(50) / 30, atol=0.001)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied_as_opencv_applies_it(degrees: int, tmp_path: Path) -> None:
    path = clips.rotated(tmp_path / "turned.mp4", degrees)
    taken, other = cv2.VideoCapture(str(path)).read()
    assert taken
    ours = frames(path)[0].image
    assert ours.shape == other.shape
    assert np.abs(ours.astype(int) - other).mean() < 6


def test_a_change_of_size_is_taken_in_stride(tmp_path: Path) -> None:
    found = frames(clips.two_sizes(tmp_path / "sizes.ts"))
    assert len(found) >= 48
    assert {frame.width for frame in found} == {320, 640}
    times = [frame.time_s for frame in found]
    assert times == sorted(times)


def test_a_transport_stream_that_goes_on_under_another_number_is_read_to_its_end(tmp_path: Path) -> None:
    found = frames(clips.renumbered(tmp_path / "a.ts"))
    numbers = [clips.read_number(frame.image) for frame in found]
    assert numbers == [*range(24), *range(25), 24]  # FFmpeg keeps the last picture under a number until the end
    assert [frame.time_s for frame in found[:49]] == pytest.approx([number / 25 for number in range(49)])


def test_damage_costs_the_frames_it_hits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = clips.clip(tmp_path / "whole.mp4", frames=100, options={"g": "10", "bf": "0"})
    source = open_source(str(clips.bits_flipped(tmp_path / "damaged.mp4", whole)))
    with caplog.at_level(logging.WARNING):
        found = list(source)
    assert len(found) >= 80
    assert [frame.index for frame in found] == list(range(len(found)))
    assert len(caplog.records) <= 2


def test_a_beginning_in_the_middle_is_no_missing_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = clips.clip(tmp_path / "a.ts", frames=100, format="mpegts", options={"g": "50", "bf": "2"}).read_bytes()
    (tmp_path / "b.ts").write_bytes(whole[len(whole) // 188 // 4 * 188 :])
    found = frames(tmp_path / "b.ts")
    assert [clips.read_number(frame.image) for frame in found] == list(range(50, 100))
    assert found[0].time_s == 0.0
    assert not caplog.records


def test_a_missing_end_is_told_once_and_costs_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faststart = clips.clip(tmp_path / "whole.mp4", frames=100, container_options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(faststart.read_bytes()[: int(faststart.stat().st_size * 0.6)])
    with caplog.at_level(logging.WARNING):
        found = frames(cut)
    assert 20 < len(found) < 100
    assert sum("truncated" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("name", clips.BROKEN)
def test_a_file_with_nothing_in_it_is_one_line(name: str, tmp_path: Path) -> None:
    path = clips.BROKEN[name](tmp_path / name)
    with pytest.raises(InputError, match=name) as caught:
        frames(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_without_pictures_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source(str(tmp_path / "none.mp4"))
    with pytest.raises(InputError, match="no pictures"):
        open_source(str(tmp_path))


def test_a_video_larger_than_allowed_is_refused_before_decoding(tmp_path: Path) -> None:
    path = clips.clip(tmp_path / "a.mp4", frames=2)
    with pytest.raises(InputError, match="megapixels"):
        open_source(str(path), SourceOptions(max_megapixels=0.01))


def test_a_file_that_is_closed_unread_is_closed_at_once(tmp_path: Path) -> None:
    path = clips.clip(tmp_path / "a.mp4", frames=5)

    def open_files() -> int:
        return sum(each.exists() and each.samefile(path) for each in Path("/proc/self/fd").iterdir())

    source = open_source(str(path))
    assert open_files() == 1
    source.close()
    assert open_files() == 0
    assert list(source) == []
    source.close()


def test_close_ends_the_iteration(tmp_path: Path) -> None:
    source = open_source(str(clips.clip(tmp_path / "a.mp4")))
    seen = 0
    for _ in source:
        seen += 1
        source.close()
    assert seen <= 2


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that writes down what it is asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("kind", ["m3u8", "m3u8_local", "concat", "sdp", "dash"])
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ts"])
def test_a_playlist_in_disguise_reaches_nothing(
    kind: str, suffix: str, tmp_path: Path, listener: tuple[str, list[str]]
) -> None:
    url, asked = listener
    secret = clips.clip(tmp_path / "secret.ts", frames=5, format="mpegts")
    texts = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
        "m3u8_local": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {secret}\nfile {url}/a.ts\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}/</BaseURL></MPD>',
    }
    path = tmp_path / f"holiday{suffix}"
    path.write_text(texts[kind])
    with pytest.raises(StreamsegError):
        frames(path)
    assert asked == []


@pytest.mark.parametrize("uri", ["concat:a.ts|b.ts", "subfile,,start,0,end,9,,:a.mp4", "data:video/mp4,xx", "pipe:0"])
def test_a_protocol_in_disguise_is_only_a_file_name(uri: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source(uri)


def test_grey_values_of_a_microscope_use_one_range_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray16le"
        for number in range(5):
            values = np.tile(np.linspace(100, 500 * (number + 1), 64).astype(np.uint16), (48, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="gray16le")))
        container.mux(stream.encode(None))
    found = frames(tmp_path / "a.mkv")
    ends = [int(frame.image[0, -1, 0]) for frame in found]
    assert ends == pytest.approx([(500 * (number + 1) - 100) * 255 / 2400 for number in range(5)], abs=1)
    assert {int(frame.image[0, 0, 0]) for frame in found} == {0}
    (record,) = caplog.records
    assert "100 is shown as black, 2500 as white" in record.getMessage()


@pytest.mark.parametrize("pix_fmt", ["gray10le", "gray12le", "yuv420p10le", "yuv444p12le", "gbrp10le", "gbrp12le"])
def test_ten_and_twelve_bits_are_what_they_say(pix_fmt: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (frame, *_) = frames(clips.clip(tmp_path / "a.mkv", frames=3, codec="ffv1", pix_fmt=pix_fmt))
    plain = clips.numbered(0)
    wanted = np.repeat(cv2.cvtColor(plain, cv2.COLOR_BGR2GRAY)[..., None], 3, 2) if "gray" in pix_fmt else plain
    assert np.median(np.abs(frame.image.astype(int) - wanted)) <= 5
    assert not caplog.records


def test_pictures_out_of_order_behind_an_edit_list_begin_at_zero(tmp_path: Path) -> None:
    """As telephones write them: the first picture is to be shown two pictures after it was decoded."""
    found = frames(clips.clip(tmp_path / "a.mp4", options={"bf": "3", "preset": "medium"}))
    assert [clips.read_number(frame.image) for frame in found] == list(range(50))
    assert [frame.time_s for frame in found] == pytest.approx([number / 25 for number in range(50)], abs=1e-3)


def test_a_track_of_time_codes_beside_the_video_is_passed_over(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        container.metadata["timecode"] = "01:00:00:00"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.numbered(number), format="bgr24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.mov")) as container:
        assert len(container.streams) == 2
    assert [clips.read_number(frame.image) for frame in frames(tmp_path / "a.mov")] == list(range(10))


@pytest.mark.parametrize("name", ["a.gif", "a.mp4", "a.ts", "a"])
def test_a_file_without_a_byte_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="not a video that can be read"):
        open_source(str(tmp_path / name))

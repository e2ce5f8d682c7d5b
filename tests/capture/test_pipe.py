from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from streamseg.capture import open_source
from streamseg.capture.packets import Packets
from streamseg.capture.pipe import open_pipe
from streamseg.capture.stream import StreamSource
from streamseg.errors import InputError, SourceError
from streamseg.options import SourceOptions
from tests.parts.clips import audio_only, clip, read_number, renumbered


@pytest.fixture
def standard_input() -> Iterator[None]:
    """The test's own standard input comes back whatever was put in its place."""
    kept = os.dup(0)
    yield
    os.dup2(kept, 0)
    os.close(kept)


def pipe_in(path: Path) -> None:
    with path.open("rb") as file:
        os.dup2(file.fileno(), 0)


def with_index_far_behind(path: Path) -> Path:
    """An MP4 of twelve pictures, which are out of memory when its index comes."""
    film = clip(path, frames=12).read_bytes()
    index, size = film.index(b"moov") - 4, 1 << 20
    path.write_bytes(film[:index] + size.to_bytes(4, "big") + b"free" + bytes(size - 8) + film[index:])
    return path


def test_video_that_is_piped_in_has_an_end_and_every_frame(tmp_path: Path, standard_input: None) -> None:
    pipe_in(clip(tmp_path / "a.mkv", frames=12))
    source = open_pipe(SourceOptions())
    assert (source.info.name, source.info.live) == ("-", False)
    assert [read_number(frame.image) for frame in source] == list(range(12))
    source.close()


def test_a_recording_that_pauses_has_the_times_that_it_has_as_a_file(tmp_path: Path, standard_input: None) -> None:
    path = clip(tmp_path / "a.mkv", frames=4, times_ms=[0, 40, 20_000, 80_000], options={"bf": "0"})
    pipe_in(path)
    times = [frame.time_s for frame in open_pipe(SourceOptions())]
    assert times == [frame.time_s for frame in open_source(str(path))] == pytest.approx([0, 0.04, 20, 80])


def test_a_transport_stream_in_a_pipe_may_go_on_under_another_number(tmp_path: Path, standard_input: None) -> None:
    pipe_in(renumbered(tmp_path / "a.ts"))
    assert len(list(open_pipe(SourceOptions()))) == 50


@pytest.mark.parametrize(("stall_s", "jumps"), [(5.0, True), (60.0, False)])
def test_a_live_pause_that_was_to_be_waited_for_is_no_new_clock(stall_s: float, jumps: bool, tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", frames=3, times_ms=[0, 40, 20_000], options={"bf": "0"})
    options = SourceOptions(stall_timeout_s=stall_s)
    source = StreamSource(Packets(av.open(str(path)), "a", 64.0), "a", options, live=True)
    *_, last = source
    assert last.time_s == pytest.approx(0.08 if jumps else 20.0)


def test_a_file_on_the_standard_input_may_have_its_index_at_its_end(tmp_path: Path, standard_input: None) -> None:
    pipe_in(with_index_far_behind(tmp_path / "a.mp4"))
    assert [read_number(frame.image) for frame in open_pipe(SourceOptions())] == list(range(12))


def test_an_index_at_the_end_of_what_comes_through_a_pipe_is_told(tmp_path: Path, standard_input: None) -> None:
    film = with_index_far_behind(tmp_path / "a.mp4").read_bytes()
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)

    def write() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(film)

    thread = threading.Thread(target=write)
    thread.start()
    source = open_pipe(SourceOptions())
    with pytest.raises(SourceError, match="-: its index is at its end, which is too late in a pipe"):
        list(source)
    thread.join()


@pytest.mark.parametrize("content", [b"", b"no video\n" * 1000], ids=["nothing", "text"])
def test_what_is_no_video_is_one_line(content: bytes, tmp_path: Path, standard_input: None) -> None:
    (tmp_path / "a").write_bytes(content)
    pipe_in(tmp_path / "a")
    with pytest.raises(SourceError, match="^-: no answer that is a video stream"):
        open_pipe(SourceOptions())


def test_a_playlist_in_a_pipe_is_not_followed(tmp_path: Path, standard_input: None) -> None:
    clip(tmp_path / "a.ts", frames=5, format="mpegts")
    (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\nfile:{tmp_path}/a.ts\n")
    pipe_in(tmp_path / "a.m3u8")
    with pytest.raises(SourceError, match="no answer that is a video stream"):
        open_pipe(SourceOptions())


def test_large_pictures_are_refused_before_one_is_decoded(tmp_path: Path, standard_input: None) -> None:
    pipe_in(clip(tmp_path / "a.mkv", frames=3))
    with pytest.raises(InputError, match="320x240 is more than 0.01 megapixels"):
        open_pipe(SourceOptions(max_megapixels=0.01))


def test_a_container_without_video_is_closed_by_whom_it_was_given_to(tmp_path: Path) -> None:
    container = av.open(str(audio_only(tmp_path / "a.mp4")))
    with pytest.raises(InputError, match="no video in it"):
        Packets(container, "a", 64)
    with pytest.raises(AssertionError, match="closed|open"):
        next(container.demux())


def test_each_packet_is_a_sign_of_life(tmp_path: Path) -> None:
    with av.open(str(clip(tmp_path / "a.mp4", frames=5))) as container:
        packets = Packets(container, "a", 64)
        heard = [packets.heard_s]
        for _ in packets.demux(packets.stream):
            heard.append(packets.heard_s)
    assert len(heard) > 5
    assert heard == sorted(heard)
    assert heard[-1] > heard[0] or sys.platform == "win32"

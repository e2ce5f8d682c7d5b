"""Streams from real HTTP servers and a real pipe, and the decoder of a live one."""

from __future__ import annotations

import http.server
import itertools
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError, SourceError
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.http_answers import paced, unmeasured, whole
from tests.parts.http_server import http_server
from tests.parts.program import run_program
from tests.parts.sources import QUICK, opened, take


def _motion_jpeg(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    handler.end_headers()
    for number in itertools.count():
        _, data = cv2.imencode(".jpg", clips.numbered(number % 256))
        body = data.tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            handler.wfile.write(head.encode() + body + b"\r\n")
        except OSError:
            return
        time.sleep(0.02)  # a camera's own rate


def test_a_live_decoder_holds_no_frame_back(tmp_path: Path) -> None:
    """Each picture is sent only once the one before has come out."""
    out, shown = tmp_path / "live.ts", threading.Semaphore(0)
    options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "bframes=0:slices=1"}
    clips.clip(out, frames=60, format="mpegts", options=options)
    with av.open(str(out)) as container:
        ends = [packet.pos for packet in container.demux(video=0) if packet.size][1:]
    raw = out.read_bytes()
    probed = 40  # pictures sent at once, which opening wants to see
    behind = 2  # a picture's end is known by the begin of the next, once to the container and once to the parser

    def paced(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp2t")
        handler.end_headers()
        start = 0
        for number, end in enumerate([*ends, len(raw)]):
            if number > probed and not shown.acquire(timeout=10):
                return
            handler.wfile.write(raw[start:end])
            start = end

    with http_server(paced) as (url, _), opened(f"{url}/live.ts", SourceOptions(stall_timeout_s=20.0)) as source:
        assert source.info.live
        numbers = []
        for frame in itertools.islice(source, 58):
            numbers.append(clips.read_number(frame.image))
            if len(numbers) > probed - behind:
                shown.release()
    assert numbers == list(range(58))


def test_motion_jpeg_over_http_is_live() -> None:
    with http_server(_motion_jpeg) as (url, _), opened(f"{url}/video") as source:
        numbers = [clips.read_number(frame.image) for frame in take(source, 10)]
    assert source.info.live
    assert (np.diff(numbers) == 1).all()


def test_a_file_over_http_is_finite_and_whole(tmp_path: Path) -> None:
    clips.clip(tmp_path / "a.mp4", container_options={"movflags": "faststart"})
    with http_server(folder=tmp_path) as (url, _), opened(f"{url}/a.mp4") as source:
        numbers = [clips.read_number(frame.image) for frame in source]
    assert not source.info.live
    assert numbers == list(range(50))


def _hls(folder: Path, *, ended: bool) -> None:
    options = {"hls_time": "1", "hls_list_size": "0", **({} if ended else {"hls_flags": "omit_endlist"})}
    clips.clip(folder / "live.m3u8", format="hls", container_options=options, options={"g": "25", "bf": "0"})


def test_hls_is_finite_when_it_has_an_end_and_live_when_not(tmp_path: Path) -> None:
    _hls(tmp_path, ended=True)
    with http_server(folder=tmp_path) as (url, _), opened(f"{url}/live.m3u8") as source:
        assert not source.info.live
        assert len(list(source)) == 50
    _hls(tmp_path, ended=False)
    with http_server(folder=tmp_path) as (url, _), opened(f"{url}/live.m3u8") as source:
        assert source.info.live
        assert len(take(source, 20)) == 20


def test_a_redirect_to_another_server_is_not_followed(tmp_path: Path) -> None:
    clips.clip(tmp_path / "a.mp4", frames=5)
    with http_server(folder=tmp_path) as (inner, asked):

        def elsewhere(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"{inner}/a.mp4")
            handler.end_headers()

        with http_server(elsewhere) as (outer, _), pytest.raises(SourceError):
            open_source(f"{outer}/a.mp4", QUICK)
    assert asked == []


def test_a_missing_page_and_one_that_is_no_video_are_told(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>hello</html>")
    with http_server(folder=tmp_path) as (url, _):
        with pytest.raises(SourceError, match="no such stream"):
            open_source(f"{url}/none", QUICK)
        with pytest.raises(SourceError, match="a web page, and no video"):
            open_source(f"{url}/page.html", QUICK)


def test_sound_alone_is_told_apart_from_silence(tmp_path: Path) -> None:
    clips.audio_only(tmp_path / "song.mp4")
    with http_server(folder=tmp_path) as (url, _), pytest.raises(InputError, match="no video in it"):
        open_source(f"{url}/song.mp4", QUICK)


PIPED = {"mpegts": {"format": "mpegts"}, "matroska": {"format": "matroska"}, "h264": {"format": "h264"}}


@pytest.mark.parametrize("name", PIPED)
def test_a_pipe_is_read_to_its_last_frame(name: str, tmp_path: Path) -> None:
    path = clips.clip(tmp_path / "a", **PIPED[name])  # type: ignore[arg-type]
    code = (
        "from streamseg.capture import open_source; from tests.parts.clips import read_number; "
        "s = open_source('-'); print(s.info.live, *(read_number(f.image) for f in s))"
    )
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=file, capture_output=True, text=True, timeout=60, check=True
        )
    assert done.stdout.split() == ["False", *map(str, range(50))], done.stderr


def test_an_empty_pipe_is_one_line() -> None:
    done = run_program("run", "-", "null", stdin=subprocess.DEVNULL)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>', "a DASH manifest", "ffmpeg -i http://"),
        (
            "\ufeff<!DOCTYPE html>\r\n<HTML><body>IP camera</body></HTML>",
            "a web page, and no video",
            "an address of its own",
        ),
        ("<error>no such channel</error>", "no answer that is a video stream", ""),
    ],
)
def test_what_is_no_stream_is_called_what_it_is(text: str, said: str, hint: str) -> None:
    with http_server(whole(text.encode(), "text/plain")) as (url, _), pytest.raises(SourceError, match=said) as caught:
        open_source(url, QUICK)
    assert hint in caught.value.hint


def test_a_live_mp4_in_fragments_is_opened_again_when_it_breaks(tmp_path: Path) -> None:
    """As cameras' gateways send it; FFmpeg calls the fragments that it has seen the length of a film."""
    film = clips.clip(
        tmp_path / "a.mp4",
        frames=150,
        options={"g": "10", "bf": "0", "tune": "zerolatency"},
        container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ).read_bytes()
    begins = [found.start() - 4 for found in re.finditer(b"moof", film)]
    parts = [film[begin:end] for begin, end in itertools.pairwise([0, *begins, len(film)])]
    answer = unmeasured(lambda: paced(parts, interval_s=0.2, rounds=1), "video/mp4")
    with http_server(answer) as (url, asked), opened(f"{url}/stream.mp4") as source:
        assert source.info.live
        frames = take(source, 170)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(150), *range(20)]
    assert len(asked) == 2

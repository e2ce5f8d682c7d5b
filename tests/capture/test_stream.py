"""Streams from a real RTSP server, real HTTP servers and a real pipe."""

from __future__ import annotations

import http.server
import itertools
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.capture.stream import StreamSource, with_credentials
from streamseg.contracts import Source, SourceOptions
from streamseg.errors import InputError, SourceError
from streamseg.frame import Frame
from streamseg.urls import expand
from tests.parts import clips
from tests.parts.http_server import http_server
from tests.parts.rtsp import Camera, free_port

QUICK = SourceOptions(stall_timeout_s=2.0)
UDP = SourceOptions(stall_timeout_s=2.0, transport="udp")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.annexb(tmp_path_factory.mktemp("clips") / "small.h264")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.annexb(tmp_path_factory.mktemp("clips") / "large.h264", size=(640, 480))


@contextmanager
def opened(uri: str, options: SourceOptions = QUICK) -> Iterator[Source]:
    source = open_source(uri, options)
    try:
        yield source
    finally:
        source.close()


def take(source: Source, count: int) -> list[Frame]:
    return list(itertools.islice(source, count))


@pytest.mark.parametrize("options", [QUICK, UDP], ids=["tcp", "udp"])
@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_a_camera_with_a_password_is_read(options: SourceOptions, digest: bool, small: Path) -> None:
    extra = ["--transport", options.transport, *(["--digest"] if digest else [])]
    with (
        Camera(small, *extra, user="admin", password="p@ss/hunter2") as camera,
        opened(camera.url_with("admin:p%40ss%2Fhunter2"), options) as source,
    ):
        frames = take(source, 40)
    assert source.info.live
    assert "hunter2" not in source.info.name
    numbers = [clips.read_number(frame.image) for frame in frames]
    steps = np.diff(numbers) % 50
    assert (steps == 1).mean() > 0.9, numbers
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)


def test_the_scheme_may_be_written_large(small: Path) -> None:
    with Camera(small) as camera, opened(camera.url.replace("rtsp://", "RTSP://")) as source:
        assert len(take(source, 3)) == 3


def test_the_login_may_come_from_the_environment(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_USER", "admin")
    monkeypatch.setenv("STREAMSEG_PASSWORD", "p@ss/hunter2")
    with Camera(small, user="admin", password="p@ss/hunter2") as camera, opened(camera.url) as source:
        assert len(take(source, 5)) == 5


@pytest.mark.parametrize("login", ["admin:wrong-hunter2", "hunter2"])
def test_a_wrong_password_is_told_as_such_and_not_repeated(login: str, small: Path) -> None:
    with (
        Camera(small, user="admin", password="hunter2") as camera,
        pytest.raises(SourceError, match="wrong or missing password") as caught,
    ):
        open_source(camera.url_with(login), QUICK)
    assert "hunter2" not in str(caught.value)
    assert caught.value.retry_s >= 30


def test_a_refused_port_and_an_unknown_host_are_told_apart() -> None:
    with pytest.raises(SourceError, match="connection refused"):
        open_source(f"rtsp://u:hunter2@127.0.0.1:{free_port()}/cam", QUICK)
    with pytest.raises(SourceError, match="host not found") as caught:
        open_source("rtsp://u:hunter2@no-such-camera.invalid/cam", QUICK)
    assert "hunter2" not in str(caught.value)


def test_a_path_that_the_server_does_not_have_is_told(small: Path) -> None:
    with Camera(small) as camera, pytest.raises(SourceError, match="no such stream"):
        open_source(camera.url + "era", QUICK)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(SourceError, match="answer"):
            open_source(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam", QUICK)


def test_a_killed_camera_comes_back_with_another_size(
    small: Path, large: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Camera(small) as camera, opened(camera.url_with("u:hunter2")) as source, caplog.at_level(logging.INFO):
        before = take(source, 20)
        camera.kill()
        camera.start(large)
        after = take(source, 30)
    assert (before[-1].width, after[-1].width) == (320, 640)
    indices = [frame.index for frame in before + after]
    assert indices == list(range(len(indices)))
    times = [frame.time_s for frame in before + after]
    assert times == sorted(times)
    assert source.counters["reconnects"] >= 1
    assert "trying again" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.slow
def test_a_stalled_camera_is_noticed_and_comes_back(small: Path) -> None:
    with Camera(small) as camera, opened(camera.url, SourceOptions(stall_timeout_s=1.0)) as source:
        take(source, 10)
        camera.stall()
        timer = threading.Timer(3.0, camera.go_on)
        timer.start()
        stalled_s = time.monotonic()
        frames = [next(frame for frame in source if frame.arrived_s > stalled_s + 2.5)]
        frames += take(source, 10)
        timer.join()
    assert len(frames) == 11
    assert source.counters["stalls"] + source.counters["reconnects"] >= 1


def test_damage_on_the_way_ends_nothing(small: Path) -> None:
    with Camera(small, "--damage", "0.2") as camera, opened(camera.url) as source:
        assert len(take(source, 60)) == 60
    assert source.counters["reconnects"] == 0


@pytest.mark.slow
def test_a_live_picture_is_as_fresh_as_it_can_be(tmp_path: Path) -> None:
    clip = clips.annexb(tmp_path / "paced.h264", frames=240, size=(1280, 720), fps=30)
    with Camera(clip, "--paced", "--fps", "30") as camera, opened(camera.url) as source:
        frames = take(source, 90)[30:]
        ages = []
        for frame in frames:
            number = clips.read_number(frame.image)
            sent = (frame.arrived_s - camera.started_s) * 30
            ages.append(((sent - number) % 240) / 30)
    assert sorted(ages)[len(ages) // 2] < 0.25, ages  # 36 ms on a quiet machine; the next best reader takes 69


def test_close_is_heard_at_once_while_a_camera_is_silent(small: Path) -> None:
    with Camera(small) as camera, opened(camera.url, SourceOptions(stall_timeout_s=60.0)) as source:
        take(source, 5)
        camera.stall()
        timer = threading.Timer(0.3, source.close)
        timer.start()
        started_s = time.monotonic()
        for _ in source:
            pass
        assert time.monotonic() - started_s < 10
        timer.join()
        camera.go_on()


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
        with pytest.raises(SourceError, match="no answer that is a video"):
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
    code = "from streamseg.cli import program; program()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "-", "null"], input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_names_in_the_url_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "hunter2")
    assert expand("rtsp://u:${CAM_PASSWORD}@cam/1") == "rtsp://u:hunter2@cam/1"
    with pytest.raises(InputError, match="NO_SUCH"):
        expand("rtsp://u:${NO_SUCH}@cam/1")


def test_a_login_in_the_url_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_USER", "admin")
    monkeypatch.setenv("STREAMSEG_PASSWORD", "a/b@c")
    assert with_credentials("rtsp://cam/1") == "rtsp://admin:a%2Fb%40c@cam/1"
    assert with_credentials("rtsp://x:y@cam/1") == "rtsp://x:y@cam/1"
    assert with_credentials("-") == "-"


def test_opening_and_closing_leaves_nothing_behind(small: Path) -> None:
    with Camera(small) as camera:
        StreamSource(camera.url, QUICK)  # whatever a first use keeps for good
        before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
        for _ in range(5):
            source = StreamSource(camera.url, QUICK)
            take(source, 2)
            source.close()
            del source
        after = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    assert after[0] <= before[0] + 1
    assert after[1] == before[1]

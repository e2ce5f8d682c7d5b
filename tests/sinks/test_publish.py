from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.sinks import open_sink
from streamseg.sinks.publish import Paced, PublishSink
from streamseg.sinks.retry import Retrying
from streamseg.sinks.rtsp import units_of
from tests.parts.clips import read_number
from tests.parts.fakes import ListSink, segmentation
from tests.parts.rtsp import Recorder, free_port
from tests.sinks.test_video import shown


def taken(path: Path) -> list[int]:
    """The numbers of the pictures that a server wrote down."""
    with av.open(str(path), format="h264") as container:
        return [read_number(np.asarray(f.to_ndarray(format="bgr24"), np.uint8)) for f in container.decode(video=0)]


def wait_for_size(path: Path, size: int = 1) -> None:
    """Until the server has written so much: what was sent to it is on its way through its own threads."""
    deadline_s = time.monotonic() + 20
    while (not path.exists() or path.stat().st_size < size) and time.monotonic() < deadline_s:
        time.sleep(0.01)


def settle(path: Path) -> list[int]:
    """What the server has, once nothing more has come for half a second."""
    size = -1
    while path.stat().st_size != size:
        size = path.stat().st_size
        time.sleep(0.5)
    return taken(path)


@pytest.mark.parametrize("login", ["", "basic", "digest"])
def test_every_picture_arrives_in_order(login: str, tmp_path: Path) -> None:
    options = ["--digest"] if login == "digest" else []
    with Recorder(tmp_path, *options, user="me" if login else "", password="p@ss:w/rd") as server:
        sink = PublishSink(server.url_with("me:p%40ss%3Aw%2Frd") if login else server.url)
        for number in range(60):
            sink.write(shown(number, number / 25))
            time.sleep(0.01)
        found = settle(server.files[0])
        sink.close()
    assert found == list(range(60))


_LISTENER = """
import sys, av
import numpy as np
from tests.parts.clips import read_number
with av.open(sys.argv[1], options={"rtsp_flags": "listen", "listen_timeout": "60"}) as container:
    print("connected", flush=True)
    for frame in container.decode(video=0):
        number = read_number(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))
        print(number, round((frame.time or 0) * 1000), flush=True)  # it gives the first no time
"""


def test_another_server_gets_the_same_pictures_at_their_own_times() -> None:
    """FFmpeg's, which takes one publisher."""
    url = f"rtsp://127.0.0.1:{free_port()}/live"
    times_ms = np.cumsum([0, *[40] * 20, 300, 10, *[40] * 40])
    with subprocess.Popen([sys.executable, "-c", _LISTENER, url], stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        sink = Retrying(PublishSink(url), jitter=lambda: 0.0)
        deadline_s = time.monotonic() + 30
        sink.write(shown(0, 0.0))
        while sink.unwritten and time.monotonic() < deadline_s:  # until it listens
            time.sleep(0.05)
            before = sink.unwritten
            sink.write(shown(0, 0.0))
            if sink.unwritten == before:
                break
        for number, time_ms in enumerate(times_ms[1:], 1):
            sink.write(shown(number, float(time_ms) / 1000))
        sink.close()
        said = listener.stdout.read().split("\n")
    assert said[0] == "connected"
    found = [tuple(int(word) for word in line.split()) for line in said[1:] if line]
    assert [number for number, _ in found] == list(range(len(times_ms)))
    assert np.allclose([time_ms - found[0][1] for _, time_ms in found], times_ms, atol=2)


def test_large_pictures_are_cut_into_packets_and_come_out_whole(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    pictures = [dice.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(5)]
    with Recorder(tmp_path) as server:
        sink = PublishSink(server.url)
        for number, picture in enumerate(pictures):
            frame = Frame(picture, number, number / 25, 0.0)
            sink.write(Shown(frame, segmentation(frame), picture, 0, {}))
            time.sleep(0.05)
        settle(server.files[0])
        sink.close()
    with av.open(str(server.files[0]), format="h264") as container:
        found = [frame.to_ndarray(format="bgr24").astype(float) for frame in container.decode(video=0)]
    assert len(found) == 5
    for got, sent in zip(found, pictures, strict=True):
        assert np.corrcoef(got.mean(2).ravel(), sent.mean(2).ravel())[0, 1] > 0.6  # of two different ones it is 0


def test_a_server_that_is_killed_and_comes_back_is_published_to_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Recorder(tmp_path) as server:
        sink = Retrying(PublishSink(server.url), jitter=lambda: 0.0)
        number = 0

        def go_on(count: int) -> None:
            nonlocal number
            for _ in range(count):
                sink.write(shown(number % 256, number / 25))
                number += 1
                time.sleep(0.01)

        go_on(30)
        assert len(settle(server.files[0])) == 30
        server.kill()
        go_on(30)
        assert sink.unwritten > 0
        server.start()
        deadline_s = time.monotonic() + 30
        while (not server.files[1].exists() or not server.files[1].stat().st_size) and time.monotonic() < deadline_s:
            go_on(5)
        before = sink.unwritten
        go_on(30)
        assert sink.unwritten == before
        found = settle(server.files[1])
        sink.close()
    assert len(found) >= 30
    assert found == [at % 256 for at in range(number - len(found), number)]
    assert sum("goes on;" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("options", [(), ("--digest",)])
@pytest.mark.parametrize("login", ["", "me:hunter2", "hunter2:right"])
def test_a_wrong_password_is_one_line_without_it_and_is_not_tried_soon_again(
    login: str, options: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Recorder(tmp_path, *options, user="me", password="right") as server:
        sink = open_sink(server.url_with(login) if login else server.url, Controls())
        for number in range(100):
            sink.write(shown(number, number / 25))
        sink.close()
    assert len(caplog.records) == 1
    assert "user or password is wrong" in caplog.text
    assert "hunter2" not in caplog.text
    assert getattr(sink, "unwritten", 0) == 100


def test_a_password_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "right")
    with Recorder(tmp_path, user="me", password="right") as server:
        sink = PublishSink(server.url_with("me:${CAMERA_PASSWORD}"))
        sink.write(shown(0, 0.0))
        sink.close()


def test_what_is_wrong_is_told_apart() -> None:
    with pytest.raises(OutputError, match="refused"):
        PublishSink(f"rtsp://127.0.0.1:{free_port()}/live").write(shown(0, 0.0))
    with pytest.raises(OutputError, match="host not found"):
        PublishSink("rtsp://no-such-host.invalid/live").write(shown(0, 0.0))
    for uri in ("rtsp:///live", "rtsp://host:0/x", "rtsp://host:port/x"):
        with pytest.raises(InputError, match="not understood"):
            PublishSink(uri)


def test_a_hundred_failures_leave_nothing_open(tmp_path: Path) -> None:
    with Recorder(tmp_path, user="me", password="right") as server:
        for url in (server.url, f"rtsp://127.0.0.1:{free_port()}/live"):
            sink = PublishSink(url)
            counts = []
            for _ in range(100):
                with pytest.raises(OutputError):
                    sink.write(shown(0, 0.0))
                counts.append(len(list(Path("/proc/self/fd").iterdir())))
            assert counts[-1] <= counts[10]


def test_a_path_where_nobody_may_publish_is_one_line(tmp_path: Path) -> None:
    with Recorder(tmp_path) as server, pytest.raises(OutputError, match="answers 404"):
        PublishSink(server.url.replace("/live", "/other")).write(shown(0, 0.0))


def test_a_server_of_another_kind_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-dropbear\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OutputError, match="no RTSP"):
            PublishSink(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live").write(shown(0, 0.0))
        thread.join()


def test_what_a_server_says_meanwhile_is_taken_so_that_it_need_not_wait() -> None:
    said: list[int] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            for _ in range(3):  # ANNOUNCE, SETUP, RECORD
                connection.recv(65536)
                connection.sendall(b"RTSP/1.0 200 OK\r\nSession: 7;timeout=60\r\n\r\n")
            for _ in range(200):
                connection.recv(65536)
                connection.sendall(bytes(65536))
                said.append(65536)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        sink = PublishSink(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")
        number = 0
        while thread.is_alive():
            with contextlib.suppress(OutputError):  # at its end the server hangs up
                sink.write(shown(number % 256, number / 25))
            number += 1
        thread.join()
        sink.close()
    assert sum(said) == 200 * 65536  # more than the system keeps for somebody who does not read


def test_a_server_that_falls_silent_is_given_up_and_holds_up_nobody_meanwhile(tmp_path: Path) -> None:
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.01):
            ticks.append(time.monotonic())

    with Recorder(tmp_path) as server:
        sink = PublishSink(server.url)
        sink.write(shown(0, 0.0))
        server.stall()
        other = threading.Thread(target=tick)
        other.start()
        dice = np.random.default_rng(0)
        with pytest.raises(OutputError, match="does not answer"):
            for number in range(1000):
                frame = Frame(dice.integers(0, 256, (480, 640, 3), dtype=np.uint8), number, number / 25, 0.0)
                sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
        started_s = time.monotonic()
        with pytest.raises(OutputError, match="does not answer"):
            sink.write(shown(0, 0.0))  # it still takes connections, and then says nothing
        assert time.monotonic() - started_s < 15
        done.set()
        other.join()
        server.go_on()
    assert np.diff(ticks).max() < 2.0


def test_what_is_not_live_is_published_at_its_own_speed() -> None:
    now_s, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now_s[0] += seconds

    inner = ListSink()
    sink = Paced(inner, now=lambda: now_s[0], sleep=sleep)
    for number in range(4):
        sink.write(shown(number, number / 25))
    now_s[0] += 5  # a long hold-up is not made up for by a rush
    for number in range(4, 7):
        sink.write(shown(number, number / 25))
    assert slept == [0.04, 0.04, 0.04, 0.04, 0.04]
    assert len(inner.shown) == 7
    assert isinstance(open_sink("rtsp://host/live", Controls(pace=True)), Paced)


def test_units_are_found_between_start_codes() -> None:
    assert units_of(b"\0\0\0\1ab\0\0\1c\0\0\0\1\0d") == [b"ab", b"c", b"\0d"]

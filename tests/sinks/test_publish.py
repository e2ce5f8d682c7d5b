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
from streamseg.frame import Frame, Image
from streamseg.sinks import open_sink
from streamseg.sinks.publish import PublishSink
from streamseg.sinks.retry import Retrying
from tests.parts.clips import read_number
from tests.parts.fakes import FILE, segmentation
from tests.parts.leftovers import open_files
from tests.parts.patience import until
from tests.parts.rtsp import Recorder, free_port
from tests.sinks.test_video import shown


def taken(path: Path) -> list[int]:
    """The numbers of the pictures that a server wrote down."""
    return [read_number(picture) for picture in images_of(path)]


def images_of(path: Path, codec: str = "h264") -> list[Image]:
    try:
        with av.open(str(path), format=codec) as container:
            return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    except av.error.FFmpegError:  # only begun
        return []


def wait_for_size(path: Path, size: int = 1) -> None:
    """Until the server has written so much: what was sent to it is on its way through its own threads."""
    until(lambda: path.exists() and path.stat().st_size >= size, f"{size} bytes written")


def settle(path: Path, last: int) -> list[int]:
    """What the server has, once it has the picture `last` and nothing more has come for half a second."""
    wait_for_size(path)
    until(lambda: taken(path)[-1:] == [last], f"picture {last}")
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
        found = settle(server.files[0], 59)
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
        sink.write(shown(0, 0.0))
        while sink.unwritten:  # until it listens
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
        until(lambda: len(images_of(server.files[0])) == 5, "all pictures")
        sink.close()
    for got, sent in zip(images_of(server.files[0]), pictures, strict=True):
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
        assert len(settle(server.files[0], 29)) == 30
        server.kill()
        go_on(30)
        assert sink.unwritten > 0
        server.start()
        while not server.files[1].exists() or not server.files[1].stat().st_size:
            go_on(5)
        before = sink.unwritten
        go_on(30)
        assert sink.unwritten == before
        found = settle(server.files[1], (number - 1) % 256)
        sink.close()
    assert len(found) >= 30
    assert found == [at % 256 for at in range(number - len(found), number)]
    assert sum("works again;" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--digest",)])
@pytest.mark.parametrize("login", ["", "me:hunter2", "hunter2:right"])
def test_a_wrong_password_is_one_line_without_it_and_is_not_tried_soon_again(
    login: str, options: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Recorder(tmp_path, *options, user="me", password="right") as server:
        sink = open_sink(server.url_with(login) if login else server.url, FILE, Controls())
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
                counts.append(open_files())
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
    assert sum(said) == 200 * 65536  # more than the system keeps for a client that does not read


@pytest.mark.slow
def test_a_server_that_falls_silent_is_given_up_and_holds_up_nobody_meanwhile(tmp_path: Path) -> None:
    ticks = [0]
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.01):
            ticks[0] += 1

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
                before = ticks[0]
                sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
        assert ticks[0] - before > 20, "others go on while one write waits for seconds"
        with pytest.raises(OutputError, match="does not answer"):
            sink.write(shown(0, 0.0))  # it still takes connections, and then says nothing
        done.set()
        other.join()
        server.go_on()

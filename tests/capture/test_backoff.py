from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from streamseg.capture import open_source
from streamseg.capture.backoff import patiently
from streamseg.errors import InputError, SourceError, StreamsegError
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.http_answers import picture, whole
from tests.parts.http_server import http_server
from tests.parts.rtsp import free_port
from tests.parts.rtsp_socket import RtspServer
from tests.parts.sources import take

WAITING = SourceOptions(stall_timeout_s=2.0, wait=True)


class Tries:
    """Fails as it is told to, then gives 7."""

    def __init__(self, *errors: StreamsegError) -> None:
        self.errors, self.pauses = list(errors), list[float]()

    def __call__(self) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return 7

    def pause(self, never: threading.Event, seconds: float) -> None:
        self.pauses.append(seconds)


def away(text: str = "refused") -> SourceError:
    return SourceError(text, away=True)


def test_what_is_away_is_waited_for_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    tries = Tries(*(away() for _ in range(14)), away("host not reachable"), away("host not reachable"))
    assert patiently(tries, wait=True, pause=tries.pause, jitter=lambda: 1.0) == 7
    assert tries.pauses == [0.5, *[1.0] * 10, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert [record.getMessage() for record in caplog.records] == [
        "refused; waiting for it (--no-wait ends here instead)",
        "host not reachable; waiting for it (--no-wait ends here instead)",
    ]


def test_a_wait_of_days_is_a_line_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    now_s = itertools.count(0.0, 30.0)
    tries = Tries(*(away() for _ in range(2 * 24 * 120)))
    assert patiently(tries, wait=True, pause=tries.pause, now=lambda: next(now_s)) == 7
    assert len(caplog.records) == 2 * 24


@pytest.mark.parametrize("error", [SourceError("wrong password", retry_s=30.0), InputError("no video in it")])
def test_what_is_wrong_is_not_waited_for(error: StreamsegError) -> None:
    tries = Tries(away(), error)
    with pytest.raises(type(error)):
        patiently(tries, wait=True, pause=tries.pause)
    assert len(tries.pauses) == 1


def test_without_waiting_the_first_error_is_the_last() -> None:
    tries = Tries(away())
    with pytest.raises(SourceError, match="refused"):
        patiently(tries, wait=False, pause=tries.pause)
    assert tries.pauses == []


def test_a_camera_that_comes_later_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = RtspServer(clips.annexb(tmp_path / "a.h264"), hurry=10, port=free_port())
    begin = threading.Timer(1.5, camera.__enter__)
    begin.start()
    source = open_source(f"rtsp://127.0.0.1:{camera.port}/cam", WAITING)
    assert len(take(source, 3)) == 3
    source.close()
    begin.join()
    camera.__exit__(None, None, None)
    assert caplog.text.count("connection refused; waiting for it") == 1


def test_a_web_camera_that_is_busy_is_waited_for_and_a_file_is_not() -> None:
    busy = [3]

    def answer(handler: object) -> None:
        busy[0] -= 1
        if busy[0] > 0:
            handler.send_error(503)  # type: ignore[attr-defined]
        else:
            whole(picture(5), "image/jpeg")(handler)  # type: ignore[arg-type]

    with http_server(answer) as (url, asked):
        source = open_source(f"{url}/snapshot", WAITING)
        assert len(take(source, 1)) == 1
        source.close()
        assert len(asked) == 3
    with pytest.raises(SourceError, match="refused"):
        open_source(f"http://127.0.0.1:{free_port()}/film.mp4", WAITING)


def test_what_does_not_mend_itself_is_told_apart_from_what_does(tmp_path: Path) -> None:
    clip = clips.annexb(tmp_path / "a.h264")
    for url in ("rtsp://no-such-camera.invalid/1", "http://no-such-camera.invalid/1"):
        with pytest.raises(SourceError, match="host not found") as caught:
            open_source(url)
        assert not caught.value.away  # a name that nobody has
    for url in ("rtsp://camera.local/1", "http://camera/1"):
        with pytest.raises(SourceError, match="host not found") as caught:
            open_source(url)
        assert caught.value.away  # one of this network: it comes with its device
    with pytest.raises(SourceError, match="refused") as caught:
        open_source(f"rtsp://127.0.0.1:{free_port()}/1")
    assert caught.value.away
    with pytest.raises(SourceError, match="no camera") as caught:
        open_source("/dev/video77")
    assert caught.value.away
    with RtspServer(clip, Authenticator()) as camera, pytest.raises(SourceError, match="password"):
        open_source(camera.url_with("admin:wrong"), WAITING)

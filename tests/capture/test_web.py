"""What is a camera and what a file, over HTTP: told by what the server says and does."""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.capture import open_source, web
from streamseg.errors import SourceError
from tests.parts import clips
from tests.parts.authenticator import DIALECTS, Authenticator
from tests.parts.http_answers import by_path, guarded, moved, paced, picture, unmeasured, whole
from tests.parts.http_server import Answer, http_server
from tests.parts.sources import QUICK, opened, take


@pytest.fixture(autouse=True)
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_LOOK_S", 0.6)


def numbers(frames: list[Any]) -> list[int]:
    return [clips.read_number(frame.image) for frame in frames]


TYPES = {
    "jpg": "Content-Type: image/jpg\r\n",
    "a type with more": "Content-Type: image/jpeg; charset=utf-8\r\n",
    "another type": "Content-type:application/octet-stream\r\n",
    "no type": "",
    "boundaries alone": "",
}
"""What the parts are called."""
NO_LENGTH = ("no lengths", "boundaries alone", "neither")


def multipart(dialect: str) -> Answer:
    """Motion JPEG as cameras write it."""
    kind = {
        "quoted": 'multipart/x-mixed-replace; boundary="frame"',
        "dashes": "multipart/x-mixed-replace; boundary=--frame",
        "more dashes": "multipart/x-mixed-replace;boundary=--frame",
        "mixed": "multipart/mixed; boundary=frame",
        "large": "Multipart/X-Mixed-Replace; Boundary=frame",
    }.get(dialect, "multipart/x-mixed-replace; boundary=frame")

    def parts() -> Iterator[bytes]:
        for number in itertools.count():
            body = picture(number)
            head = f"--{'--' if dialect == 'more dashes' else ''}frame\r\nContent-Type: image/jpeg\r\n"
            head = re.sub("Content-Type: image/jpeg\r\n", TYPES.get(dialect, r"\g<0>"), head)
            head += "" if dialect in NO_LENGTH else f"Content-Length: {len(body)}\r\n"
            head += "X-Timestamp: 1.5\r\n" if dialect == "more headers" else ""
            head = head.lower() if dialect == "small" else head
            yield head.encode() + b"\r\n" + body + (b"" if dialect in ("no line behind", "neither") else b"\r\n")
            time.sleep(0.04)

    return unmeasured(parts, kind, chunked=dialect == "chunked")


MULTIPARTS = (
    "plain", "quoted", "dashes", "more dashes", "mixed", "large", "small", "no lengths", "more headers",
    "no line behind", "neither", "chunked", *TYPES,
)  # fmt: skip


@pytest.mark.parametrize("dialect", MULTIPARTS)
def test_motion_jpeg_is_a_camera_in_every_dialect(dialect: str) -> None:
    with http_server(multipart(dialect)) as (url, asked), opened(f"{url}/video") as source:
        frames = take(source, 20)
    assert source.info.live
    assert numbers(frames) == list(range(20))
    assert len(asked) == 1
    steps = np.diff([frame.time_s for frame in frames])
    assert abs(steps.mean() - 0.04) < 0.03  # its own rate, which it names nowhere


def bare_jpegs() -> Iterator[bytes]:
    return paced([picture(number) for number in range(200)])


@pytest.mark.parametrize("kind", ["image/jpeg", "video/x-motion-jpeg", "application/octet-stream", ""])
def test_jpegs_behind_each_other_are_a_camera(kind: str) -> None:
    with http_server(unmeasured(bare_jpegs, kind)) as (url, asked), opened(f"{url}/raw") as source:
        frames = take(source, 30)
    assert source.info.live
    assert numbers(frames) == list(range(30))
    assert len(asked) == 1
    assert abs(np.diff([frame.time_s for frame in frames]).mean() - 0.04) < 0.03  # also while we looked


FINITE: dict[str, dict[str, Any]] = {
    "ts": {"format": "mpegts"},
    "h264": {"format": "h264"},
    "webm": {"codec": "libvpx", "format": "webm", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "mkv": {"format": "matroska"},
    "flv": {"format": "flv"},
    "avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "mjpeg": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "format": "mjpeg"},
}


@pytest.fixture(scope="module")
def finite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("finite")
    return {name: clips.clip(folder / f"a.{name}", **asked).read_bytes() for name, asked in FINITE.items()}


def _closed(body: bytes) -> Answer:
    return unmeasured(lambda: iter([body]), "application/octet-stream")


def _chunked(body: bytes) -> Answer:
    pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
    return unmeasured(lambda: iter(pieces), "application/octet-stream", chunked=True)


SERVED: dict[str, Callable[[bytes], Answer]] = {
    "with its length": whole,
    "closed behind it": _closed,
    "chunked": _chunked,
}


@pytest.mark.parametrize("served", SERVED)
@pytest.mark.parametrize("name", FINITE)
def test_a_file_is_read_once_and_whole_with_one_request(name: str, served: str, finite: dict[str, bytes]) -> None:
    with http_server(SERVED[served](finite[name])) as (url, asked), opened(f"{url}/a.{name}") as source:
        assert not source.info.live
        frames = list(source)
    assert numbers(frames) == list(range(50))
    assert len(asked) == 1


def test_a_gif_is_read_once(tmp_path: Path) -> None:
    path = clips.clip(tmp_path / "a.gif", codec="gif", pix_fmt="rgb8", frames=3, fps=5)
    for served in SERVED.values():
        with http_server(served(path.read_bytes())) as (url, asked), opened(f"{url}/a.gif") as source:
            assert not source.info.live
            assert numbers(list(source)) == [0, 1, 2]
        assert len(asked) == 1


def test_a_long_file_without_a_length_is_told_by_its_haste(tmp_path: Path) -> None:
    """Forty seconds of video in less than one, behind which the server still holds the connection."""
    body = clips.clip(tmp_path / "a.ts", frames=1000, size=(64, 48), format="mpegts").read_bytes()
    shown = threading.Event()

    def parts() -> Iterator[bytes]:
        yield body
        shown.wait(20)

    with http_server(unmeasured(parts, "video/mp2t")) as (url, asked), opened(f"{url}/export") as source:
        assert not source.info.live
        shown.set()
        assert len(list(source)) == 1000
    assert len(asked) == 1


def live_ts(path: Path, begun_ms: int = 0) -> list[bytes]:
    """Pictures of a transport stream, each for itself; its clock began so long ago."""
    import av

    times_ms = range(begun_ms, begun_ms + 2000, 40)
    options = {"g": "25", "bf": "0", "tune": "zerolatency"}
    clips.clip(path, format="mpegts", times_ms=times_ms, options=options)
    with av.open(str(path)) as container:
        ends = [packet.pos for packet in container.demux(video=0) if packet.size][1:]
    raw = path.read_bytes()
    return [raw[begin:end] for begin, end in itertools.pairwise([0, *ends, len(raw)])]


@pytest.mark.parametrize("status", ["", "ICY 200 OK", "HTTP/1.0 200 OK"])
def test_a_stream_without_end_is_live_and_opened_again_when_it_breaks(status: str, tmp_path: Path) -> None:
    parts = live_ts(tmp_path / "live.ts")
    answer = unmeasured(lambda: paced(parts, interval_s=0.02, rounds=1), "video/mp2t", status=status)
    with http_server(answer) as (url, asked), opened(f"{url}/live") as source:
        assert source.info.live
        found = numbers(take(source, 70))
    assert found[:50] == list(range(50))
    assert len(asked) == 2


def test_a_stream_that_has_run_for_hours_is_live(tmp_path: Path) -> None:
    parts = live_ts(tmp_path / "live.ts", begun_ms=7_200_000)
    with http_server(unmeasured(lambda: paced(parts), "video/mp2t")) as (url, _), opened(f"{url}/live") as source:
        assert source.info.live
        assert numbers(take(source, 50)) == list(range(50))


def test_a_burst_at_the_start_makes_no_file_of_a_camera(tmp_path: Path) -> None:
    """As servers send it that keep the pictures since the last key frame for newcomers."""
    parts = live_ts(tmp_path / "live.ts")

    def answer() -> Iterator[bytes]:
        yield b"".join(parts)
        yield from paced(parts)

    with http_server(unmeasured(answer, "video/mp2t")) as (url, _), opened(f"{url}/live") as source:
        assert source.info.live


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["{url}/b/a.ts", "/b/a.ts", "b/a.ts", "//{host}/b/a.ts"])
def test_redirects_within_the_server_are_followed(code: int, to: str, finite: dict[str, bytes]) -> None:
    answers: dict[str, Answer] = {"/b/a.ts": whole(finite["ts"])}
    with http_server(by_path(answers)) as (url, asked):
        answers["/a"] = moved(to.format(url=url, host=url.partition("://")[2]), code)
        with opened(f"{url}/a") as source:
            assert len(list(source)) == 50
    assert asked == ["/a", "/b/a.ts"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_login_goes_to_the_server_that_we_are_sent_to(code: int, finite: dict[str, bytes]) -> None:
    headers: list[str] = []

    def listen(handler: Any) -> None:
        headers.append(str(handler.headers))

    with http_server(listen) as (other, asked):
        to = f"{other.replace('127.0.0.1', 'localhost')}/a.ts?token=hunter2"
        keeper = Authenticator(basic=True)
        refused = pytest.raises(SourceError, match="sends us to another server.*not followed")
        with http_server(guarded(keeper, moved(to, code))) as (url, _), refused as caught:
            open_source(url.replace("://", "://admin:my%20pass@") + "/a", QUICK)
    assert asked == []
    assert "localhost" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert not caught.value.away


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_of_logging_in_is_spoken(
    name: str, finite: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Authenticator(**DIALECTS[name])
    monkeypatch.setenv("CAM_USER", keeper.user)
    monkeypatch.setenv("CAM_PASSWORD", keeper.password)
    with http_server(guarded(keeper, whole(finite["ts"]))) as (url, _):
        url = url.replace("://", "://${CAM_USER}:${CAM_PASSWORD}@")
        with opened(f"{url}/a.ts") as source:
            assert len(list(source)) == 50


def test_a_wrong_password_is_tried_once() -> None:
    keeper = Authenticator()
    with http_server(guarded(keeper, whole(b""))) as (url, _):
        with pytest.raises(SourceError, match="wrong or missing password") as caught:
            open_source(url.replace("://", "://admin:hunter2@") + "/a", QUICK)
        assert keeper.wrong == 1
        assert not caught.value.away
        assert "hunter2" not in str(caught.value)


def test_a_server_that_is_busy_may_come_back() -> None:
    for status, away in ((503, True), (500, True), (429, True), (400, False), (404, False)):
        with http_server(lambda handler, status=status: handler.send_error(status)) as (url, _):  # type: ignore[misc]
            with pytest.raises(SourceError) as caught:
                open_source(f"{url}/a", QUICK)
            assert caught.value.away == away, status


def test_a_camera_that_is_a_picture_is_said_to_be_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with http_server(whole(picture(3), "image/jpeg")) as (url, _), opened(f"{url}/snapshot.jpg") as source:
        assert source.info.live
        assert numbers(take(source, 1)) == [3]
    assert "one picture a request, so it is asked for the next every 1 s" in caplog.text

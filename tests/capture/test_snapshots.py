"""Cameras that send one picture a request."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.capture.snapshots import SnapshotSource
from streamseg.errors import InputError, SourceError
from streamseg.options import SourceOptions
from tests.parts import bombs, clips
from tests.parts.http_answers import Handler, picture, say, unmeasured, whole
from tests.parts.http_server import Answer, http_server
from tests.parts.patience import until
from tests.parts.sources import opened, take

QUICK = SourceOptions(stall_timeout_s=1.0, fps=25.0)


def each_time(make: Callable[[int], Answer]) -> Answer:
    """Answer 0, 1, 2 ... to the requests."""
    count = itertools.count()
    return lambda handler: make(next(count))(handler)


def numbers(frames: list[Any]) -> list[int]:
    return [clips.read_number(frame.image) for frame in frames]


def test_it_is_asked_again_and_again_on_one_connection() -> None:
    clients: set[Any] = set()

    def answer(number: int) -> Answer:
        def say_it(handler: Handler) -> None:
            clients.add(handler.client_address)
            whole(picture(number), "image/jpeg")(handler)

        return say_it

    with (
        http_server(each_time(answer), keep_alive=True) as (url, _),
        opened(f"{url}/snapshot.jpg", QUICK) as source,
    ):
        frames = take(source, 10)
    assert source.info.live
    assert (source.info.width, source.info.height, source.info.fps) == (160, 120, 25.0)
    assert numbers(frames) == list(range(10))
    assert [frame.index for frame in frames] == list(range(10))
    assert len(clients) == 1


def test_it_is_asked_once_a_second_unless_told_otherwise() -> None:
    answer = each_time(lambda number: whole(picture(number), "image/jpeg"))
    with http_server(answer) as (url, _), opened(url, SourceOptions()) as source:
        frames = take(source, 3)
    assert source.info.fps == 1.0
    assert 1.9 < frames[2].time_s < 20


class SlowClient:
    """A camera that takes 0.3 s for a picture, and the clock of it all."""

    there = SimpleNamespace(name="http://camera/snapshot.jpg")

    def __init__(self) -> None:
        self.now_s = 100.0
        self.asked_s: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def get(self, **_: object) -> SimpleNamespace:
        self.asked_s.append(self.now_s)
        self.now_s += 0.3
        body = iter((picture(len(self.asked_s)), b""))
        return SimpleNamespace(status=200, read=lambda most: next(body), close=lambda: None, header=lambda name: "")

    def close(self) -> None:
        """Nothing is open."""


def test_what_a_camera_takes_for_a_picture_is_part_of_the_time_between_two(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = SlowClient()
    monkeypatch.setattr("streamseg.capture.snapshots.time", client)
    body: Any = SimpleNamespace(peek=lambda most: picture(0), failure=None, mark="")
    source: Any = SnapshotSource(client, body, SourceOptions(fps=2.0))
    take(source, 5)
    assert np.diff(client.asked_s) == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.parametrize("tag", ["", '"1"'])
def test_the_same_picture_is_no_new_frame_and_no_silence(tag: str) -> None:
    told: list[str | None] = []

    def answer(number: int) -> Answer:
        def say_it(handler: Handler) -> None:
            told.append(handler.headers.get("If-None-Match"))
            if tag and told[-1] == tag:
                say(handler, 304, {"ETag": tag})
            else:
                whole(picture(5), "image/jpeg", **({"ETag": tag} if tag else {}))(handler)

        return say_it

    with (
        http_server(each_time(answer), keep_alive=True) as (url, _),
        opened(url, SourceOptions(stall_timeout_s=1.0, fps=50.0)) as source,
    ):
        threading.Timer(2.5, source.close).start()
        assert numbers(list(source)) == [5]
        assert not source.counters.get("stalls")
        assert not source.counters.get("reconnects")
    assert len(told) > 5
    assert set(told[1:]) == {tag or None}
    until(lambda: "streamseg-read" not in {thread.name for thread in threading.enumerate()}, "the last request")


KINDS = {".png": "image/png", ".webp": "image/webp", ".bmp": "image/bmp", ".tiff": "image/tiff"}


@pytest.mark.parametrize("suffix", KINDS)
def test_other_kinds_of_pictures_are_cameras_too(suffix: str) -> None:
    body = cv2.imencode(suffix, clips.numbered(7))[1].tobytes()
    with http_server(whole(body, KINDS[suffix])) as (url, _), opened(url, QUICK) as source:
        assert numbers(take(source, 1)) == [7]


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", ""])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_server_need_not_say_how_long_a_picture_is(kind: str, chunked: bool) -> None:
    answer = each_time(lambda number: unmeasured(lambda: iter([picture(number)]), kind, chunked=chunked))
    with http_server(answer) as (url, _), opened(url, QUICK) as source:
        assert numbers(take(source, 3)) == [0, 1, 2]


SPOILT: dict[str, bytes] = {
    "cut off": picture(9)[:500],
    "no picture": b"out of order",
    "nothing": b"",
    "enormous": bombs.jpeg(bombs.SIDE),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_picture_costs_itself_alone(name: str) -> None:
    answer = each_time(lambda number: whole(SPOILT[name] if number == 2 else picture(number), "image/jpeg"))
    with http_server(answer) as (url, _), opened(url, QUICK) as source:
        assert numbers(take(source, 4)) == [0, 1, 3, 4]
        assert source.counters.get("decode_errors", 0) == (name != "nothing")
        assert not source.counters.get("reconnects")


@pytest.mark.parametrize(("name", "error"), [("cut off", SourceError), ("enormous", InputError)])
def test_a_first_picture_that_cannot_be_used_is_one_line(name: str, error: type[Exception]) -> None:
    with http_server(whole(SPOILT[name], "image/jpeg")) as (url, _), pytest.raises(error):
        open_source(url, QUICK)


def test_a_camera_that_goes_away_is_looked_for() -> None:
    def answer(number: int) -> Answer:
        if number == 3:
            return lambda handler: handler.send_error(503)
        return whole(picture(number), "image/jpeg")

    with http_server(each_time(answer)) as (url, _), opened(url, QUICK) as source:
        frames = take(source, 6)
        assert source.counters["reconnects"] == 1
    assert numbers(frames) == [0, 1, 2, 4, 5, 6]
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)

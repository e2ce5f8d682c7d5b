"""A body that breaks off is picked up where it broke, if the server can; otherwise it says how much came."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamseg.capture import httpfile as module
from streamseg.capture import open_source
from streamseg.capture.httpclient import HttpClient
from streamseg.capture.httpfile import HttpFile
from streamseg.errors import SourceError
from streamseg.net.urls import read_address
from tests.parts import clips
from tests.parts.http_answers import Handler, Ranges, say, unmeasured, whole
from tests.parts.http_server import http_server
from tests.parts.sources import QUICK, opened

DATA = np.random.default_rng(0).bytes(1 << 20)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESUME_WAITS_S", (0.0, 0.0, 0.0))


def body_at(url: str) -> HttpFile:
    return HttpFile(HttpClient(read_address(url), 5.0, 2.0))


def rest(body: HttpFile) -> bytes:
    return b"".join(iter(lambda: body.read(30_000), b""))


def test_a_server_that_can_jump_is_jumped_in_without_reading_what_lies_between() -> None:
    with http_server(file := Ranges(DATA)) as (url, _):
        body = body_at(url)
        assert body.seekable()
        assert body.total == len(DATA)
        assert body.read(10) == DATA[:10]
        assert body.seek(600_000) == 600_000
        assert body.read(10) == DATA[600_000:600_010]
        assert body.seek(-10, io.SEEK_END) == len(DATA) - 10
        assert rest(body) == DATA[-10:]
        assert body.seek(0) == 0
        assert rest(body) == DATA
        body.close()
    assert file.asked == ["bytes=0-", "bytes=600000-", f"bytes={len(DATA) - 10}-", "bytes=0-"]


def test_a_short_way_ahead_is_read_over() -> None:
    with http_server(file := Ranges(DATA)) as (url, _):
        body = body_at(url)
        assert body.peek(4)[:4] == DATA[:4]
        body.seek(100_000)
        assert body.tell() == 100_000
        assert body.read(10) == DATA[100_000:100_010]
        body.close()
    assert len(file.asked) == 1


def test_behind_the_end_is_nothing() -> None:
    with http_server(Ranges(DATA)) as (url, _):
        body = body_at(url)
        body.seek(len(DATA))
        assert rest(body) == b""
        assert body.failure is None
        body.close()


def test_a_connection_that_breaks_is_gone_on_with() -> None:
    with http_server(file := Ranges(DATA, cut=lambda request: 200_000 if request < 5 else None)) as (url, _):
        body = body_at(url)
        assert rest(body) == DATA
        assert body.failure is None
        body.close()
    assert file.asked == ["bytes=0-", *(f"bytes={count * 200_000}-" for count in range(1, 5))]


def test_a_server_that_gives_a_part_at_a_time_is_asked_for_the_next() -> None:
    with http_server(file := Ranges(DATA, most=300_000)) as (url, _):
        body = body_at(url)
        assert body.total == len(DATA)
        assert rest(body) == DATA
        assert body.failure is None
        body.close()
    assert file.asked == ["bytes=0-", *(f"bytes={count * 300_000}-" for count in range(1, 4))]


def test_a_film_that_comes_a_part_at_a_time_is_whole(tmp_path: Path) -> None:
    film = clips.clip(tmp_path / "a.mp4").read_bytes()
    with http_server(Ranges(film, most=len(film) // 3)) as (url, _), opened(f"{url}/a.mp4") as source:
        assert [clips.read_number(frame.image) for frame in source] == list(range(50))


def test_a_file_that_has_become_another_is_not_put_behind_the_first() -> None:
    file = Ranges(DATA, cut=lambda request: 200_000)
    with http_server(file) as (url, _):
        body = body_at(url)
        assert body.read(10) == DATA[:10]
        file.tag = '"2"'
        assert rest(body) == DATA[10:200_000]
        assert "broke off: 0.2 of 1.0 MB came, and the server cannot resume there" in str(body.failure)
        body.close()


def test_what_comes_from_another_place_is_not_put_behind_the_first() -> None:
    def from_the_beginning(handler: Handler) -> None:
        headers = {"Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}", "Content-Length": str(len(DATA))}
        say(handler, 206, headers, DATA[:200_000])

    with http_server(from_the_beginning) as (url, asked):
        body = body_at(url)
        assert rest(body) == DATA[:200_000]
        assert "broke off: 0.2 of 1.0 MB came, and the server cannot resume there" in str(body.failure)
        body.close()
    assert len(asked) == 2


def test_a_server_that_does_not_come_back_is_given_up() -> None:
    with http_server(Ranges(DATA, cut=lambda request: 1000 if request == 1 else 0)) as (url, asked):
        body = body_at(url)
        assert rest(body) == DATA[:1000]
        assert "broke off: 0.0 of 1.0 MB came" in str(body.failure)
        body.close()
    assert len(asked) == 4


def test_without_ranges_nothing_is_asked_twice() -> None:
    def cut_off(handler: Handler) -> None:
        say(handler, 200, {"Content-Length": str(len(DATA))}, DATA[:1000])

    with http_server(cut_off) as (url, asked):
        body = body_at(url)
        assert not body.seekable()
        assert rest(body) == DATA[:1000]
        assert "broke off: 0.0 of 1.0 MB came" in str(body.failure)
        body.close()
    assert len(asked) == 1


def test_a_film_over_a_bad_line_is_whole(tmp_path: Path) -> None:
    film = clips.clip(tmp_path / "a.ts", format="mpegts").read_bytes()
    file = Ranges(film, cut=lambda request: len(film) // 4 if request <= 3 else None)
    with http_server(file) as (url, _), opened(f"{url}/a.ts") as source:
        assert len(list(source)) == 50
    assert file.asked[:4] == ["bytes=0-", *(f"bytes={count * (len(film) // 4)}-" for count in (1, 2, 3))]


def test_a_film_that_breaks_off_is_shown_as_far_as_it_came(tmp_path: Path) -> None:
    film = clips.clip(tmp_path / "a.ts", format="mpegts").read_bytes()
    numbers = []

    def cut_off(handler: Handler) -> None:
        say(handler, 200, {"Content-Length": str(len(film))}, film[: len(film) // 2])

    told = pytest.raises(SourceError, match="broke off")
    with http_server(cut_off) as (url, _), opened(f"{url}/a.ts") as source, told:
        for frame in source:
            numbers.append(clips.read_number(frame.image))
    assert numbers[:10] == list(range(10))
    assert len(numbers) < 50


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_S", 0.2)

    def drip() -> Iterator[bytes]:
        for _ in range(500):
            yield b"x"
            time.sleep(0.02)

    told = pytest.raises(SourceError, match=r"sends no more than \d+ bytes in 0.2 s")
    with http_server(unmeasured(drip, "video/mp2t")) as (url, asked), told:
        open_source(f"{url}/live", QUICK)
    assert len(asked) == 1


@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_with_its_index_at_the_end_is_read_from_any_server(lengths: bool, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(1 << 20)  # in the middle, so that the index is far away
    film = clips.clip(tmp_path / "a.mp4").read_bytes()
    box = (8 + len(noise)).to_bytes(4, "big") + b"free" + noise
    end = film.index(b"moov") - 4
    assert film.index(b"mdat") < end
    film = film[:end] + box + film[end:]
    plain = whole(film) if lengths else unmeasured(lambda: iter([film]), "video/mp4")
    for answer in (plain, Ranges(film)):
        with http_server(answer) as (url, asked), opened(f"{url}/a.mp4") as source:
            assert not source.info.live
            assert len(list(source)) == 50
        assert answer is not plain or len(asked) == 1

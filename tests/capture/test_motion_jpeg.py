"""Motion JPEG over HTTP as bad cameras send it: slow, garbled, cut off, without lengths, too large, elsewhere."""

from __future__ import annotations

import http.server
import itertools
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from streamseg.capture import open_source
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame
from streamseg.options import SourceOptions
from tests.parts import bombs, clips
from tests.parts.http_server import Answer, http_server

QUICK = SourceOptions(stall_timeout_s=2.0)
Part = Callable[[int], bytes]


def picture(number: int) -> bytes:
    return cv2.imencode(".jpg", clips.numbered(number % 256))[1].tobytes()


def part(body: bytes, *, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n".encode() + body + b"\r\n"


def stream(parts: Callable[[int], bytes], *, pause_s: float = 0.02, count: int | None = None) -> Answer:
    """Sends part 0, 1, 2 ... for ever, or `count` of them."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for number in itertools.count() if count is None else range(count):
            handler.wfile.write(parts(number))
            time.sleep(pause_s)

    return answer


def take(url: str, count: int, options: SourceOptions = QUICK) -> tuple[list[Frame], dict[str, int]]:
    source = open_source(url, options)
    try:
        return list(itertools.islice(source, count)), dict(source.counters)
    finally:
        source.close()


def _garbled(number: int) -> bytes:
    dice = random.Random(number)
    body = bytearray(picture(number))
    if number % 4 == 2:
        for _ in range(40):
            body[dice.randrange(20, len(body))] = dice.randrange(256)
    return part(bytes(body))


GARBLED: dict[str, Part] = {
    "bytes changed": _garbled,
    "cut off": lambda n: part(picture(n)[: 900 if n % 4 == 2 else None]),
    "no picture": lambda n: part(b"out of order" if n % 4 == 2 else picture(n)),
    "nothing": lambda n: part(b"" if n % 4 == 2 else picture(n)),
    "enormous": lambda n: part(bombs.jpeg(bombs.SIDE) if n % 4 == 2 else picture(n)),
    "noise between parts": lambda n: (b"\xff\xd9 noise \r\n" if n % 4 == 2 else b"") + part(picture(n)),
}


@pytest.mark.parametrize("kind", GARBLED)
def test_garbled_parts_cost_themselves_alone(kind: str) -> None:
    with http_server(stream(GARBLED[kind])) as (url, asked):
        frames, counters = take(url, 40)
    whole = {clips.read_number(frame.image) for frame in frames}
    assert len(whole & {n for n in range(80) if n % 4 != 2}) >= 28
    assert "stalls" not in counters
    assert [frame.index for frame in frames] == list(range(40))
    if kind != "noise between parts":
        assert len(asked) == 1  # on one connection


def test_a_wrong_length_ends_in_frames_all_the_same() -> None:
    with http_server(stream(lambda n: part(picture(n), length=len(picture(n)) - (300 if n % 8 == 5 else 0)))) as (
        url,
        _,
    ):
        frames, _counters = take(url, 30)
    assert len(frames) == 30


def test_a_stream_that_ends_is_opened_again() -> None:
    with http_server(stream(lambda n: part(picture(n)), count=8)) as (url, asked):
        frames, counters = take(url, 20)
    assert [clips.read_number(frame.image) for frame in frames[:16]] == [*range(8), *range(8)]
    assert counters["reconnects"] >= 2
    assert len(asked) >= 3


@pytest.mark.slow
def test_a_camera_that_sends_a_picture_byte_by_byte_is_stalled_and_tried_again() -> None:
    tried: list[float] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        tried.append(time.monotonic())
        stream(lambda n: part(picture(n)), count=10)(handler)
        for byte in part(picture(10)):
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05 if len(tried) == 1 else 0)
        stream(lambda n: part(picture(n)))(handler)

    with http_server(answer) as (url, _):
        frames, counters = take(url, 25)
    assert len(frames) == 25
    assert counters["reconnects"] >= 1


def _silent() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/video"


@pytest.mark.slow
def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    for url in _silent():
        started_s = time.monotonic()
        with pytest.raises(SourceError, match="does not answer"):
            open_source(url, QUICK)
        assert time.monotonic() - started_s < 25  # 5.5 s is the promise


@pytest.mark.parametrize(
    "inside", ["file:///etc/hostname", "/etc/hostname", "concat:a|b", "subfile,,start,0,end,9,,:/x"]
)
def test_a_playlist_from_afar_reaches_no_file_here(inside: str, tmp_path: Path) -> None:
    (tmp_path / "live.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{inside}\n#EXT-X-ENDLIST\n")
    with http_server(folder=tmp_path) as (url, _), pytest.raises(StreamsegError):
        list(open_source(f"{url}/live.m3u8", QUICK))

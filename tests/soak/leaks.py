"""Nothing grows: not with frames, not with connections, not with runs."""

from __future__ import annotations

import ctypes
import gc
import http.server
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2

from streamseg.assembly import assemble
from streamseg.capture import open_source
from streamseg.capture.hls import PlayedSegments
from streamseg.capture.reconnect import ReconnectingSource
from streamseg.capture.web import open_web
from streamseg.config import make_options
from streamseg.contracts import Controls, Source
from streamseg.frame import Frame
from streamseg.net.urls import read_address
from streamseg.options import RenderOptions, SourceOptions
from streamseg.pipeline.pipeline import Pipeline
from streamseg.render import make_renderer
from tests.parts import clips
from tests.parts.fakes import Marker
from tests.parts.http_server import http_server
from tests.soak import Row, in_child

_PAGE_MB = 4096 / 1e6
_WARM_UP = 200  # connections, each in a new thread, until malloc has made all the arenas that it keeps for threads
_KINDS = ("RSS MB", "descriptors", "threads")


def memory(frames: int = 10_000) -> Row:
    """RSS over a file that is read again and again: decoded, segmented, drawn."""
    found = in_child("leaks.memory_of", frames)
    grown = found["last"] - found["first"]
    most = 5 if frames >= 10_000 else 10  # few frames warm little up; one of a kilobyte in each of 10,000 shows
    return Row(f"{frames} frames: {grown:+.1f} MB ({found['first']:.1f} to {found['last']:.1f})", grown < most)


def reconnects(count: int = 200) -> Row:
    """What a source holds after its server broke off or refused `count` times, once it has done so often before."""
    return _kept(f"{count} reconnects", in_child("leaks.held_after_reconnects", count), 5)


def starts(count: int = 50) -> Row:
    """What a process holds after `count` pipelines were run and stopped in it."""
    return _kept(f"{count} pipelines", in_child("leaks.held_after_starts", count), 10)


def memory_of(frames: int) -> dict[str, float]:
    """Median RSS of the first and of the last fifth, MB, once two thousand frames (or a fifth) have warmed up."""
    with tempfile.TemporaryDirectory() as folder:
        path = clips.clip(Path(folder) / "a.mp4", frames=250, size=(640, 360))
        warm, readings = min(2000, frames // 5), []
        source = _Again(str(path), warm + frames)
        render = make_renderer(RenderOptions(hud=True, legend=True), Controls())
        for shown in Pipeline(source, Marker, render=render):
            if shown.frame.index >= warm and shown.frame.index % 100 == 0:
                gc.collect()
                readings.append(_rss_mb())
    fifth = max(1, len(readings) // 5)
    return {"first": statistics.median(readings[:fifth]), "last": statistics.median(readings[-fifth:])}


def held_after_reconnects(count: int) -> dict[str, float]:
    """Every third connection is refused; of the others half end, half are cut off in a picture."""
    state = {"n": 0}

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for number in range(4):
            body = cv2.imencode(".jpg", clips.numbered(number))[1].tobytes()
            cut = len(body) // 2 if number == 3 and state["n"] % 2 else None
            handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + body[:cut] + b"\r\n")

    with http_server(answer) as (url, _):

        def connect() -> Source:
            state["n"] += 1
            there = url if state["n"] % 3 != 2 else "http://127.0.0.1:9/refused"
            return open_web(read_address(there), SourceOptions(), PlayedSegments(), live=True)

        source = ReconnectingSource(connect, SourceOptions(), pause=lambda closed, _: closed.wait(0.01))
        before: dict[str, float] | None = None
        for _ in source:
            if before is None and state["n"] >= _WARM_UP:
                before = _held()
            if state["n"] >= _WARM_UP + count:
                break
        source.close()
        return _grown(before or {})


def held_after_starts(count: int) -> dict[str, float]:
    """Runs with a recording and a table, half of them stopped in the middle."""
    with tempfile.TemporaryDirectory() as folder:
        before: dict[str, float] = {}
        for number in range(count + 5):
            if number == 5:
                before = _held()
            outputs = (f"{folder}/{number}.mp4", f"{folder}/{number}.jsonl")
            source = "test://?size=160x120" + ("" if number % 2 else "&frames=20")
            pipeline = assemble(make_options({"source": source, "outputs": outputs, "model": "otsu"}))
            for shown in pipeline:
                if shown.frame.index >= 8:
                    pipeline.stop()
        return _grown(before)


class _Again:
    """A file, over and over, as one finite source."""

    counters: Mapping[str, int] = {}

    def __init__(self, path: str, frames: int) -> None:
        self._path, self._frames = path, frames
        self.info = open_source(path).info

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while index < self._frames:
            for frame in open_source(self._path):
                yield Frame(frame.image, index, index / 25, frame.arrived_s, "again")
                index += 1

    def close(self) -> None:
        self._frames = 0


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MB


def _held() -> dict[str, float]:
    """Now, without what malloc keeps in reserve for threads that came and went."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    return dict(
        zip(_KINDS, (_rss_mb(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()), strict=True)
    )


def _grown(before: dict[str, float]) -> dict[str, float]:
    """How much more is held than before, once threads on their way out are out."""
    deadline_s = time.monotonic() + 20
    while True:
        now = _held()
        grown = {kind: now[kind] - before[kind] for kind in _KINDS}
        if (grown["descriptors"] <= 0 and grown["threads"] <= 0) or time.monotonic() > deadline_s:
            return grown
        time.sleep(0.1)


def _kept(what: str, grown: dict[str, float], most_mb: float) -> Row:
    figures = ", ".join(f"{grown[kind]:+.1f} {kind}" for kind in _KINDS)
    kept = grown["RSS MB"] < most_mb and grown["descriptors"] <= 0 and grown["threads"] <= 0
    return Row(f"{what}: {figures}", kept)

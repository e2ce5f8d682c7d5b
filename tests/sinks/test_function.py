"""Outputs that are functions or objects of a program's own."""

from __future__ import annotations

import functools
import io
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import streamseg
from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError
from streamseg.sinks import open_sink
from streamseg.sinks.function import own_sink
from tests.parts.fakes import FILE, LIVE, ListSink

SCENE = "test://?frames=8&size=64x48"


def test_a_function_is_called_with_every_frame_in_the_thread_of_the_loop() -> None:
    seen: list[tuple[int, str]] = []

    def output(shown: Shown) -> None:
        seen.append((shown.frame.index, threading.current_thread().name))

    streamseg.open(SCENE, output, model="otsu").run()
    assert seen == [(index, threading.current_thread().name) for index in range(8)]


def test_what_a_function_raises_comes_out_of_the_loop() -> None:
    def output(shown: Shown) -> None:
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError, match="no disk"):
        streamseg.open(SCENE, output, model="otsu").run()


@pytest.mark.parametrize("blocking", [True, False])
def test_an_object_gets_every_frame_and_is_closed_at_the_end(blocking: bool) -> None:
    sink = ListSink(blocking=blocking)
    streamseg.open(SCENE, "null", sink, model="otsu").run()
    assert [shown.frame.index for shown in sink.shown] == list(range(8))
    assert sink.closed == 1


def test_an_object_is_closed_where_nobody_iterates() -> None:
    for blocking in (True, False):
        sink = ListSink(blocking=blocking)
        with streamseg.open(SCENE, sink, model="otsu"):
            pass
        assert sink.closed == 1


def test_an_object_of_a_live_stream_that_fails_is_tried_again() -> None:
    def work(shown: Shown) -> None:
        if shown.frame.index < 2:
            raise streamseg.OutputError("broker: away", retry_s=0.0)

    sink = ListSink(work=work)
    with streamseg.open("test://?size=64x48&fps=200", sink, model="otsu") as stream:
        for _ in stream:
            if sink.shown:
                break
    assert sink.shown[0].frame.index >= 2


class Least:
    """As small as an output may be."""

    def __init__(self) -> None:
        self.indices: list[int] = []

    def write(self, shown: Shown) -> None:
        self.indices.append(shown.frame.index)

    def close(self) -> None:
        self.indices.append(-1)


def test_an_object_with_write_and_close_is_enough() -> None:
    sink = Least()
    metrics = streamseg.open(SCENE, sink, model="otsu").run()
    assert sink.indices == [*range(8), -1]
    assert metrics.unwritten == 0


def test_what_an_object_leaves_out_has_the_default_of_the_contract_and_what_it_has_counts() -> None:
    plain = own_sink(Least())
    assert (plain.blocking, plain.needs_image, plain.unwritten) == (False, True, 0)
    given = ListSink(blocking=True)
    given.needs_image, given.unwritten = False, 3
    sink = own_sink(given)
    assert (sink.blocking, sink.needs_image, sink.unwritten) == (True, False, 3)
    given.unwritten += 1
    assert sink.unwritten == 4


def test_every_output_of_streamseg_has_the_whole_contract(tmp_path: Path) -> None:
    uris = [
        "a.mp4",
        "a-%H.mkv",
        "a.png",
        "masks:m",
        "a.jsonl",
        "hls:h",
        "events:e?class=thing",
        "null",
        "rtsp://host/a",
    ]
    for uri in uris:
        for info in (FILE, LIVE):
            head, _, tail = uri.rpartition(":") if "://" not in uri else ("", "", uri)
            place = uri if "://" in uri or uri == "null" else f"{head}{head and ':'}{tmp_path}/{info.live}/{tail}"
            sink = open_sink(place, info, Controls())
            assert isinstance(sink.blocking, bool)
            assert isinstance(sink.needs_image, bool)
            assert sink.unwritten == 0
            sink.close()


class Half:
    def write(self, shown: Shown) -> None: ...


@pytest.mark.parametrize("make", [io.BytesIO, io.StringIO, tempfile.NamedTemporaryFile])
def test_an_open_file_is_no_output_but_its_name_is(make: Callable[[], Any]) -> None:
    with (
        make() as file,
        pytest.raises(InputError, match="an open file takes bytes, and an output gets frames") as caught,
    ):
        own_sink(file)
    assert "a name" in caught.value.hint


@pytest.mark.parametrize("wrong", [7, ListSink, Half()], ids=["number", "class", "half"])
def test_what_is_no_output_is_refused_with_what_it_lacks(wrong: object) -> None:
    with pytest.raises(InputError, match="is no output") as caught:
        own_sink(wrong)
    assert "`write(shown)`" in caught.value.hint
    if isinstance(wrong, Half):
        assert "lacks close" in caught.value.message


async def later(shown: Shown) -> None: ...


def one_by_one(shown: Shown) -> Iterator[Shown]:
    yield shown


class Later:
    async def write(self, shown: Shown) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("wrong", [later, one_by_one, functools.partial(later), Later()])
def test_what_only_begins_when_somebody_waits_for_it_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="nothing would run it") as caught:
        own_sink(wrong)
    assert "async for" in caught.value.hint

"""H.264 for those who watch live: one encoder however many, and who falls behind goes on from a key frame."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import pytest

from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.serve import live
from streamseg.serve.latest_result import Latest
from streamseg.serve.live import LiveVideo
from streamseg.serve.pictures import Pictures
from streamseg.serve.stream import Stream
from tests.parts.fakes import segmentation


class OneStream:
    """What a stream is to those who watch it."""

    name, gone = "one", False

    def __init__(self) -> None:
        self.latest = Latest()

    def show(self, number: int, size: tuple[int, int] = (48, 64), aspect: Fraction = Fraction(1)) -> None:
        image = np.full((*size, 3), 40 + number % 200, np.uint8)
        one = Frame(image, number, number / 25, 100 + number / 25, "one", pixel_aspect=aspect)
        self.latest.write(Shown(one, segmentation(one), image, 0, {}))

    def pictures(self) -> Pictures:
        return Pictures(cast("Stream", self))


async def received(video: LiveVideo, show: Callable[[int], None], packets: int) -> list[Any]:
    """The first packets that a viewer gets, with a new picture for each."""
    got: list[Any] = []
    async with contextlib.aclosing(video.watch()) as coming:
        for number in range(packets):
            show(number)
            got.append(await asyncio.wait_for(anext(coming), 30))
    return got


def decoded(packets: list[Any]) -> list[tuple[int, int]]:
    """(width, height) of each picture in a viewer's packets."""
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    frames += decoder.decode(None)
    return [(frame.width, frame.height) for frame in frames]


def test_a_viewer_gets_pictures_from_a_key_frame_on_each_at_its_own_time() -> None:
    async def run() -> None:
        stream = OneStream()
        packets = await received(LiveVideo(stream.pictures()), stream.show, 5)
        assert packets[0].is_keyframe
        assert [packet.pts * packet.time_base for packet in packets] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
        assert decoded(packets) == [(64, 48)] * 5

    asyncio.run(run())


def test_pictures_are_encoded_once_for_two_and_not_at_all_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    plain = live._Encoding.packets

    def counted(self: live._Encoding, shown: Any, key: bool) -> Any:
        calls.append(key)
        return plain(self, shown, key)

    monkeypatch.setattr(live._Encoding, "packets", counted)

    async def run() -> None:
        stream = OneStream()
        video = LiveVideo(stream.pictures())
        stream.show(0)
        await asyncio.sleep(0.05)
        assert calls == []
        async with contextlib.aclosing(video.watch()) as first, contextlib.aclosing(video.watch()) as second:
            one, other = asyncio.create_task(anext(first)), asyncio.create_task(anext(second))
            assert bytes(await one) == bytes(await other)
            assert calls == [True]
            waiting = asyncio.create_task(anext(first))
            stream.show(1)
            assert not (await waiting).is_keyframe
            async with contextlib.aclosing(video.watch()) as late:
                waiting = asyncio.create_task(anext(late))
                await asyncio.sleep(0)
                stream.show(2)
                assert (await waiting).is_keyframe, "one who comes later need not wait for the next second"
        assert calls == [True, False, True]
        stream.show(3)
        await asyncio.sleep(0.05)
        assert len(calls) == 3, "nobody watches any more"

    asyncio.run(run())


def test_who_falls_behind_goes_on_from_a_key_frame_and_loses_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_MOST_BEHIND", 3)

    async def run() -> None:
        viewer = live._Viewer()

        class Packet:
            def __init__(self, number: int, key: bool) -> None:
                self.number, self.is_keyframe = number, key

        for number in range(8):
            viewer.put(cast("Any", Packet(number, key=number == 0)))
        got = [cast("Any", await viewer.next()).number for _ in range(3)]
        viewer.put(cast("Any", Packet(8, key=False)))
        viewer.put(cast("Any", Packet(9, key=True)))
        viewer.put(cast("Any", Packet(10, key=False)))
        got += [cast("Any", await viewer.next()).number for _ in range(2)]
        assert got == [0, 1, 2, 9, 10]

    asyncio.run(run())


def test_another_size_goes_on_with_a_key_frame() -> None:
    async def run() -> None:
        stream = OneStream()
        sizes = [(48, 64), (48, 64), (96, 32)]
        packets = await received(LiveVideo(stream.pictures()), lambda n: stream.show(n, sizes[n]), 3)
        assert [packet.is_keyframe for packet in packets] == [True, False, True]
        assert packets[2].pts > packets[1].pts
        assert decoded(packets) == [(64, 48), (64, 48), (32, 96)]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("size", "aspect", "seen"),
    [
        ((48, 64), Fraction(2), (128, 48)),
        ((1200, 3840), Fraction(1), (1920, 600)),
        ((31, 51), Fraction(1), (52, 32)),
    ],
)
def test_pixels_become_square_and_sides_such_that_browsers_show_them(
    size: tuple[int, int], aspect: Fraction, seen: tuple[int, int]
) -> None:
    async def run() -> None:
        stream = OneStream()
        packets = await received(LiveVideo(stream.pictures()), lambda n: stream.show(n, size, aspect), 1)
        assert decoded(packets) == [seen]

    asyncio.run(run())


def test_viewers_end_where_pictures_cannot_be_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: live._Encoding, shown: Any, key: bool) -> Any:
        raise av.error.ExternalError(542398533, "Generic error in an external library")

    async def run() -> None:
        stream = OneStream()
        video = LiveVideo(stream.pictures())
        stream.show(0)
        for _ in range(2):
            async with contextlib.aclosing(video.watch()) as coming:
                with pytest.raises(StopAsyncIteration):
                    await asyncio.wait_for(anext(coming), 5)

    monkeypatch.setattr(live._Encoding, "packets", fails)
    asyncio.run(run())


def test_viewers_end_where_the_stream_does() -> None:
    async def run() -> None:
        stream = OneStream()
        video = LiveVideo(stream.pictures())
        stream.show(0)
        got = []
        async with contextlib.aclosing(video.watch()) as coming:
            async for packet in coming:
                got.append(packet)
                stream.gone = True
        assert len(got) == 1

    asyncio.run(run())

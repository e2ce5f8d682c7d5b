"""A stream in an asynchronous loop: every frame, others beside it, and no thread left behind."""

from __future__ import annotations

import asyncio

import pytest

import streamseg
from tests.parts.fakes import CountingSource
from tests.parts.leftovers import ours
from tests.parts.patience import until

SCENE = "test://?frames=12&size=64x48"
LIVE = "test://?size=64x48"


def test_an_asynchronous_loop_gets_every_frame_while_others_run_beside_it() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> list[int]:
        beside = asyncio.create_task(tick())
        found = [shown.frame.index async for shown in streamseg.open(SCENE, model="otsu")]
        beside.cancel()
        return found

    assert asyncio.run(main()) == list(range(12))
    assert ticks > 12
    until(lambda: not ours())


def test_two_asynchronous_streams_run_at_once() -> None:
    async def count(source: str) -> int:
        return len([shown async for shown in streamseg.open(source, model="otsu")])

    async def main() -> list[int]:
        return list(await asyncio.gather(count(SCENE), count("test://?frames=7&size=64x48")))

    assert asyncio.run(main()) == [12, 7]


def test_an_asynchronous_loop_that_is_left_or_cancelled_ends_every_thread() -> None:
    async def left() -> None:
        async for _ in streamseg.open(LIVE, model="otsu"):
            return

    async def cancelled() -> None:
        async for _ in streamseg.open(LIVE, model="otsu"):
            pass

    async def main() -> None:
        await left()
        task = asyncio.create_task(cancelled())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    until(lambda: not ours())


def test_an_error_comes_out_of_an_asynchronous_loop() -> None:
    async def main() -> None:
        async for _ in streamseg.open(CountingSource(3, live=True, error=OSError("cut")), model="otsu"):
            pass

    with pytest.raises(OSError, match="cut"):
        asyncio.run(main())

"""What is kept of the last minute: little, only while it is asked for, and enough to count what would have been."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamseg.contracts import Shown
from streamseg.rules.shapes import Line, Polygon
from streamseg.segmentation import Segmentation
from streamseg.serve import lastminute
from streamseg.serve.lastminute import LastMinute, small
from streamseg.serve.latest_result import Latest
from tests.parts.fakes import CLASSES, frame

LEFT = Polygon([(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
MIDDLE = Line([(0.5, 0), (0.5, 1)])


def shown(index: int, x: int) -> Shown:
    """A thing whose left edge is at column `x` of 320, `index` tenths of a second into the stream."""
    one = replace(frame(index, 240, 320), time_s=index / 10, arrived_s=100 + index / 10)
    labels = np.zeros((240, 320), np.uint8)
    labels[100:140, x : x + 40] = 1
    return Shown(one, Segmentation(labels, CLASSES, index, one.time_s), one.pixels, 0, {})


def passing(latest: Latest, frames: int = 28) -> None:
    for index in range(frames):
        latest.write(shown(index, 10 * index))


def test_what_passed_is_counted_without_its_pictures() -> None:
    async def tried() -> None:
        latest = Latest()
        minute = LastMinute(latest)
        passing(latest)
        assert minute.counted({}, {}).frames == 0  # nobody had asked
        minute.ask()
        minute.ask()
        passing(latest)
        trial = minute.counted({"left": LEFT}, {"middle": MIDDLE})
        assert trial.frames == 28
        assert trial.seconds == pytest.approx(2.7)
        rows = {row.place: row for row in trial.rows}
        assert (rows["left"].class_name, rows["left"].most) == ("thing", 1)
        assert 1 < (rows["left"].mean_area_percent or 0) < 100 * 40 * 40 / (160 * 240)
        assert rows["middle"].crossings == {"westwards": 0, "eastwards": 1}
        for index in range(28, 1000):
            latest.write(shown(index, 0))
        assert minute.counted({}, {}).seconds <= lastminute.KEPT_S

    asyncio.run(tried())


def test_a_frame_that_comes_while_it_is_forgotten_does_not_end_its_stream() -> None:
    async def tried() -> None:
        latest = Latest()
        minute = LastMinute(latest)

        class Looked(deque[Any]):
            def __getitem__(self, at: Any) -> Any:
                minute._asked_s = -lastminute._ASKED_S - 1e9
                minute._look_again()  # by another thread, behind the look whether anything is there
                return super().__getitem__(at)

        minute.ask()
        passing(latest, 3)
        minute._kept = Looked(minute._kept)
        latest.write(shown(3, 0))
        assert minute.counted({}, {}).frames == 0

    asyncio.run(tried())


def test_it_is_forgotten_once_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lastminute, "_ASKED_S", 0.01)

    async def tried() -> None:
        latest = Latest()
        minute = LastMinute(latest)
        minute.ask()
        passing(latest)
        while minute.counted({}, {}).frames:
            await asyncio.sleep(0.01)
        passing(latest)
        assert minute.counted({}, {}).frames == 0

    asyncio.run(tried())


def test_a_result_that_is_kept_is_small() -> None:
    large = frame(0, 1080, 1920)
    found = Segmentation(np.zeros((1080, 1920), np.uint8), CLASSES, 0, 0.0, confidence=np.zeros((1080, 1920), np.uint8))
    kept, segmentation = small(Shown(large, found, large.pixels, 0, {}))
    assert (kept.height, kept.width) == (1080, 1920)
    assert segmentation.labels.nbytes < 50_000
    assert segmentation.confidence is None
    assert np.asarray(kept.image).strides[:2] == (0, 0)  # one pixel, however large

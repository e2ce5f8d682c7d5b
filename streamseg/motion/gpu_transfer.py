"""Labels for a frame on a GPU from those of others there: what `label_transfer` does on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from streamseg.cuda.kernels import make_task
from streamseg.cuda.memory import Lent
from streamseg.cuda.motion_tasks import CARRY, DOUBT, MOST_VOTERS, SIDE, TRUST, WARP
from streamseg.gpu import GpuLabels
from streamseg.motion.gpu_flow import GpuFlow, GpuLook, Work
from streamseg.motion.label_transfer import BALLOTS, EVEN, FEWEST, MARGIN, pixels_of_one
from streamseg.motion.label_transfer import TRUST as TRUSTED
from streamseg.motion.there_and_back import DOUBTED
from streamseg.motion.voting import Plane, falling, voters_around

_HEAD = 16  # bytes before the labels: how many pixels asked, and whether each side leads there


class GpuReference(NamedTuple):
    """A frame that labels come from, see `Reference`."""

    then: GpuLook
    way: GpuFlow | None
    """None where it is the frame itself that is matched."""
    labels: GpuLabels
    worth: float = 1.0


class Carried(NamedTuple):
    """Labels and confidence for a frame, there and here."""

    labels: Plane
    """(h, w) u8."""
    confidence: Plane
    led: tuple[bool, ...]
    """Of each side, whether its way led anywhere."""
    there: GpuLabels


class Matching:
    """Labels for a frame, begun on the GPU; `finish` waits for them."""

    def __init__(
        self, work: Work, now: GpuLook, sides: Sequence[GpuReference], reach: float, *, soft: bool, nothing: int
    ) -> None:
        """See `match`. `soft`: of two classes the probability is voted for; `nothing`: the label where no way leads."""
        self._work, self._sides, self._size = work, sides, sides[0].labels.size
        rows, columns = self._size
        pixels = rows * columns
        self._out = work.take(_HEAD + 2 * pixels)
        asked = work.take(pixels)
        work.clear(self._out, _HEAD)
        task = make_task(CARRY, {
            "labels": self._labels, "confidence": self._labels + pixels, "now": work.looks(now, self._size).address,
            "asked": asked.address, "count": self._out.address, "columns": columns, "rows": rows,
            "sides": len(sides), "soft": soft, "even": EVEN if soft else 0, "nothing": nothing,
            "ballots": BALLOTS, "fewest": FEWEST, "falls": falling()[0],
        })  # fmt: skip
        self._kept = [asked]
        self._reach(task, now, reach)
        for at, side in enumerate(sides):
            task["side"][at], kept = self._side(now, side)
            self._kept += kept
        for kernel in ("ask", "vote"):
            work.kernels.launch(kernel, (columns, rows, 1), task, work.parts.stream)

    @property
    def _labels(self) -> int:
        return self._out.address + _HEAD

    def doubt(self, way: GpuFlow, back: GpuFlow) -> None:
        """Less confidence where `back` would have brought another label, see `doubted`."""
        (rows, columns), of = self._size, self._sides[0].labels
        self._work.launch(
            "doubt", (columns, rows, 1), DOUBT,
            labels=of.labels, confidence=self._labels + rows * columns, pitch=of.pitch, width=columns, height=rows,
            columns=columns, rows=rows, way=way.memory.address, way_columns=way.shape[1], way_rows=way.shape[0],
            back=back.memory.address, back_columns=back.shape[1], back_rows=back.shape[0], most=DOUBTED,
        )  # fmt: skip
        self._kept += [way.memory, back.memory]

    def finish(self) -> Carried:
        """What came of it."""
        rows, columns = self._size
        made = self._work.download(self._out.address, _HEAD + 2 * rows * columns)
        self._kept.clear()
        labels, confidence = made[_HEAD:].reshape(2, rows, columns)
        led = tuple(made[:_HEAD].view(np.int32)[1 : 1 + len(self._sides)] > 0)
        of = self._sides[0].labels
        sure, came_down = self._labels + rows * columns, (labels, confidence)
        there = dataclasses.replace(
            of,
            size=self._size,
            pitch=columns,
            labels=self._labels,
            confidence=sure,
            owners=[self._out],
            came_down=came_down,
        )
        return Carried(labels, confidence, led, there)

    def _reach(self, task: Any, now: GpuLook, reach: float) -> None:
        """Who votes for a pixel, and what is around it."""
        rows, columns = pixels_of_one(self._size, now.size)
        around = voters_around(reach, rows, columns)[:MOST_VOTERS]
        task["reach_y"], task["reach_x"] = round(MARGIN * rows), round(MARGIN * columns)
        task["voters"] = len(around)
        task["around"][: len(around)] = [(dx, dy) for dy, dx in around]

    def _side(self, now: GpuLook, side: GpuReference) -> tuple[Any, list[Lent]]:
        of, work = side.labels, self._work
        kept = list[Lent]()
        values: dict[str, float] = {
            "labels": of.labels, "confidence": of.confidence, "pitch": of.pitch,
            "height": of.size[0], "width": of.size[1], "worth": side.worth,
            "looks": work.looks(side.then, self._size).address,
        }  # fmt: skip
        if side.way is not None and side.way.moves:
            trust, sums = self._trust(now, side.then, side.way)
            kept = [trust, sums, side.way.memory]
            rows, columns = side.way.shape
            values |= {"trust": trust.address, "sums": sums.address, "way": side.way.memory.address}
            values |= {"way_rows": rows, "way_columns": columns}
        return make_task(SIDE, values), kept

    def _trust(self, now: GpuLook, then: GpuLook, way: GpuFlow) -> tuple[Lent, Lent]:
        """How much what is there looks like what is here, and the sums of brightness."""
        work, (rows, columns) = self._work, way.shape
        moved, trust, sums = (work.take(size) for size in (3 * rows * columns, rows * columns, 8))
        work.clear(sums, 8)
        here, there = (work.looks(look, way.shape).address for look in (now, then))
        same = {"way": way.memory.address, "sums": sums.address, "columns": columns, "rows": rows, "here": here}
        threads = columns, rows, 1
        work.launch("warp", threads, WARP, there=there, out=moved.address, **same)
        work.launch("trust", threads, TRUST, moved=moved.address, out=trust.address, of=TRUSTED, **same)
        return trust, sums

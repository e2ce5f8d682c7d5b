"""What was found in a stream in the last minute, kept small, and only while an operator draws zones and lines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.masks import sampled
from streamseg.rules.counts import Counts
from streamseg.rules.event import ZoneReading
from streamseg.rules.shapes import Line, Polygon
from streamseg.segmentation import Instances, Segmentation
from streamseg.serve.api import Trial, TrialRow
from streamseg.serve.latest_result import Latest

KEPT_S = 60.0
_ASKED_S = 30.0
"""How long after it was asked for last it is still kept up."""
_STEP_S = 0.095  # about ten a second: what walks or drives is followed by them
_LONGEST = 240  # pixels of the longer side of the labels


class LastMinute:
    """Of one stream; belongs to the event loop, but for what its listener adds."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._kept = _empty()
        self._asked_s = 0.0
        self._listening = False

    def ask(self) -> None:
        """Keeps results from now on, for half a minute after the last such call."""
        self._asked_s = time.monotonic()
        if not self._listening:
            self._listening = True
            self._latest.listen(self._take)
            self._look_again()

    def counted(self, zones: Mapping[str, Polygon], lines: Mapping[str, Line]) -> Trial:
        """What these would have measured; from any thread."""
        counts: Counts | None = None
        kept = list(self._kept)
        found: dict[tuple[str, str], list[ZoneReading]] = {}
        for frame, segmentation in kept:
            if counts is None or not counts.fits(frame, segmentation):
                counts = Counts(zones, lines, None, (), frame, segmentation)
            counts.see(frame, segmentation)
            for reading in counts.readings():
                found.setdefault((reading.zone, reading.class_name), []).append(reading)
        seconds = kept[-1][0].arrived_s - kept[0][0].arrived_s if kept else 0.0
        return Trial(round(seconds, 1), len(kept), [_row(readings, len(kept)) for readings in found.values()])

    def _take(self) -> None:
        """From the stream's thread."""
        shown, kept = self._latest.shown, self._kept
        if shown is None or (kept and shown.frame.arrived_s - kept[-1][0].arrived_s < _STEP_S):
            return
        while kept and shown.frame.arrived_s - kept[0][0].arrived_s > KEPT_S:
            kept.popleft()
        kept.append(small(shown))

    def _look_again(self) -> None:
        left_s = self._asked_s + _ASKED_S - time.monotonic()
        if left_s > 0:
            asyncio.get_running_loop().call_later(left_s, self._look_again)
        else:
            self._latest.unlisten(self._take)
            self._listening = False
            self._kept = _empty()  # the stream's thread may be looking at the one before


def _empty() -> deque[tuple[Frame, Segmentation]]:
    return deque(maxlen=int(KEPT_S / _STEP_S))


def small(shown: Shown) -> tuple[Frame, Segmentation]:
    """Without the picture, and the labels coarse: what zones and lines measure, in some ten kilobytes."""
    frame, found = shown.frame, shown.segmentation
    nothing = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (frame.height, frame.width, 3))
    height, width = found.labels.shape
    scale = min(1.0, _LONGEST / max(height, width))
    labels = sampled(found.labels, (max(1, round(height * scale)), max(1, round(width * scale))))
    objects = found.instances
    return replace(frame, pixels=nothing), replace(
        found, labels=labels, confidence=None, instances=None if objects is None else _coarse(objects)
    )


def _coarse(objects: Instances) -> Instances:
    if isinstance(objects.masks, np.ndarray):
        return objects
    masks = [objects.over_box(number) for number in range(len(objects))]
    return replace(objects, masks=np.stack(masks) if masks else np.zeros((0, 1, 1), np.float32))


def _row(readings: list[ZoneReading], frames: int) -> TrialRow:
    last = readings[-1]
    areas = [each.area_percent for each in readings if each.area_percent is not None]
    counts = [each.count for each in readings if each.count is not None]
    return TrialRow(
        place=last.zone,
        class_name=last.class_name,
        most=max(counts, default=None),
        mean_area_percent=round(sum(areas) / frames, 3) if areas else None,
        crossings=dict(last.crossings or {}),
    )

"""The model `person-auto`: of the networks that find people, the one that suits the picture, and why."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from streamseg import installing
from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.model.catalogue import CHOICE, IN_PACKAGES, Listed, find_added, find_model
from streamseg.masks import sampled
from streamseg.motion.flow import Cuts
from streamseg.said import Said
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)

NAME = CHOICE
SUMMARY = "people: `person` as long as it finds what `people` finds, else `people`; looked at once a second"
LICENCE = "MIT and Apache-2.0"
SCORE = "near, far and in groups within 2 % IoU of the better of both (person-auto.md)"
NEAR, FAR = "person", "people"
_LOOK_EVERY_S = 1.0
"""Of the stream's own time: both networks are then asked about one frame."""
_ALIKE, _HELD = 0.75, 0.65
"""IoU of both masks: `person` is taken from the one on, and kept down to the other, so that the choice holds."""
_SPECK = 0.0002
"""Of the picture: smaller pieces of a mask are not told of, nor those of less than a fiftieth of the largest."""


def list_itself() -> Iterator[Listed]:
    """Its line in a list of models, with the size of those of its networks that are here."""
    size = 0
    with contextlib.suppress(InputError, OSError):  # what cannot be read is told of where it is named
        size = sum(file.stat().st_size for file in (find_model(NEAR), _far_file()) if file)
    yield Listed(NAME, "network", ("background", "person"), size, LICENCE, SCORE, SUMMARY)


def load(load_segmenter: Callable[[str], SegmenterFactory], said: Said) -> SegmenterFactory:
    """The recipe of `person-auto`, of networks that `load_segmenter` finds; `person` alone where `people` is missing.

    Raises:
        InputError: there is no such backend or GPU.
    """
    near, file = load_segmenter(NEAR), _far_file()
    if file is None:
        how = installing.models(IN_PACKAGES[FAR])
        said.once(_log, logging.WARNING, f"{NAME}: is {NEAR} alone; for people in groups and at a distance: {how}")
        return replace(near, name=NAME)
    far = load_segmenter(str(file))

    def make(threads: int) -> Segmenter:
        return Chooser(near.make(threads), far.make(threads))

    return SegmenterFactory(NAME, near.classes, make, parallel=False, chooses=True, licence=LICENCE)


def _far_file() -> Path | None:
    """That of `people`; None where its package is not installed."""
    added = find_added(FAR)
    return Path(added) if isinstance(added, str | os.PathLike) else None


class Chooser:
    """Asks one of two networks about each frame, and once a second both: then it chooses."""

    def __init__(self, near: Segmenter, far: Segmenter) -> None:
        """Owns both."""
        self.classes = near.classes
        self.scale = 1.0
        self._networks = {NEAR: near, FAR: far}
        self._chosen = self._said = ""
        self._looked_s = 0.0
        self._cuts = Cuts()

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order; raises what the networks raise."""
        for network in self._networks.values():
            network.scale = self.scale
        return [replace(self._find(frame), classes=self.classes) for frame in frames]

    def close(self) -> None:
        """Frees both; may be called twice."""
        for network in self._networks.values():
            network.close()

    def _find(self, frame: Frame) -> Segmentation:
        cut = self._cuts(frame)
        if self._chosen and not cut and self._looked_s < frame.time_s < self._looked_s + _LOOK_EVERY_S:
            return self._networks[self._chosen]([frame])[0]
        picture = bool(frame.file) or frame.time_s <= self._looked_s
        if cut or picture:  # what suited the frames before says nothing of this one
            self._chosen = ""
        self._looked_s = frame.time_s
        near, far = (network([frame])[0] for network in self._networks.values())
        alike = agreement(near, far)
        self._chosen = suited(alike, self._chosen)
        if self._chosen != self._said:
            level = logging.DEBUG if picture and self._said else logging.INFO
            _log.log(level, "%s: %s from frame %d on: %s", NAME, self._chosen, frame.index, in_words(far, frame, alike))
            self._said = self._chosen
        return near if self._chosen == NEAR else far


def suited(alike: float | None, before: str) -> str:
    """The network to take, after the one `before` ("": none), where the masks of both are so much alike."""
    if alike is None:  # nobody there, which suits both
        return before or NEAR
    return NEAR if alike >= (_HELD if before == NEAR else _ALIKE) else FAR


def agreement(near: Segmentation, far: Segmentation) -> float | None:
    """IoU of the people in both, 0..1; None where neither finds any."""
    there = near.labels > 0
    other = sampled(far.labels, there.shape) > 0
    either = int((there | other).sum())
    return int((there & other).sum()) / either if either else None


def in_words(found: Segmentation, frame: Frame, alike: float | None) -> str:
    """Whom `people` found in `frame`, and how much alike both masks are."""
    if alike is None:
        return "nobody in sight"
    rows = found.labels.shape[0]
    joined = cv2.morphologyEx(found.labels, cv2.MORPH_CLOSE, np.ones((rows // 16 | 1, 1), np.uint8))
    _, _, pieces, _ = cv2.connectedComponentsWithStats(joined)
    scale, areas = frame.height / rows, pieces[1:, cv2.CC_STAT_AREA]
    least = max(_SPECK * found.labels.size, areas.max(initial=0) / 50)
    high = sorted(round(height * scale) for height in pieces[1:, cv2.CC_STAT_HEIGHT][areas >= least].tolist())
    who = f"{len(high) or 'no'} people or groups" if len(high) != 1 else "1 person or group"
    tall = f", {' to '.join(map(str, dict.fromkeys((high[0], high[-1]))))} px high" if high else ""
    return f"{who}{tall}, the masks of {NEAR} and {FAR} are alike to {alike:.0%}"

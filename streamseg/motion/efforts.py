"""What an effort means, and what is said of a mask that could not be carried."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streamseg.motion.instances import no_instances
from streamseg.options import Effort
from streamseg.segmentation import Classes, Segmentation

PAST_WORTH = 0.85  # of the last mask's votes where a new one is steadied: of two equals the new one is right


class Spent(NamedTuple):
    """What an effort means."""

    area: int
    """Pixels of the picture in which motion is searched."""
    reach: float
    """Pixels around where the motion leads that vote."""
    again: bool
    """Whether motion that was lost is searched once more."""
    blocks: bool
    """Whether blocks are looked for where it is still lost."""
    back: bool
    """Whether the way back is asked what is doubtful."""
    bent: bool
    """Whether the masks of objects change their shape in their boxes."""
    refit: int
    """How many masks of objects a network fits to the picture."""
    passes: int
    """How often it is asked for each."""


EFFORTS: Mapping[Effort, Spent] = {
    "quick": Spent(96 * 72, 1.0, again=False, blocks=False, back=False, bent=False, refit=0, passes=0),
    "usual": Spent(128 * 96, 2.3, again=True, blocks=False, back=False, bent=True, refit=2, passes=2),
    "fine": Spent(264 * 198, 3.0, again=True, blocks=True, back=True, bent=True, refit=4, passes=2),
}


def comparable(one: Segmentation, other: Segmentation) -> bool:
    """Whether labels mean the same in both: the model of a stream may be changed while it runs."""
    return one.classes.names == other.classes.names


def nearest_first(found: Sequence[Segmentation], index: int) -> list[Segmentation]:
    """By how far their frames are from that index; only those whose labels mean what the nearest one's do."""
    nearest = sorted(found, key=lambda one: abs(one.frame_index - index))
    return [one for one in nearest if comparable(one, nearest[0])]


def unsure(segmentation: Segmentation) -> Segmentation:
    """The same, but nothing in it is sure."""
    return dataclasses.replace(segmentation, confidence=np.zeros_like(segmentation.labels))


def no_label(classes: Classes) -> int:
    """That of pixels of which nothing is known."""
    return next(each for each in (classes.background, classes.ignore_index, 255) if each is not None)


def forgotten(segmentation: Segmentation) -> Segmentation:
    """What is known once the picture is another one: nothing."""
    objects = segmentation.instances
    labels = np.full_like(segmentation.labels, no_label(segmentation.classes))
    objects = None if objects is None else no_instances(objects)
    return dataclasses.replace(unsure(segmentation), labels=labels, instances=objects)


def held(segmentation: Segmentation, begun: int) -> Segmentation:
    """`segmentation` of a frame that no motion is known from; nothing of it where the picture had other proportions
    then: those of now `begun` with the frame of that index."""
    return forgotten(segmentation) if segmentation.frame_index < begun else unsure(segmentation)

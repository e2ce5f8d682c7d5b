"""Masks that fit the frame on the screen, although they were found in another one."""

from __future__ import annotations

from streamseg.contracts import Mover
from streamseg.motion.mover import Motion


def make_mover(*, steady: bool = True) -> Mover:
    """What carries the segmentations of one stream, to be made in the thread that shows them."""
    return Motion()

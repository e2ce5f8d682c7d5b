"""Masks that fit the frame on the screen, although they were found in another one."""

from __future__ import annotations

from streamseg.contracts import Mover
from streamseg.motion.mover import Effort, Motion

__all__ = ["Effort", "make_mover"]


def make_mover(*, steady: bool = True, effort: Effort = "usual") -> Mover:
    """What carries the segmentations of one stream, to be made in the thread that shows them.

    `steady` takes the flicker out of what the network finds. `quick` is for files, where masks on both sides of a
    frame make up for what is saved; `fine` takes about twice the usual time for masks that fit better.
    """
    return Motion(steady=steady, effort=effort)

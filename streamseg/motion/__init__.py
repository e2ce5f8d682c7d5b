"""Masks that fit the frame on the screen, although they were found in another one."""

from __future__ import annotations

from streamseg.contracts import Mover
from streamseg.motion.mover import Motion


def make_mover(*, steady: bool = True, fine: bool = False) -> Mover:
    """What carries the segmentations of one stream, to be made in the thread that shows them.

    `steady` takes the flicker out of what the network finds; `fine` takes about twice the time for masks that fit
    better.
    """
    return Motion(steady=steady, fine=fine)

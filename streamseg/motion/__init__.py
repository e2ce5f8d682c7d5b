"""Masks that fit the frame on the screen, although they were found in another one."""

from __future__ import annotations

from streamseg.contracts import MaskPropagator
from streamseg.motion.propagator import Effort, FlowPropagator

__all__ = ["Effort", "make_propagator"]


def make_propagator(*, steady: bool = True, effort: Effort = "usual") -> MaskPropagator:
    """What carries the segmentations of one stream, to be made in the thread that shows them.

    `steady` takes the flicker out of what the network finds. `quick` is for files, where masks on both sides of a
    frame make up for what is saved; `fine` takes about twice the usual time for masks that fit better.
    """
    return FlowPropagator(steady=steady, effort=effort)

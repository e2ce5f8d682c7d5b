"""Masks that fit the frame on the screen, although they were found in another one."""

from __future__ import annotations

from streamseg.contracts import MaskPropagator
from streamseg.motion.propagator import FlowPropagator
from streamseg.options import Effort

__all__ = ["Effort", "make_propagator"]


def make_propagator(
    *, steady: bool = True, effort: Effort = "usual", compare: bool = False, hides: bool = False
) -> MaskPropagator:
    """What carries the segmentations of one stream, to be made in the thread that shows them.

    Its `effort` may be set to another one at any time.

    `steady` takes the flicker out of what the network finds. `quick` is for files, where masks on both sides of a
    frame make up for what is saved; `fine` takes about twice the usual time for masks that fit better. `compare` fills
    in `Segmentation.disagreement`. Where the stream `hides` something, nothing may take from a mask: no network of our
    own has a say in what is carried, and an object that is found on one side of a gap alone is there in all of it.
    """
    return FlowPropagator(steady=steady, effort=effort, compare=compare, hides=hides)

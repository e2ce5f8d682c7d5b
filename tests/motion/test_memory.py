"""What is kept of the frames of a stream does not grow with the size of its masks."""

from __future__ import annotations

import tracemalloc

import numpy as np

from streamseg.motion import make_propagator
from tests.motion.clips import frame, panned, segmentation


def kept_bytes(height: int, width: int) -> int:
    """What a stream holds after fifty frames, each with a mask of that size."""
    propagator, pictures = make_propagator(), [frame(index, panned(index, 1)) for index in range(50)]
    labels = np.zeros((height, width), np.uint8)
    labels[height // 4 : height // 2, width // 4 : width // 2] = 1
    tracemalloc.start()
    try:
        for index, picture in enumerate(pictures):
            propagator.observe(picture)
            propagator.carry(segmentation(index, labels))
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_memory_is_that_of_a_few_masks() -> None:
    assert kept_bytes(480, 640) - kept_bytes(60, 80) < 40 * (480 * 640)

"""Masks as COCO writes them: run-length encoded, and as polygons (https://cocodataset.org/#format-results)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

MaskFormat = Literal["rle", "polygon"]
_LEAST_CORNERS = 3


class Rle(TypedDict):
    """A mask in COCO's compressed run-length encoding, as `pycocotools.mask` takes it."""

    size: list[int]
    """Height, width."""
    counts: str


class CocoAnnotation(TypedDict):
    """One object, in the form of both COCO's annotations and its results."""

    image_id: int
    category_id: int
    bbox: list[float]
    """Left, top, width, height, in pixels."""
    area: float
    """Pixels."""
    segmentation: Rle | list[list[float]]
    score: float
    """0..1."""
    iscrowd: int


def encode_rle(mask: NDArray[np.bool_]) -> Rle:
    """The runs of `mask`, (H, W) bool, counted column by column from a run of False."""
    flat = mask.T.reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]])).tolist()
    first = [0] if flat.size and flat[0] else []
    return {"size": list(mask.shape), "counts": _compressed([*first, *runs])}


def polygons(mask: NDArray[np.bool_]) -> list[list[float]]:
    """The outlines of `mask`, (H, W) bool, each as x, y, x, y, … in pixels; COCO's polygons have no holes.

    They run along the outer edges of the pixels, so that rasterising them gives the mask again. A row or column alone
    has an outline too.
    """
    doubled = np.repeat(np.repeat(mask.view(np.uint8), 2, axis=0), 2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = (np.ceil(contour.reshape(-1, 2) / 2) for contour in found)
    return [outline.reshape(-1).tolist() for outline in outlines if len(outline) >= _LEAST_CORNERS]


def _compressed(runs: Iterable[int]) -> str:
    """Five bits a character, lowest first, with one that says whether more follow; from the fourth run on what is
    written is the difference to the run two before, of the same value."""
    text: list[str] = []
    before = [0, 0]
    for position, run in enumerate(runs):
        value = run - before[0] if position > 2 else run
        before = [before[1], run]
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr(48 + (bits | 0x20 if more else bits)))
    return "".join(text)

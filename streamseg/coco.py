"""Masks as COCO writes them: run-length encoded, and as polygons (https://cocodataset.org/#format-results)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import BoxRuns, Size, Window

MaskFormat = Literal["rle", "polygon"]
_LEAST_CORNERS = 3
_MOST_SIGNS = 7  # five bits each, of numbers with 32


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
    return encode_all([Window(0, 0, mask)])[0]


def encode_all(windows: Sequence[Window], frame: Size | None = None) -> list[Rle]:
    """The same of many masks at once, each over a whole `frame` of (height, width); None: over its window alone."""
    if not windows:
        return []
    sizes = [frame or window.mask.shape for window in windows]
    edges, owner = _edges(windows, np.array([size[0] for size in sizes]), frame is not None)
    return _encoded(edges, owner, [list(size) for size in sizes])


def encode_runs(found: BoxRuns) -> list[Rle]:
    """The same of runs, each mask over its window alone."""
    if not len(found.sizes):
        return []
    there = found.end > found.start
    owner, start = found.owner[there], found.column[there] * found.sizes[found.owner[there], 0]
    edges = np.stack([start + found.start[there], start + found.end[there]], 1).reshape(-1)
    return _encoded(edges, np.repeat(owner, 2), found.sizes.tolist())


def polygons(mask: NDArray[np.bool_], left: int = 0, top: int = 0) -> list[list[float]]:
    """The outlines of `mask`, (H, W) bool, each as x, y, x, y, … in pixels; COCO's polygons have no holes.

    They run along the outer edges of the pixels, so that rasterising them gives the mask again. A row or column alone
    has an outline too. None passes a corner twice: parts that touch at a corner have an outline each.

    Args:
        mask: of a whole picture, or of the part that begins at `left`, `top`.
        left: pixels, added to each x.
        top: pixels, added to each y.
    """
    doubled = np.repeat(np.repeat(mask.view(np.uint8), 2, axis=0), 2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = (np.ceil(contour.reshape(-1, 2) / 2) + (left, top) for contour in found)
    loops = (loop for outline in outlines for loop in _loops(list(map(tuple, outline.tolist()))))
    return [[value for corner in loop for value in corner] for loop in loops if len(loop) >= _LEAST_CORNERS]


def _loops(corners: list[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """What an outline goes around before it comes to a corner again, and what is left."""
    path: list[tuple[float, float]] = []
    places: dict[tuple[float, float], int] = {}
    for corner in corners:
        if (start := places.get(corner)) is None:
            places[corner] = len(path)
            path.append(corner)
            continue
        yield path[start:]
        for each in path[start + 1 :]:
            del places[each]
        del path[start + 1 :]
    yield path


def _edges(
    windows: Sequence[Window], heights: NDArray[np.int_], placed: bool
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Where runs begin and end, counted down the columns of each mask's plane of `heights`; and of which mask."""
    lengths = [(window.mask.shape[0] + 2) * window.mask.shape[1] for window in windows]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.zeros(starts[-1] + 1, np.uint8)  # each with a 0 above and below, so that its runs end in it
    for window, start, end in zip(windows, starts, starts[1:], strict=False):
        height, width = window.mask.shape
        if width:
            cv2.transpose(window.mask.view(np.uint8), columns[start:end].reshape(width, height + 2)[:, 1:-1])
    found = np.flatnonzero(columns[1:] != columns[:-1])
    owner = np.repeat(np.arange(len(windows)), np.diff(np.searchsorted(found, starts)))
    column, row = np.divmod(found - starts[owner], np.array([window.mask.shape[0] + 2 for window in windows])[owner])
    if placed:
        column += np.array([window.left for window in windows])[owner]
        row += np.array([window.top for window in windows])[owner]
    return column * heights[owner] + row, owner


def _encoded(edges: NDArray[np.int_], owner: NDArray[np.int_], sizes: list[list[int]]) -> list[Rle]:
    """What lies between the `edges`, counted down the columns of each mask's plane of (height, width) `sizes`."""
    joined = np.flatnonzero((edges[1:-1:2] == edges[2::2]) & (owner[1:-1:2] == owner[2::2])) * 2 + 1
    if len(joined):  # a run that goes on at the top of the next column
        kept = np.ones(len(edges), bool)
        kept[joined] = kept[joined + 1] = False
        edges, owner = edges[kept], owner[kept]
    counts = np.bincount(owner, minlength=len(sizes))
    runs, owner = _runs(edges, owner, counts, np.array([height * width for height, width in sizes]))
    signs = _compressed(runs, owner)
    return [{"size": size, "counts": text} for size, text in zip(sizes, signs, strict=True)]


def _runs(
    edges: NDArray[np.int_], owner: NDArray[np.int_], counts: NDArray[np.int_], totals: NDArray[np.int_]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The lengths between the `edges` of each plane of `totals` pixels, from its first pixel to its last."""
    number, masks = len(edges), np.arange(len(counts))
    bounds = np.zeros(number + 2 * len(counts), int)
    bounds[np.arange(number) + 2 * owner + 1] = edges
    ends = np.cumsum(counts + 2)
    bounds[ends - 1] = totals
    of = np.repeat(masks, counts + 2)
    runs, inside = np.diff(bounds), of[1:] == of[:-1]
    last = np.zeros(len(runs), bool)
    last[ends[counts > 0] - 2] = True  # the one behind the last edge, which may be none
    inside &= ~(last & (runs == 0))
    return runs[inside], of[1:][inside]


def _compressed(runs: NDArray[np.int_], owner: NDArray[np.int_]) -> list[str]:
    """Five bits a character, lowest first, with one that says whether more follow; from the fourth run on what is
    written is the difference to the run two before, of the same value."""
    rest = runs.astype(np.int32)
    rest[3:] -= np.where(owner[3:] == owner[:-3], rest[1:-2], 0)
    signs = np.zeros((len(runs), _MOST_SIGNS), np.uint8)  # 0 where there is none
    lengths, more = np.zeros(len(runs), np.int32), np.ones(len(runs), bool)
    for place in range(_MOST_SIGNS):
        bits = rest & 0x1F
        rest >>= 5
        follows = (rest != -(bits >> 4)) & more
        signs[:, place] = (48 + (bits | follows * np.int32(32))) * more
        lengths += more
        more = follows
        if not more.any():
            break
    text = signs[signs > 0].tobytes().decode()
    ends = np.cumsum(np.bincount(owner, lengths)).astype(int).tolist()
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]

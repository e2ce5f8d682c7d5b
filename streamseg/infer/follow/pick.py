"""A first mask out of a box or a click, and a better one out of a second click: GrabCut on the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.follow.closeup import Colours, Plane, Window, box_of, cut, put_back
from streamseg.prompts import Box, Click, Mask

_RADII = (0.05, 0.09, 0.16, 0.27)
"""Of the longer side: how large the object around a click may be; the size whose mask stands out best is taken."""
_SURE = 0.3  # of the radius around a click: surely the object
_ELLIPSES = 0.9, 1.5
"""Of a box's sides: from each of them a cut begins, and the mask is taken that fits the box better."""
_AROUND = 0.4  # of a box's sides: so far around it the background is learnt
_MARGIN = 0.25  # of the longer side of what is corrected
_ROUNDS = 4  # of GrabCut
_TOUCH = 0.04  # of the longer side of a close-up: what is so near a correcting click is certain
_CORE = 0.6  # of the depth of a mask: further in no correction changes it
_LEVEL = 20.0  # of 90: added to how a mask in a box stands out, so that fitting the box counts more
_EDGE = 2  # pixels on both sides of a border whose colours are compared

Labels = NDArray[np.uint8]


def in_box(look: Colours, box: Box) -> Plane:
    """How likely each pixel of `look` is of what the box is around, (h, w) f32."""
    x, y, wide, high = _pixels(box, look.shape)
    window = Window(x, y, wide, high).grown(round(_AROUND * wide) + 8, round(_AROUND * high) + 8)
    close = cut(look, window)
    scale = close.shape[1] / window.width
    inside = Window(*(round(each * scale) for each in (x - window.x, y - window.y, wide, high)))
    starts = [_marked(close, inside, part) for part in _ELLIPSES]
    tried = [_piece(_cut(close, marks)) for marks in starts]
    tried.append(np.asarray(starts[0] & 1, np.uint8))  # where it looks like what is around it, there is nothing to cut
    found = max(tried, key=lambda mask: (_LEVEL + _stands_out(close, mask)) * _fills(mask, inside))
    return put_back(found.astype(np.float32), window, (look.shape[0], look.shape[1]))


def _marked(close: Colours, box: Window, part: float) -> Labels:
    """What is in the ellipse in the box may be the object, what is outside of the box is not."""
    marks = np.full(close.shape[:2], cv2.GC_BGD, np.uint8)
    inside = marks[box.y : box.y + box.height, box.x : box.x + box.width]
    inside[:] = cv2.GC_PR_BGD
    axes = max(1, round(part * box.width / 2)), max(1, round(part * box.height / 2))
    ellipse = cv2.ellipse(np.zeros_like(marks), box.centre, axes, 0, 0, 360, 1, -1)
    marks[(ellipse > 0) & (marks == cv2.GC_PR_BGD)] = cv2.GC_PR_FGD
    return marks


def _fills(mask: Labels, box: Window) -> float:
    """IoU of the mask's own box and the one that was asked for."""
    x, y, width, height = cv2.boundingRect(mask)
    across = max(0, min(x + width, box.x + box.width) - max(x, box.x))
    down = max(0, min(y + height, box.y + box.height) - max(y, box.y))
    return across * down / max(1, width * height + box.width * box.height - across * down)


def at_click(look: Colours, click: Click) -> Plane:
    """The same of what lies under the click, whose size is not known."""
    tried = [_around_click(look, click, share * max(look.shape[:2])) for share in _RADII]
    window, found, _ = max(tried, key=lambda each: each[2])
    return put_back(found.astype(np.float32), window, look.shape[:2])


def of_mask(look: Colours, mask: Mask) -> Plane:
    """The mask itself, at the size of `look`."""
    plane = (mask.plane != 0).astype(np.float32)
    return np.asarray(cv2.resize(plane, (look.shape[1], look.shape[0]), interpolation=cv2.INTER_AREA), np.float32)


def corrected(look: Colours, belongs: Plane, click: Click) -> Plane:
    """`belongs` with what looks like the place of the click added, or taken away."""
    height, width = look.shape[:2]
    x, y = place_of(click, look.shape)
    window = _with(box_of(belongs) or Window(x, y, 1, 1), x, y)
    close, before = cut(look, window), cut(belongs, window)
    scale = close.shape[1] / window.width
    at = int((x - window.x) * scale), int((y - window.y) * scale)
    mask = before > 0.5
    touch = max(2, round(_TOUCH * max(close.shape[:2])))
    touched = cv2.circle(np.zeros_like(mask, np.uint8), at, touch, 1, -1) > 0
    near = cv2.circle(np.zeros_like(mask, np.uint8), at, 3 * touch, 1, -1) > 0
    side = mask if not click.adds else ~mask
    marks = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[_core(mask)], marks[_core(~mask)] = cv2.GC_FGD, cv2.GC_BGD
    marks[near & side] = cv2.GC_PR_FGD if click.adds else cv2.GC_PR_BGD
    marks[touched] = cv2.GC_FGD if click.adds else cv2.GC_BGD
    changed = ((_cut(close, marks) > 0) == click.adds) & side | touched
    _, pieces = cv2.connectedComponents(changed.astype(np.uint8))
    piece = pieces == pieces[at[1], at[0]]
    after = np.where(piece, np.float32(click.adds), before)
    whole, there = put_back(after, window, (height, width)), put_back(piece.astype(np.float32), window, (height, width))
    return np.asarray(np.where(there > 0, whole, belongs), np.float32)


def _with(box: Window, x: int, y: int) -> Window:
    """The box and the place, and what is around them."""
    left, top = min(box.x, x), min(box.y, y)
    right, bottom = max(box.x + box.width, x + 1), max(box.y + box.height, y + 1)
    margin = round(_MARGIN * max(right - left, bottom - top)) + 8
    return Window(left, top, right - left, bottom - top).grown(margin, margin)


def _around_click(look: Colours, click: Click, radius: float) -> tuple[Window, Labels, float]:
    x, y = place_of(click, look.shape)
    reach = max(12, round(2 * radius))
    window = Window(x, y, 1, 1).grown(reach, reach)
    close = cut(look, window)
    scale = close.shape[1] / window.width
    middle = close.shape[1] // 2, close.shape[0] // 2
    marks = np.full(close.shape[:2], cv2.GC_BGD, np.uint8)
    for part, mark in ((1.5, cv2.GC_PR_BGD), (0.9, cv2.GC_PR_FGD), (_SURE, cv2.GC_FGD)):
        cv2.circle(marks, middle, max(2, round(part * radius * scale)), int(mark), -1)
    found = _piece(_cut(close, marks), middle)
    return window, found, _stands_out(close, found)


def _stands_out(close: Colours, mask: Labels) -> float:
    """How much the colours on both sides of its border differ, on average; 0 where there is none."""
    side = (2 * _EDGE + 1,) * 2
    share = cv2.blur(mask.astype(np.float32), side)[..., None]
    inside = cv2.blur(close * mask[..., None].astype(np.float32), side)
    outside = cv2.blur(close.astype(np.float32), side) - inside
    border = (cv2.dilate(mask, np.ones((3, 3), np.uint8)) - mask) > 0
    if not border.any():
        return 0.0
    unlike = inside / np.maximum(share, 0.04) - outside / np.maximum(1 - share, 0.04)
    return float(np.mean(np.minimum(np.abs(unlike[border]).sum(1), 90)))


def _cut(close: Colours, marks: Labels) -> Labels:
    """GrabCut (Rother et al. 2004) from what is marked; the marks themselves where one side has too little."""
    foreground = np.asarray(marks & 1, np.uint8)
    if min(np.count_nonzero(foreground), np.count_nonzero(1 - foreground)) < 16:
        return foreground
    marks = marks.copy()
    cv2.setRNGSeed(0)
    cv2.grabCut(close, marks, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray(marks & 1, np.uint8)


def _core(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(depth > _CORE * max(1.0, float(depth.max())))


def _piece(mask: Labels, at: tuple[int, int] | None = None) -> Labels:
    """The piece of it under (x, y), or else the largest, small gaps closed."""
    n, pieces, stats, _ = cv2.connectedComponentsWithStats(mask)
    if n <= 1:
        return mask
    under = 0 if at is None else int(pieces[at[1], at[0]])
    piece = (pieces == (under or 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(piece, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)


def place_of(click: Click, shape: tuple[int, ...]) -> tuple[int, int]:
    """x and y of its pixel in a plane of `shape`."""
    return min(shape[1] - 1, int(click.x * shape[1])), min(shape[0] - 1, int(click.y * shape[0]))


def _pixels(box: Box, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x, y, width, height."""
    left, top = int(box.left * shape[1]), int(box.top * shape[0])
    right, bottom = round(box.right * shape[1]), round(box.bottom * shape[0])
    return left, top, max(1, right - left), max(1, bottom - top)

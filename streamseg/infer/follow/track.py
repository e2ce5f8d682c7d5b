"""One object carried from a picture to the next along its own motion, then fitted to what the picture shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.follow.closeup import Colours, Plane, T, Window, box_of, cut, put_back
from streamseg.infer.follow.colours import Odds, histograms, log_odds
from streamseg.infer.follow.votes import vote
from streamseg.motion.flow import grid, sample

_MARGIN, _LEAST_MARGIN = 0.35, 16  # around it, of its side, and at least so many pixels
_LEAST_SIDE = 40  # pixels of a close-up: less has no motion
_TEMPLATE = 24  # pixels of the longer side of what is searched for
_FAR, _LEAST_FAR = 0.6, 12  # how far an object may go in a frame, of its side, and so many pixels more
_STEADY = 600.0  # squared grey levels that a departure from its speed costs, by its side squared
_SOFT = 4.0  # pixels of a close-up over which the carried border is doubted
_SOFTENED = 0.8  # pixels
_BAND = 13  # pixels that a border may move beyond where motion carried it
_BY_COLOUR, _BY_FIRST_COLOUR, _BY_LAST, _BY_FIRST = 0.2, 0.3, 2.0, 1.0  # what each of them counts beside motion
_LEARNS = 0.1  # of the colours of a new picture
_FORGETS = 0.02  # of the usual area
_GONE = 0.15  # of the usual area: what is left is no longer the object
_LEAST_AREA = 12  # pixels
_RADIUS, _EVEN = 3, 2e-4  # of the guided filter: pixels, and the variance below which the picture has no edge


@dataclass(frozen=True, slots=True, eq=False)
class First:
    """The object as it was pointed out: what is seen later is compared with that as well."""

    look: Colours
    """A close-up."""
    belongs: Plane
    odds: Odds


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """What is known of an object in one picture."""

    track_id: int
    belongs: Plane
    """(h, w) f32 like the small picture: how likely each pixel is the object's."""
    first: First
    odds: Odds
    usual_area: float
    """Pixels of the small picture."""
    speed: tuple[float, float] = (0.0, 0.0)
    """Pixels of the small picture from one frame to the next."""


def begin(track_id: int, look: Colours, belongs: Plane) -> Object | None:
    """An object that was pointed out in the small picture `look`; None where there is nothing of it."""
    box = box_of(belongs)
    if box is None:
        return None
    window = _window(box)
    close, there = cut(look, window), cut(belongs, window)
    odds = histograms(close, there > 0.5, _around(there > 0.5))
    area = float(np.count_nonzero(belongs > 0.5))
    return Object(track_id, belongs, First(close, there, odds), odds, area)


def follow(before: Object, then: Colours, now: Colours) -> Object | None:
    """`before`, an object of the picture `then`, as it is in the next one, `now`; None where it is lost."""
    box = box_of(before.belongs)
    if box is None:
        return None
    shift = _search(before, box, then, now)
    old = _window(box)
    new = old._replace(x=old.x + shift[0], y=old.y + shift[1])
    look, last, carried = _carried(cut(then, old), cut(now, new), cut(before.belongs, old))
    fitted = _fitted(before, look, last, carried)
    belongs = put_back(fitted, new, now.shape[:2])
    area = int(np.count_nonzero(belongs > 0.5))
    if area < max(_LEAST_AREA, _GONE * before.usual_area):
        return None
    mask = fitted > 0.5
    odds = (1 - _LEARNS) * before.odds + _LEARNS * histograms(look, mask, _around(mask))
    moved = _centre(belongs) - _centre(before.belongs)
    usual = (1 - _FORGETS) * before.usual_area + _FORGETS * area
    return Object(before.track_id, belongs, before.first, odds, usual, (float(moved[0]), float(moved[1])))


def _window(box: Window) -> Window:
    margin = round(_MARGIN * math.sqrt(box.width * box.height))
    wide, high = (max(margin, _LEAST_MARGIN, (_LEAST_SIDE - side + 1) // 2) for side in (box.width, box.height))
    return box.grown(wide, high)


def _centre(belongs: Plane) -> NDArray[np.float64]:
    moments = cv2.moments((belongs > 0.5).view(np.uint8), binaryImage=True)
    return np.array([moments["m10"], moments["m01"]]) / max(1.0, moments["m00"])


def _search(before: Object, box: Window, then: Colours, now: Colours) -> tuple[int, int]:
    """How far the object went as a whole, in pixels: where what was in its mask is found again."""
    side = max(box.width, box.height)
    shrink = min(1.0, _TEMPLATE / side)
    reach = round(_FAR * side + _LEAST_FAR + math.hypot(*before.speed))
    template, mask = _shrunk(then, box, shrink), _shrunk(before.belongs, box, shrink) > 0.5
    if not mask.any():
        return round(before.speed[0]), round(before.speed[1])
    within = np.repeat(mask[..., None], 3, 2).astype(np.uint8)
    unlike = cv2.matchTemplate(_shrunk(now, box.grown(reach, reach), shrink), template, cv2.TM_SQDIFF, mask=within)
    rows, columns = unlike.shape
    x, y = (np.arange(columns) - (columns - 1) / 2) / shrink, (np.arange(rows) - (rows - 1) / 2) / shrink
    away = ((x[None] - before.speed[0]) ** 2 + (y[:, None] - before.speed[1]) ** 2) / side**2
    cost = unlike / np.count_nonzero(within) + _STEADY * away
    row, column = divmod(int(np.argmin(cost)), columns)
    return round(float(x[column])), round(float(y[row]))


def _shrunk(plane: NDArray[T], window: Window, shrink: float) -> NDArray[T]:
    size = max(3, round(window.width * shrink)), max(3, round(window.height * shrink))
    return np.asarray(cv2.resize(cut(plane, window), size, interpolation=cv2.INTER_AREA), plane.dtype)


def _carried(then: Colours, now: Colours, belongs: Plane) -> tuple[Colours, Colours, Plane]:
    """The close-up `now`, less its noise, and `then` and what belongs to the object as motion brings them there."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(0)
    height, width = belongs.shape
    start = np.zeros((height, width, 2), np.float32)
    way = search.calc(np.ascontiguousarray(now[..., 0]), np.ascontiguousarray(then[..., 0]), start)
    places = np.nan_to_num(way + grid((height, width)))
    here, there = (cv2.GaussianBlur(look, (3, 3), _SOFTENED) for look in (now, then))
    last = sample(np.asarray(there, np.uint8), places)
    carried = sample(belongs, places, outside=cv2.BORDER_CONSTANT)
    return np.asarray(here, np.uint8), last, carried


def _fitted(before: Object, look: Colours, last: Colours, carried: Plane) -> Plane:
    """How likely each pixel of the close-up is the object's."""
    mask = carried > 0.5
    if not mask.any():
        return np.zeros_like(carried)
    odds = np.clip(_distance(mask) / _SOFT, -6, 6)
    colour = _BY_COLOUR * log_odds(before.odds, look) + _BY_FIRST_COLOUR * log_odds(before.first.odds, look)
    odds += np.clip(colour, -4, 4)
    odds += _BY_LAST * _log(vote(look, last, carried))
    odds += _BY_FIRST * _log(vote(look, *_aligned(before.first, carried)))
    likely = 1 / (1 + np.exp(-odds))
    likely[~_around(mask)] = 0
    likely = _guided(look[..., 0], np.asarray(likely, np.float32))
    return _connected(likely, mask)


def _distance(mask: NDArray[np.bool_]) -> Plane:
    """Pixels to the border of the mask, above 0 inside."""
    inside, outside = (cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 3) for part in (mask, ~mask))
    return np.asarray(inside - outside, np.float32)


def _log(share: Plane) -> Plane:
    return np.asarray(np.log((share + 0.02) / (1.02 - share)), np.float32)


def _around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _BAND + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), bool)


def _aligned(first: First, carried: Plane) -> tuple[Colours, Plane]:
    """The first look and mask, moved and scaled to lie over the mask that was carried."""
    here, there = (cv2.moments((plane > 0.5).astype(np.uint8), binaryImage=True) for plane in (carried, first.belongs))
    scale = math.sqrt(here["m00"] / there["m00"]) if there["m00"] else 1.0
    x, y = (here[m] / here["m00"] - scale * there[m] / max(1.0, there["m00"]) for m in ("m10", "m01"))
    matrix, size = np.array([[scale, 0, x], [0, scale, y]]), carried.shape[::-1]
    look = cv2.warpAffine(first.look, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(look, np.uint8), np.asarray(cv2.warpAffine(first.belongs, matrix, size), np.float32)


def _guided(guide: NDArray[np.uint8], likely: Plane) -> Plane:
    """`likely` along the edges of `guide` (guided filter, He et al. 2010)."""
    grey, side = guide.astype(np.float32) / 255, (2 * _RADIUS + 1,) * 2
    mean, mean_likely = cv2.blur(grey, side), cv2.blur(likely, side)
    slope = (cv2.blur(grey * likely, side) - mean * mean_likely) / (cv2.blur(grey * grey, side) - mean * mean + _EVEN)
    offset = mean_likely - slope * mean
    return np.asarray(np.clip(cv2.blur(slope, side) * grey + cv2.blur(offset, side), 0, 1), np.float32)


def _connected(likely: Plane, before: NDArray[np.bool_]) -> Plane:
    """Without the pieces of which little was carried there."""
    n, pieces = cv2.connectedComponents((likely > 0.5).view(np.uint8))
    if n <= 2:
        return likely
    sizes = np.bincount(pieces.reshape(-1), minlength=n)
    kept = np.bincount(pieces[before], minlength=n) > 0.2 * sizes
    kept[0] = True
    return np.where(kept[pieces], likely, np.float32(0))

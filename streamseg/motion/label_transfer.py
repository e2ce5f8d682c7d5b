"""Labels for a frame from those of others: moved along, and voted for where they may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import sampled
from streamseg.motion.flow import Flow, Thumbnail, brighter, destinations, grid, inside, sample
from streamseg.motion.voting import Around, Index, Looks, Plane, Voters, elect, share, voters_around
from streamseg.segmentation import Segmentation

_SURE, _LOST = 12, 48  # grey levels of difference that cost no confidence, and all of it
TRUST = np.interp(np.arange(256), [_SURE, _LOST], [255, 0]).round().astype(np.uint8)
_SOFTENED = 0.67  # pixels: a pixel's own grey still makes three fifths of a row
_ASK = np.uint8(255)  # where this is a value, too, more is asked than need be, no more
MARGIN = 1  # pixels from a border in which votes are asked for: further away they change little
BALLOTS = 1 << 19  # of all pixels of one side: where nearly all of a mask is borders, each is asked by fewer
FEWEST = 5  # and by so many at least
EVEN = 16  # of 255: probabilities that differ by no more are not voted for


class Reference(NamedTuple):
    """A frame that labels can come from."""

    then: Thumbnail
    way: Flow | None
    """None where it is the frame itself that is matched."""
    labels: Plane
    confidence: Plane | None
    worth: float = 1.0
    """Of its votes, 0..1."""


class _Moved(NamedTuple):
    """A side as it is seen from the frame that is matched."""

    side: Reference
    values: Plane
    """Class ids, or how likely class 1 is; as they were."""
    most: Plane
    """The highest of the values around each pixel."""
    least: Plane
    there: Flow | None
    """Where each pixel was."""
    seen: Plane
    """The values, moved along; where those around differ, `_ASK` instead."""
    trust: Plane | None
    """(h, w) like the way: 0 where what is there does not look like what is here."""
    darker: float
    """Grey levels that the other frame lacks to be as bright."""


def looks_of(look: Thumbnail, shape: tuple[int, ...]) -> Looks:
    """Its brightness, less its noise, and both colours, at `shape`: what votes compare."""
    grey = np.asarray(cv2.GaussianBlur(_resized(look.grey, shape), (3, 3), _SOFTENED), np.uint8)
    blue, red = (_resized(colour, shape) for colour in look.colours)
    return grey, blue, red


LooksOf = Callable[[Thumbnail, tuple[int, ...]], Looks]


def match(now: Thumbnail, sides: Sequence[Reference], reach: float, looks: LooksOf = looks_of) -> tuple[Plane, Plane]:
    """Labels and confidence for `now`, each (h, w) u8 like those of the first side.

    For each pixel at a border those within `reach` pixels of where the motion leads vote, on all sides, the stronger
    the more they look like it: so borders settle on those of the picture, and of two sides the one counts that is not
    hidden. Labels are sampled once, whatever the length of the way. What looks like nothing there is not sure of its
    label. `looks` may remember what it gave: a frame that labels come from is asked for the same again and again.
    """
    shape = sides[0].labels.shape
    rows, columns = pixels_of_one(shape, now.grey.shape)
    around = voters_around(reach, rows, columns)
    window = np.ones((2 * round(MARGIN * rows) + 1, 2 * round(MARGIN * columns) + 1), np.uint8)
    soft = is_soft(sides)
    even = EVEN if soft else 0
    planes = [_soft(side, shape) if soft else _sampled(side.labels, shape) for side in sides]
    own = sides[0].way is None  # then borders are asked only where they moved
    moved = [
        _moved(now, side, values, None if own else window, even, looks)
        for side, values in zip(sides, planes, strict=True)
    ]
    values = _voted(now, moved, around, soft, even, looks)
    if not soft:
        return values, np.maximum.reduce([_sure(one) for one in moved])
    sure = np.asarray(cv2.max(values, cv2.bitwise_not(values)), np.uint8)
    trust = np.maximum.reduce([_fitted(one.trust, shape) for one in moved])
    return (values > 127).view(np.uint8), _times(sure, trust)


def is_soft(found: Sequence[Reference] | Sequence[Segmentation]) -> bool:
    """Whether it is voted for how likely class 1 is: there are two, and it is known how sure each is."""
    return max(int(one.labels.max()) for one in found) == 1 and all(one.confidence is not None for one in found)


def pixels_of_one(shape: tuple[int, ...], grey: tuple[int, ...]) -> tuple[float, float]:
    """Rows and columns of labels of that shape for a pixel of a small picture of the shape `grey`."""
    room = min(shape, grey, key=lambda size: size[0] * size[1])
    return shape[0] / room[0], shape[1] / room[1]


def disagreement(now: Thumbnail, side: Reference, labels: Plane, looks: LooksOf = looks_of) -> float:
    """Share of the frame, 0..1, where `labels`, (h, w) u8, differ from those of `side` moved along.

    Left out is what looks like nothing there, and what is thinner than three pixels: borders are never quite the same.
    """
    assert side.way is not None
    there = destinations(side.way, labels.shape)
    moved = sample(_sampled(side.labels, labels.shape), there, cv2.INTER_NEAREST)
    trust, _ = _trust(now, side.then, side.way, looks)
    differs = (moved != labels) & (_sampled(trust, labels.shape) > 0)
    thick = cv2.morphologyEx(differs.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return cv2.countNonZero(thick) / labels.size


def _moved(now: Thumbnail, side: Reference, values: Plane, window: Plane | None, even: int, looks: LooksOf) -> _Moved:
    if side.way is None:
        return _Moved(side, values, values, values, None, values, None, 0)
    most = least = marked = values
    if window is not None:
        most, least = (np.asarray(of(values, window), np.uint8) for of in (cv2.dilate, cv2.erode))
        marked = _marked(values, most, least, even)
    there = destinations(side.way, values.shape)
    seen = sample(marked, there, cv2.INTER_NEAREST)
    return _Moved(side, values, most, least, there, seen, *_trust(now, side.then, side.way, looks))


def _soft(side: Reference, shape: tuple[int, ...]) -> Plane:
    """How likely class 1 is, 0..254."""
    assert side.confidence is not None
    likely = cv2.bitwise_xor(side.confidence, side.labels - np.uint8(1))  # 255 less it where the label is 0
    return _sampled(np.minimum(likely, np.uint8(254)), shape)


def _marked(values: Plane, most: Plane, least: Plane, even: int) -> Plane:
    """The values, and `_ASK` where those around differ by more than `even`."""
    spread = cv2.subtract(most, least)
    cv2.threshold(spread, even, int(_ASK), cv2.THRESH_BINARY, spread)
    return np.asarray(cv2.bitwise_or(values, spread, spread), np.uint8)


def _voted(now: Thumbnail, moved: Sequence[_Moved], around: Around, soft: bool, even: int, looks: LooksOf) -> Plane:
    """What was moved along on the first side; where there or elsewhere something else may be meant, what won."""
    values: Plane = moved[0].seen.copy()
    pixels = np.flatnonzero(_asked(moved, even))
    if len(pixels):
        around = around[: max(FEWEST, BALLOTS // len(pixels))]
        y, u, v = looks(now, values.shape)
        asking = y.take(pixels), u.take(pixels), v.take(pixels)
        voters = [_voters(one, pixels, looks) for one in moved]
        motion = voters[0].values.take(voters[0].places)
        if soft:
            won = share(asking, motion, voters, around)
        else:
            won = elect(asking, motion, _rivals(motion, moved, voters), voters, around)
        values.reshape(-1)[pixels] = won
    return values


def _rivals(motion: Plane, moved: Sequence[_Moved], voters: Sequence[Voters]) -> Plane:
    """What else each pixel may be: what another side has there, else what is around there."""
    places = [side.places for side in voters]
    most = np.maximum.reduce([one.most.take(at) for one, at in zip(moved, places, strict=True)])
    least = np.minimum.reduce([one.least.take(at) for one, at in zip(moved, places, strict=True)])
    rivals = np.asarray(np.where(most != motion, most, least), np.uint8)
    for side in voters[1:]:
        there = side.values.take(side.places)
        np.copyto(rivals, there, where=there != motion)
    return rivals


def _asked(moved: Sequence[_Moved], even: int) -> NDArray[np.bool_]:
    """Where the sides differ, or something is marked."""
    first, *others = moved
    asked = np.zeros(first.seen.shape, bool) if first.there is None else first.seen == _ASK
    for other in others:
        asked |= cv2.absdiff(first.seen, other.seen) > even
        asked |= other.seen == _ASK
    return np.asarray(asked, bool)


def _voters(one: _Moved, pixels: Index, looks: LooksOf) -> Voters:
    shape = one.seen.shape
    places = _places(pixels, one.there, shape)
    return Voters(looks(one.side.then, shape), one.values, places, one.darker, one.side.worth)


def _places(pixels: Index, there: Flow | None, shape: tuple[int, ...]) -> Index:
    if there is None:
        return pixels
    height, width = shape
    pairs = there.view(np.complex64).reshape(-1).take(pixels)
    x, y = np.rint(pairs.real).clip(0, width - 1), np.rint(pairs.imag).clip(0, height - 1)
    return np.asarray(y * np.float64(width) + x, np.intp)


def _trust(now: Thumbnail, then: Thumbnail, way: Flow, looks: LooksOf) -> tuple[Plane, float]:
    """How much what is there, or next to it, looks like what is here; and how much brighter it is here.

    In colour too: what comes into the picture may be as bright as what it hides.
    """
    shape, places = way.shape[:2], grid(way.shape) + way
    here, there = looks(now, shape), tuple(sample(plane, places) for plane in looks(then, shape))
    by = cv2.mean(here[0])[0] - cv2.mean(there[0])[0]  # a change of exposure says nothing
    planes = zip(here, (brighter(there[0], by), *there[1:]), strict=True)
    unlike = np.maximum.reduce([_unlike(one, other) for one, other in planes])
    return np.asarray(cv2.LUT(cv2.blur(unlike, (3, 3)), TRUST), np.uint8) & inside(way), by


def _unlike(here: Plane, there: Plane) -> Plane:
    """By how many levels each pixel is beyond those around it in the other."""
    around = np.ones((3, 3), np.uint8)
    above, below = cv2.subtract(here, cv2.dilate(there, around)), cv2.subtract(cv2.erode(there, around), here)
    return np.asarray(cv2.max(above, below), np.uint8)


def _sure(one: _Moved) -> Plane:
    shape = one.seen.shape
    trust = _fitted(one.trust, shape)
    if one.side.confidence is None:
        return trust
    confidence = _sampled(one.side.confidence, shape)
    return _times(confidence if one.there is None else sample(confidence, one.there, cv2.INTER_NEAREST), trust)


def _times(sure: Plane, trust: Plane) -> Plane:
    return np.asarray(cv2.multiply(sure, trust, scale=1 / 255), np.uint8)


def _fitted(trust: Plane | None, shape: tuple[int, ...]) -> Plane:
    return np.full(shape, 255, np.uint8) if trust is None else _sampled(trust, shape)


def _resized(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    return np.asarray(cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)


def _sampled(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    return sampled(plane, (shape[0], shape[1]))

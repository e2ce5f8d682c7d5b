"""Drawn videos of one moving object whose mask is known: what tools/train_refit.py learns from.

Objects are people cut out of pictures, nuclei, and drawn things of patches of pictures; each moves, turns, grows and
bends before a background that moves too, sometimes with something else in front of it or behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from refit_layers import FRAMES, HEIGHT, WIDTH, Field, Image, Layer, alike, over, shadow, smeared
from refit_limbs import Limb, parted

Plane = NDArray[np.uint8]

_LONGEST = 360  # pixels of a picture's longer side


@dataclass(frozen=True)
class Thing:
    """A picture, and where in it an object is."""

    picture: Image
    mask: Plane
    """0 or 1."""
    cut: bool
    """Whether the picture is a scene that it was cut out of."""

    @property
    def middle(self) -> NDArray[np.float64]:
        rows, columns = np.nonzero(self.mask)
        return np.array([columns.mean(), rows.mean()])

    @property
    def layer(self) -> Image:
        return np.dstack([self.picture, self.mask * np.uint8(255)])


class Scenes:
    """Draws scenes of the pictures in `folder`: people/, road/ and nuclei/."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._people = [(each, folder / "people/masks" / f"{each.stem}.png") for each in _files(folder, "people")]
        self._nuclei = [(each, folder / "nuclei/instances" / f"{each.stem}.png") for each in _files(folder, "nuclei")]
        self._backgrounds = [[pair[0] for pair in self._people], _files(folder, "road"), _files(folder, "nuclei")]

    def __call__(self) -> tuple[list[Image], list[Plane]]:
        """Frames and masks, 0 or 1, of `FRAMES` pictures; drawn again until the object is in sight."""
        while True:
            images, masks = self._scene()
            if 0.006 < masks[0].mean() < 0.75 and masks[FRAMES // 2].mean() > 0.004:
                return images, masks

    def _scene(self) -> tuple[list[Image], list[Plane]]:
        random = self._random
        thing = self._thing()
        pace, own, bend = (
            float(min(most, np.exp(random.normal(mean, width))))
            for mean, width, most in ((0.6, 1.1, 18), (1.3, 0.9, 24), (0.9, 0.9, 16))
        )
        at_home = thing.cut and random.random() < 0.5
        if at_home:
            far, near = self._home(thing, pace, own, bend)
        else:
            picture = thing.picture if random.random() < 0.2 else self._background()  # there its colours are all around
            if random.random() < 0.3:
                picture = alike(picture, thing.picture[thing.mask > 0], random.uniform(0.3, 1))
            scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0]) * random.uniform(1.0, 1.6)
            middle = np.array(picture.shape[1::-1]) / 2
            far = self._layer(picture, middle, (WIDTH / 2, HEIGHT / 2), scale, pace, bend * 0.15)
            size = random.uniform(0.12, 0.55) * HEIGHT / np.sqrt(thing.mask.sum())
            place = random.uniform(0.2, 0.8) * WIDTH, random.uniform(0.25, 0.8) * HEIGHT
            near = self._layer(thing.layer, thing.middle, place, size, own, bend)
        near.speed = near.speed + far.speed
        other = self._other(thing, own, bend) if random.random() < 0.4 else None
        return self._filmed(far, near, other, at_home)

    def _filmed(self, far: Layer, near: Layer, other: Layer | None, plain: bool) -> tuple[list[Image], list[Plane]]:
        random = self._random
        in_front, blurred, panned = random.random() < 0.5, random.random() < 0.35, random.random() < 0.2
        cast = (random.normal(0, 0.6), random.uniform(-0.5, 0.5)) if random.random() < 0.25 else None
        dark, soft = random.uniform(0.2, 0.7), int(random.integers(1, 12))
        quality = int(random.integers(15, 75)) if random.random() < 0.3 else 0
        tone = np.ones(3) if plain else random.normal(1, 0.15, 3)
        gain, offset, drift = random.normal(1, 0.12, 3), random.normal(0, 8, 3), random.normal(0, 0.01)
        noise = abs(random.normal(0, 3))
        images, masks = [], []
        for at in range(FRAMES):
            image: Field = (smeared(far.drawn(at), far.speed) if panned else far.drawn(at)).astype(np.float32)
            if other is not None and not in_front:
                image, _ = over(image, other.drawn(at))
            drawn = smeared(near.drawn(at), near.speed) if blurred else near.drawn(at)
            if cast is not None:
                image = image * shadow(drawn, np.array(cast), dark, soft)
            image, mask = over(image, drawn, tone)
            if other is not None and in_front:
                image, hides = over(image, other.drawn(at))
                mask = mask * (1 - hides)
            lit = image * gain * (1 + drift * at) + offset
            if noise > 0.5:
                grains = random.standard_normal((HEIGHT // 2, WIDTH // 2, 3)).astype(np.float32)
                lit = lit + cv2.resize(grains, (WIDTH, HEIGHT)) * noise
            images.append(_coded(np.clip(lit, 0, 255).astype(np.uint8), quality))
            masks.append((mask > 0.5).astype(np.uint8))
        return images, masks

    def _home(self, thing: Thing, pace: float, own: float, bend: float) -> tuple[Layer, Layer]:
        """The object in the picture that it was cut out of, whose hole is filled."""
        high, wide = thing.mask.shape
        scale = max(WIDTH / wide, HEIGHT / high) * self._random.uniform(1.0, 1.5)
        half = np.array([WIDTH, HEIGHT]) / 2 / scale
        seen = np.maximum(np.minimum(thing.middle, np.array([wide, high]) - half), half)
        centre = np.array([WIDTH / 2, HEIGHT / 2])
        far = self._layer(self._filled(thing), seen, centre, scale, pace, bend * 0.15, turned=False)
        place = centre + (thing.middle - seen) * scale
        return far, self._layer(thing.layer, thing.middle, place, scale, own, bend, turned=False)

    def _other(self, thing: Thing, pace: float, bend: float) -> Layer:
        """Something else, sometimes the same once more."""
        thing = thing if self._random.random() < 0.25 else self._thing()
        size = self._random.uniform(0.08, 0.4) * HEIGHT / np.sqrt(thing.mask.sum())
        place = self._random.uniform(0, 1) * WIDTH, self._random.uniform(0.2, 0.9) * HEIGHT
        return self._layer(thing.layer, thing.middle, place, size, pace, bend)

    def _layer(
        self,
        picture: Image,
        middle: NDArray[np.float64],
        place: tuple[float, float] | NDArray[np.float64],
        scale: float,
        pace: float,
        bend: float,
        turned: bool = True,
    ) -> Layer:
        rest, limbs = picture, list[Limb]()
        if picture.shape[2] == 4 and self._random.random() < 0.5:
            rest, limbs = parted(self._random, picture)
        return Layer(self._random, rest, middle, np.array(place), scale, pace, bend, turned, limbs)

    # What moves.

    def _thing(self) -> Thing:
        while True:
            at = self._random.random()
            thing = self._person() if at < 0.48 else self._nucleus() if at < 0.54 else self._drawn()
            if 0.01 < thing.mask.mean() < 0.7:
                return thing

    def _person(self) -> Thing:
        file, labels = self._people[self._random.integers(len(self._people))]
        picture = _read(file)
        mask = (np.asarray(cv2.imread(str(labels), cv2.IMREAD_GRAYSCALE)) == 1).astype(np.uint8)
        mask = np.asarray(cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
        return Thing(picture, _largest(mask), cut=True)

    def _nucleus(self) -> Thing:
        file, labels = self._nuclei[self._random.integers(len(self._nuclei))]
        picture = np.asarray(cv2.imread(str(file)), np.uint8)
        numbers = np.asarray(cv2.imread(str(labels), cv2.IMREAD_UNCHANGED))
        mask = (numbers == self._random.choice(np.unique(numbers)[1:])).astype(np.uint8)
        x, y, wide, high = cv2.boundingRect(mask)
        part = np.s_[max(0, y - high) : y + 2 * high, max(0, x - wide) : x + 2 * wide]
        size = 160, 160
        return Thing(
            np.asarray(cv2.resize(picture[part], size, interpolation=cv2.INTER_CUBIC), np.uint8),
            np.asarray(cv2.resize(mask[part], size, interpolation=cv2.INTER_NEAREST), np.uint8),
            cut=False,
        )

    def _drawn(self) -> Thing:
        """A blob, a polygon, or a body with limbs; of a patch of a picture, its parts in colours of their own."""
        random, picture = self._random, self._background()
        shape = picture.shape[:2]
        draw: Callable[[tuple[int, ...]], Plane] = (self._blob, self._polygon, self._body)[random.integers(3)]
        mask = draw(shape)
        painted: NDArray[np.floating[Any]] = picture.astype(np.float32)
        if random.random() < 0.7:  # else it may look like what is around it
            painted = painted * random.uniform(0.2, 1.0) + self._paint()
        for _ in range(random.integers(0, 4)):
            part = self._blob(shape) if random.random() < 0.5 else self._polygon(shape)
            shift = random.integers(-60, 60, 2)
            part = np.roll(part, tuple(int(each) for each in shift), (0, 1))
            painted = np.where(part[..., None] > 0, painted * random.uniform(0, 0.8) + self._paint(), painted)
        return Thing(np.clip(painted, 0, 255).astype(np.uint8), mask, cut=False)

    def _paint(self) -> NDArray[np.float64]:
        return self._random.uniform(-20, 150) + self._random.normal(0, 30, 3)

    def _blob(self, shape: tuple[int, ...]) -> Plane:
        random, (high, wide) = self._random, shape
        n = random.integers(3, 8)
        bumps = cv2.resize(
            random.standard_normal((n, n)).astype(np.float32), (wide, high), interpolation=cv2.INTER_CUBIC
        )
        y, x = np.mgrid[0:high, 0:wide]
        far = np.hypot((y - high / 2) / high, (x - wide / 2) / wide)
        return _largest((bumps - 4 * (far - random.uniform(0.15, 0.4)) > 0).astype(np.uint8))

    def _polygon(self, shape: tuple[int, ...]) -> Plane:
        random, (high, wide) = self._random, shape
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(4, 11)))
        radius = random.uniform(0.35, 1, len(angles)) * min(shape) * random.uniform(0.15, 0.45)
        corners = np.stack([np.cos(angles) * random.uniform(0.7, 1.8), np.sin(angles)], 1) * radius[:, None]
        return _filled_polygon(shape, corners + (wide / 2, high / 2))

    def _body(self, shape: tuple[int, ...]) -> Plane:
        """Something with a trunk, a head and thin legs or arms."""
        random, (high, wide) = self._random, shape
        mask = np.zeros(shape, np.uint8)
        size = min(shape) * random.uniform(0.12, 0.25)
        axes = np.array([size * random.uniform(1.0, 1.8), size * random.uniform(0.5, 0.9)])
        centre = np.array([wide / 2, high / 2])
        turn = float(random.uniform(-30, 30))
        cv2.ellipse(mask, (tuple(map(float, centre)), tuple(map(float, 2 * axes)), turn), 1, -1)
        for _ in range(random.integers(2, 8)):
            start = centre + random.uniform(-0.8, 0.8, 2) * axes
            reach = random.normal(0, 0.5) if random.random() < 0.7 else random.uniform(-3, 3)
            direction = np.array([np.sin(reach), np.cos(reach)]) * size
            knee = start + direction * random.uniform(0.5, 1.4)
            foot = knee + direction * random.uniform(0.3, 1.2) + random.normal(0, 0.3, 2) * size
            joints = np.rint([start, knee, foot]).astype(np.int32)
            cv2.polylines(mask, [joints], False, 1, max(2, round(size * random.uniform(0.04, 0.4))))
        return mask

    def _background(self) -> Image:
        at = self._random.choice(len(self._backgrounds), p=(0.55, 0.35, 0.1))
        files = self._backgrounds[at]
        return _read(files[self._random.integers(len(files))])

    def _filled(self, thing: Thing) -> Image:
        """The picture without the object: what is around it flows in, with some texture of another place."""
        hole = np.asarray(cv2.dilate(thing.mask, np.ones((7, 7), np.uint8)))
        small = cv2.resize(thing.picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        there = cv2.resize(hole, small.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        filled = cv2.inpaint(small, np.asarray(cv2.dilate(there, np.ones((3, 3), np.uint8))), 3, cv2.INPAINT_TELEA)
        flat = cv2.resize(filled, hole.shape[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float32)
        wide = hole.shape[1]
        grain = np.roll(thing.picture, self._random.integers(wide // 4, 3 * wide // 4), 1).astype(np.float32)
        grain = (grain - cv2.blur(grain, (31, 31))) * self._random.uniform(0, 1)
        return np.where(hole[..., None] > 0, np.clip(flat + grain, 0, 255), thing.picture).astype(np.uint8)


def _filled_polygon(shape: tuple[int, ...], corners: NDArray[np.float64]) -> Plane:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask


def _largest(mask: Plane) -> Plane:
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask)
    return mask if count < 2 else (numbers == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)


def _files(folder: Path, name: str) -> list[Path]:
    return sorted((folder / name / "images").iterdir())


def _read(file: Path) -> Image:
    picture = np.asarray(cv2.imread(str(file)), np.uint8)
    scale = _LONGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _coded(image: Image, quality: int) -> Image:
    """As a JPEG leaves it; 0: as it is."""
    if not quality:
        return image
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)

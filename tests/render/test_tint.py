from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.contracts import Controls
from streamseg.frame import Frame, Image
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.render.tint import tint
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes

COLOURS = np.array([[0, 0, 0], [90, 170, 60], [160, 80, 110]], np.uint8)
HEIGHT, WIDTH = 360, 640


def decoded(colours: tuple[int, int] = (6, 1)) -> Planes:
    """Brightness of all kinds in soft colours, so that no blend leaves what BGR can hold."""
    dice = np.random.default_rng(0)
    buffer = dice.integers(80, 150, (HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
    buffer[HEIGHT:] = dice.integers(118, 138, (HEIGHT // 2, WIDTH), dtype=np.uint8)
    return Planes.blank(buffer, colours)


def made(labels: NDArray[np.uint8], count: int = 3, background: int | None = 0) -> Segmentation:
    return Segmentation(labels, Classes(tuple("abc"[:count]), COLOURS[:count], background), 0, 0.0)


def tinted(planes: Planes, segmentation: Segmentation, opacity: float = 0.5) -> Planes:
    drawn = Planes.blank(np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8), planes.colours)
    tint(drawn, planes, segmentation, opacity)
    return drawn


def overlay(planes: Planes, segmentation: Segmentation, opacity: float = 0.5) -> Image:
    controls = Controls()
    render = make_renderer(RenderOptions(opacity=opacity), controls)
    picture = render(Frame(planes.image, 0, 0.0, 0.0), segmentation, Meter().read())
    assert not isinstance(picture, Planes)
    return picture


@pytest.mark.parametrize("colours", [(6, 1), (1, 1), (1, 2), (9, 1)])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_planes_look_like_the_picture_blended_in_bgr(colours: tuple[int, int], count: int, opacity: float) -> None:
    planes = decoded(colours)
    labels = np.random.default_rng(1).integers(0, count, (12, 20), dtype=np.uint8)
    segmentation = made(labels, count)
    ours, theirs = tinted(planes, segmentation, opacity).image.astype(int), overlay(planes, segmentation, opacity)
    assert np.abs(ours - theirs).mean() < 3
    assert (np.abs(ours - theirs).max(2) > 8).mean() < 0.03, "other than at the borders, which follow blocks of 2x2"


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_not_drawn_stays_to_the_bit(count: int) -> None:
    planes = decoded()
    labels = np.zeros((36, 64), np.uint8)
    labels[10:20, 20:40] = count - 1
    labels[30:] = 255
    drawn = tinted(planes, made(labels, count))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[90:210, 190:410] = True
    assert (drawn.y[~inside] == planes.y[~inside]).all()
    assert (drawn.image[~inside] == planes.image[~inside]).all()
    assert (drawn.u[~inside[::2, ::2]] == planes.u[~inside[::2, ::2]]).all()
    assert (drawn.y[110:190, 210:390] != planes.y[110:190, 210:390]).mean() > 0.9


def test_brightness_and_colour_change_in_the_same_blocks() -> None:
    planes = decoded()
    labels = np.random.default_rng(2).integers(0, 2, (9, 16), dtype=np.uint8)
    drawn = tinted(planes, made(labels, 2), 1.0)
    blocks = (drawn.y != planes.y).reshape(HEIGHT // 2, 2, WIDTH // 2, 2)
    alike = blocks.all((1, 3)) | ~blocks.any((1, 3))
    assert alike.mean() > 0.95, "a pixel that has the class's brightness by chance is the only exception"
    assert (alike | (drawn.u != planes.u)).all()


def test_without_a_background_every_pixel_is_drawn() -> None:
    planes = decoded()
    drawn = tinted(planes, made(np.ones((4, 4), np.uint8), 3, background=None), 1.0)
    assert np.abs(drawn.image.astype(int) - COLOURS[1]).max() <= 4


@pytest.mark.parametrize("extra", ["outline", "legend", "hud"])
def test_what_is_written_over_planes_needs_a_picture(extra: str) -> None:
    labels = np.zeros((36, 64), np.uint8)
    labels[10:20, 20:40] = 1
    frame, segmentation = Frame(decoded(), 0, 0.0, 0.0), made(labels)
    plain = make_renderer(RenderOptions(), Controls())(frame, segmentation, Meter().read())
    assert isinstance(plain, Planes)
    more = make_renderer(RenderOptions(**{extra: True}), Controls())(frame, segmentation, Meter().read())  # type: ignore[arg-type]
    assert not isinstance(more, Planes)
    assert more.shape == plain.image.shape
    changed = (more != plain.image).any(2).mean()
    assert 0 < changed < 0.5


def test_planes_that_are_kept_are_not_drawn_over() -> None:
    render = make_renderer(RenderOptions(), Controls())
    frame = Frame(decoded(), 0, 0.0, 0.0)
    kept = render(frame, made(np.ones((4, 4), np.uint8)), Meter().read())
    assert isinstance(kept, Planes)
    wrapped, before = kept.wrapped(), kept.y.copy()
    del kept
    for _ in range(3):
        render(frame, made(np.full((4, 4), 2, np.uint8)), Meter().read())
    assert (wrapped.to_ndarray()[:HEIGHT] == before).all(), "an encoder that still holds the frame holds its bytes"

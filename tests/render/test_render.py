from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from streamseg.contracts import Controls, Renderer
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, as_image
from streamseg.metrics import Explanation, Meter, Metrics
from streamseg.options import RenderOptions
from streamseg.render import VIEWS, make_renderer
from streamseg.render.hud import hud_lines
from streamseg.render.text import make_panel, text_scale
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(("background", "cell"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), 0)


def metrics() -> Metrics:
    meter = Meter()
    for i in range(50):
        meter.captured()
        meter.shown({"age": 42.0, "infer": 7.0}, now_s=i / 25)
    meter.dropped("newer", 3)
    return meter.read()


def one(height: int, width: int, labels: tuple[int, int] = (16, 16)) -> tuple[Frame, Segmentation]:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    instances = Instances(
        np.array([1], np.int32),
        np.array([0.9], np.float32),
        np.array([[width * 0.2, height * 0.2, width * 0.8, height * 0.8]], np.float32),
        np.ones((1, 28, 28), np.float32),
        np.array([-1], np.int32),
    )
    ids = np.random.default_rng(1).integers(0, 2, labels, dtype=np.uint8)
    return Frame(image, 0, 0.0, 0.0), Segmentation(ids, CLASSES, 0, 0.0, instances=instances)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (37, 53), (480, 270), (720, 1280)])
@pytest.mark.parametrize("labels", [(1, 1), (16, 16), (720, 1280)])
def test_every_view_draws_frames_and_labels_of_any_size(
    view: str, size: tuple[int, int], labels: tuple[int, int]
) -> None:
    frame, segmentation = one(*size, labels)
    before = frame.image.copy()
    options = RenderOptions(view=view, outline=True, legend=True, hud=True)
    picture = make_renderer(options, Controls())(frame, segmentation, metrics())
    assert picture.shape == (size[0], size[1] * (2 if view == "side-by-side" else 1), 3)
    assert (frame.image == before).all()


@pytest.mark.parametrize(("time_s", "follows"), [(1.0, True), (0.04, False), (-1.0, True)])
def test_the_legend_has_the_shares_of_its_own_moment_however_fast_frames_come(time_s: float, follows: bool) -> None:
    frame, _ = one(240, 320)
    plain = RenderOptions(view="source", legend=True)

    def drawn(renderer: Renderer, share: int, moment_s: float) -> Image:
        at = Frame(frame.image, 1, moment_s, 0.0)
        labels = _covered(share)
        pixels = renderer(at, Segmentation(labels, CLASSES, 1, moment_s), metrics())
        return np.array(as_image(pixels), np.uint8)

    renderer = make_renderer(plain, Controls())
    few = drawn(renderer, 1, 0.0)
    expected = drawn(make_renderer(plain, Controls()), 9, time_s) if follows else few
    assert not np.array_equal(drawn(make_renderer(plain, Controls()), 9, time_s), few)
    assert np.array_equal(drawn(renderer, 9, time_s), expected)


@pytest.mark.parametrize(("file", "page"), [("b.png", None), ("a.png", 1)])
def test_each_picture_has_a_legend_of_its_own_however_short_it_is_shown(file: str, page: int | None) -> None:
    frame, _ = one(240, 320)
    first, then = (
        (dataclasses.replace(frame, index=index, time_s=index / 30, file=name, page=number), _covered(share))
        for index, (name, number, share) in enumerate([("a.png", None, 1), (file, page, 9)])
    )

    def drawn(renderer: Renderer, at: Frame, labels: NDArray[np.uint8]) -> Image:
        return np.array(as_image(renderer(at, Segmentation(labels, CLASSES, at.index, at.time_s), metrics())), np.uint8)

    options = RenderOptions(view="source", legend=True)
    renderer = make_renderer(options, Controls())
    drawn(renderer, *first)
    assert np.array_equal(drawn(renderer, *then), drawn(make_renderer(options, Controls()), *then))


def _covered(tenths: int) -> NDArray[np.uint8]:
    labels = np.zeros((10, 10), np.uint8)
    labels[:tenths] = 1
    return labels


@pytest.mark.parametrize("extra", ["outline", "legend", "hud", "boxes"])
def test_every_extra_draws_something_over_the_view(extra: str) -> None:
    frame, segmentation = one(240, 320)
    off = RenderOptions(boxes=False)
    plain = make_renderer(off, Controls())(frame, segmentation, metrics())
    more = make_renderer(replace(off, **{extra: True}), Controls())(frame, segmentation, metrics())
    assert (as_image(plain) != as_image(more)).any()


def test_view_and_opacity_follow_the_controls() -> None:
    frame, segmentation = one(48, 64)
    controls = Controls()
    render = make_renderer(RenderOptions(boxes=False), controls)
    first = as_image(render(frame, segmentation, metrics())).copy()
    controls.opacity = 0.0
    assert (as_image(render(frame, segmentation, metrics())) == frame.image).all()
    controls.view = "mask"
    assert (as_image(render(frame, segmentation, metrics())) != first).any()
    assert controls.views == tuple(VIEWS)


def test_a_picture_that_is_kept_is_not_drawn_over() -> None:
    frame, segmentation = one(48, 64)
    controls = Controls()
    render = make_renderer(RenderOptions(boxes=False), controls)
    kept = as_image(render(frame, segmentation, metrics()))
    copy = kept.copy()
    controls.view = "mask"
    render(frame, segmentation, metrics())
    assert (kept == copy).all()


def test_an_unknown_view_is_one_line_that_lists_them() -> None:
    with pytest.raises(InputError, match="side-by-side"):
        make_renderer(RenderOptions(view="sideways"), Controls())


def test_the_hud_tells_rate_age_and_drops() -> None:
    text = " ".join(hud_lines(metrics()))
    assert "fps" in text
    assert "42 ms old" in text
    assert "3 dropped" in text


def test_the_decision_fits_into_a_small_picture() -> None:
    told = dataclasses.replace(
        metrics(), explanation=Explanation("each", "the network looks at every frame, effort usual", "")
    )
    small = np.zeros((144, 176, 3), np.uint8)
    assert make_panel([(line, None) for line in hud_lines(told)], text_scale(small)).shape[1] <= 176

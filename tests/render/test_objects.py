from __future__ import annotations

import numpy as np
import pytest

from streamseg.contracts import Controls
from streamseg.frame import Frame, as_image
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.render.objects import Objects
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(("background", "cell"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), 0)
FRAME = Frame(np.full((100, 200, 3), 40, np.uint8), 0, 0.0, 0.0)


def segmentation(*boxes: tuple[int, int, int, int], tracks: tuple[int, ...] = ()) -> Segmentation:
    n = len(boxes)
    instances = Instances(
        np.ones(n, np.int32),
        np.linspace(0.9, 0.8, n).astype(np.float32),
        np.array(boxes, np.float32).reshape(n, 4),
        np.ones((n, 4, 4), np.float32),
        np.array(tracks or [-1] * n, np.int32),
    )
    return Segmentation(np.zeros((100, 200), np.uint8), CLASSES, 0, 0.0, instances=instances)


def draw(found: Segmentation) -> np.ndarray:
    picture = np.empty_like(FRAME.image)
    Objects()(picture, FRAME, found, 0.5)
    return picture


def test_objects_that_touch_have_different_colours_and_the_rest_stays() -> None:
    picture = draw(segmentation((20, 20, 60, 60), (60, 20, 100, 60)))
    left, right = picture[40, 40], picture[40, 80]
    assert np.abs(left.astype(int) - right).sum() > 60
    assert (picture[80, 150] == 40).all()


def test_a_tracked_object_keeps_its_colour() -> None:
    one = draw(segmentation((20, 20, 60, 60), (100, 20, 140, 60), tracks=(5, 9)))
    other = draw(segmentation((100, 20, 140, 60), tracks=(9,)))
    assert (one[40, 120] == other[40, 120]).all()


@pytest.mark.parametrize("view", ["objects", "boxes"])
def test_a_model_without_objects_is_drawn_by_its_labels(view: str) -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[:, :50] = 1
    render = make_renderer(RenderOptions(view=view), Controls())
    picture = as_image(render(FRAME, Segmentation(labels, CLASSES, 0, 0.0), Meter().read()))
    assert picture[50, 20, 1] > 100
    assert (picture[50, 150] == 40).all()


def test_boxes_are_shown_alone_and_named_where_there_is_room() -> None:
    render = make_renderer(RenderOptions(view="boxes"), Controls())
    wide = as_image(render(FRAME, segmentation((20, 30, 180, 90)), Meter().read())).copy()
    assert (wide[60, 100] == 40).all()
    assert wide[60, 20, 1] > 150
    small = as_image(render(FRAME, segmentation((20, 30, 30, 40)), Meter().read()))
    assert (wide[20:29, 22:100] == 245).any()
    assert (small[20:28, 32:100] == 40).all()

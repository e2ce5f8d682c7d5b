"""What every line of the table of methods must keep."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.classical import METHODS, load

QUICK = [name for name in METHODS if name != "kmeans-reference"]
SIZES = [(1, 1), (1, 7), (3, 2), (16, 16), (61, 83), (240, 320), (480, 640)]


def noise(height: int, width: int, index: int = 0) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(image, index, index / 25, 0.0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_labels_cover_the_frame_and_are_classes(name: str, size: tuple[int, int]) -> None:
    if name == "kmeans-reference" and size[0] > 100:
        size = (61, 83)
    recipe = load(name, {})
    segment = recipe.make(1)
    for index in range(2):
        frame = noise(*size, index)
        before = frame.image.copy()
        (found,) = segment([frame])
        assert found.frame_index == index
        assert found.frame_time_s == frame.time_s
        assert found.classes.names == recipe.classes.names
        assert int(found.labels.max()) < len(recipe.classes)
        assert abs(found.labels.shape[1] / found.labels.shape[0] - size[1] / size[0]) < 0.05 * max(1, size[1])
        assert (frame.image == before).all()
    segment.close()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_frame_of_one_colour_is_no_trouble(name: str, value: int) -> None:
    frame = Frame(np.full((40, 60, 3), value, np.uint8), 0, 0.0, 0.0)
    assert len(load(name, {}).make(1)([frame, frame])) == 2


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_setting_is_one_line_that_names_the_known(name: str) -> None:
    with pytest.raises(InputError, match="nonsense") as caught:
        load(name, {"nonsense": 1})
    assert "\n" not in str(caught.value)
    assert all(known in str(caught.value) for known in METHODS[name].settings.__struct_fields__)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("threshold", {"value": "256"}),
        ("threshold", {"value": "bright"}),
        ("adaptive", {"block": 4}),
        ("adaptive", {"offset": -1e30}),
        ("adaptive", {"offset": float("nan")}),
        ("hsv", {"low": ["1", "2"]}),
        ("hsv", {"low": [180, 0, 0]}),
        ("grow", {"seeds": [0.5]}),
        ("grow", {"seeds": [-1, 0.5]}),
        ("grow", {"seeds": [0.5, 0.5] * 255}),
        ("watershed", {"count": 255}),
        ("grabcut", {"box": [0.8, 0.1, 0.2, 0.9]}),
        ("kmeans", {"k": 1}),
        ("motion", {"history": 0}),
    ],
)
def test_a_setting_out_of_range_is_one_line(name: str, settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))) as caught:
        load(name, settings)
    assert "\n" not in str(caught.value)


def test_settings_may_be_text_as_the_command_line_gives_them() -> None:
    assert len(load("kmeans", {"k": "5"}).classes) == 5
    assert load("grow", {"seeds": ["0.1", "0.2", "0.3", "0.4"]}).classes.names[1:] == ("region 1", "region 2")


def test_a_word_that_a_setting_does_not_take_names_those_it_does() -> None:
    with pytest.raises(InputError, match="method: expected one of mean, gaussian, not 'median'"):
        load("adaptive", {"method": "median"})

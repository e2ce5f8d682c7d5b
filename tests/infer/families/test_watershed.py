from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.infer.families import FAMILIES, Limits, Objects, Seen, recognise
from streamseg.infer.instances import place
from streamseg.infer.model.geometry import make_fit

SIZE = (80, 120)
"""Of the input; maps are half as high and wide."""


def discs(*centres: tuple[int, int], radius: int = 9, sure: float = 0.9) -> NDArray[np.float32]:
    """Maps of discs, at the maps' own size, that are cut where they meet."""
    y, x = np.mgrid[:40, :60].astype(np.float32)
    far = np.sort([np.hypot(x - at[0], y - at[1]) for at in centres], axis=0)
    there = far[0] < radius
    border = there & (far[1] - far[0] < 2) if len(far) > 1 else np.zeros_like(there)
    depth = np.clip(1 - far[0] / radius, 0, 1)
    return np.stack([there * sure, border, depth]).astype(np.float32)


def decoded(maps: NDArray[np.float32] | NDArray[np.uint8], least: float = 0.5, most: int = 100) -> Objects:
    return FAMILIES["watershed"].decode({"maps": maps}, SIZE, Limits(least, most, None))


def test_two_that_touch_are_two_and_each_has_its_half() -> None:
    found = decoded(discs((20, 20), (35, 20)))
    assert found.class_ids.tolist() == [1, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.9])
    assert found.numbers is not None
    whole = found.numbers > 0
    true = cv2.resize((discs((20, 20), (35, 20))[0] > 0).astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    assert whole.shape == SIZE
    assert (whole & (true > 0)).sum() / (whole | (true > 0)).sum() > 0.95
    left, right = (found.numbers[40, 40], found.numbers[40, 70])
    assert left != right
    assert (found.numbers[whole & (np.arange(120) < 52)] == left).all()
    assert (found.numbers[whole & (np.arange(120) > 59)] == right).all()


def test_borders_have_no_steps_of_the_maps_size() -> None:
    found = decoded(discs((20, 20)))
    assert found.numbers is not None
    blocks = found.numbers.reshape(SIZE[0] // 2, 2, SIZE[1] // 2, 2)
    assert (blocks.min((1, 3)) != blocks.max((1, 3))).any()  # pixels of the maps that are in part inside


def test_boxes_and_masks_lie_in_the_frame() -> None:
    fit = make_fit("stretch", (160, 240), SIZE)
    instances = place(decoded(discs((20, 20))), fit, 2, 0)
    assert instances.boxes.tolist() == [[12 * 4, 12 * 4, 29 * 4, 29 * 4]]
    mask = instances.mask(0, (160, 240))
    truth = cv2.resize((discs((20, 20))[0] > 0).astype(np.uint8), (240, 160), interpolation=cv2.INTER_NEAREST) > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.97


def test_bytes_say_the_same_as_numbers() -> None:
    maps = discs((20, 20), (35, 20))
    as_bytes = decoded((maps * 255 + 0.5).astype(np.uint8))
    np.testing.assert_array_equal(as_bytes.numbers, decoded(maps).numbers)


def test_what_is_not_sure_or_too_many_is_left_out() -> None:
    assert len(decoded(discs((20, 20), sure=0.7), least=0.75).scores) == 0
    nothing = decoded(np.zeros((3, 40, 60), np.float32))
    assert nothing.boxes.shape == (0, 4) and nothing.numbers is not None and not nothing.numbers.any()
    best = decoded(discs((12, 20), (45, 20)), most=1)
    assert best.numbers is not None and set(np.unique(best.numbers)) == {0, 1}


def test_an_object_without_a_seed_is_one_too() -> None:
    maps = discs((20, 20))
    maps[2] *= 0.2
    assert len(decoded(maps).scores) == 1


def test_three_maps_are_such_a_networks_only_where_somebody_says_so() -> None:
    seen = Seen({"maps": (1, 3, 40, 60)}, SIZE)
    assert recognise(seen) is None
    found = recognise(seen, "watershed")
    assert found is not None and (found.roles, found.classes) == ({"maps": "maps"}, 2)
    assert recognise(Seen({"maps": (1, 4, 40, 60)}, SIZE), "watershed") is None

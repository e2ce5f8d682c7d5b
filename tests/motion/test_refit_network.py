"""The network that fits carried masks, as it is asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.motion.flow import grid, look_at
from streamseg.motion.refit import pictures, soft
from streamseg.motion.refit_colours import SIZE, likely_colours
from streamseg.motion.refit_network import LANES, MASK, STRIDE, Network, inputs
from tests.motion.test_refit import carried, drawn, found, seen

Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def network() -> Network:
    network = Network()
    assert network.there
    return network


def shown(index: int, mask: int) -> Bytes:
    """(6, h, w): that frame, and the mask of another one, found in it."""
    picture, known = pictures(look_at(seen(index))), pictures(look_at(seen(mask)))
    carried = soft(drawn(mask)[1], 1)
    return inputs(picture, carried, likely_colours(known, carried))


def overlap(one: Bytes, other: Bytes) -> float:
    return float(((one > 127) & (other > 127)).sum() / ((one > 127) | (other > 127)).sum())


def test_a_mask_that_fits_stays(network: Network) -> None:
    true = soft(drawn(2)[1], 1)
    likely = network(shown(2, 2))
    assert likely.dtype == np.uint8
    assert overlap(likely, true) > 0.9
    assert (likely[true == 0] < 16).mean() > 0.95


def test_a_mask_of_the_frame_before_is_brought_nearer(network: Network) -> None:
    true, before = (soft(drawn(index)[1], 1) for index in (2, 1))
    once, twice = (overlap(network(shown(2, 1), passes), true) for passes in (1, 2))
    assert min(once, twice) > overlap(before, true) + 0.1


def test_each_pixel_is_answered_at_its_own_place(network: Network) -> None:
    """A mask across the picture and one down it, in a picture that says nothing."""
    blank = np.full((6, *SIZE), 128, np.uint8)
    for rows, columns in ((slice(40, 56), slice(0, 160)), (slice(0, 96), slice(60, 92))):
        planes = blank.copy()
        planes[3:] = 0
        planes[3:, rows, columns] = 255
        found = network(planes)
        assert overlap(found, planes[3]) > 0.85
        y, x = np.nonzero(found > 127)
        true_y, true_x = np.nonzero(planes[3])
        assert abs(y.mean() - true_y.mean()) < 0.5
        assert abs(x.mean() - true_x.mean()) < 0.5


def test_a_part_is_answered_like_the_whole(network: Network) -> None:
    planes = shown(2, 1)
    part = np.s_[0:80, 0:96]
    whole, alone = network(planes)[part], network(planes[:, 0:80, 0:96])
    assert alone.shape == (80, 96)
    assert overlap(alone, whole) > 0.97


def test_what_it_is_shown_stays_as_it_is(network: Network) -> None:
    planes = shown(2, 1)
    before = planes.copy()
    network(planes, 2)
    np.testing.assert_array_equal(planes, before)


def test_only_what_is_around_a_mask_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, ask = list[Bytes](), Network._asked

    def seeing(self: Network, pixels: Bytes) -> Bytes:
        asked.append(pixels.copy())
        return ask(self, pixels)

    monkeypatch.setattr(Network, "_asked", seeing)
    carried(found(0), range(1, 4))
    _, _, wide, high = cv2.boundingRect(soft(drawn(0)[1], 1))
    whole = SIZE[0] * SIZE[1]
    for pixels in asked:
        height, width, lanes = pixels.shape
        assert (height % STRIDE, width % STRIDE, lanes) == (0, 0, LANES)
        assert high < height <= SIZE[0]
        assert wide < width
        assert height * width < whole
    mask = asked[0][..., MASK]
    np.testing.assert_array_equal(cv2.boundingRect(mask)[2:], (wide, high))


@pytest.mark.parametrize(("side", "seen"), [(24, 96), (40, 96), (63, 96), (72, 112)])
def test_the_larger_a_mask_is_the_fewer_pixels_around_it_are_seen(
    side: int, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = list[Bytes](), Network._asked

    def seeing(self: Network, pixels: Bytes) -> Bytes:
        asked.append(pixels[..., MASK].copy())
        return ask(self, pixels)

    monkeypatch.setattr(Network, "_asked", seeing)
    labels = np.zeros(SIZE, np.uint8)
    labels[30:60, 43 : 43 + side] = 1
    carried(found(0, labels), range(1, 2))
    x, _, wide, _ = cv2.boundingRect(asked[0])
    assert (wide, asked[0].shape[1]) == (side, seen)
    assert abs(x - (seen - wide) // 2) <= 1


def test_a_mask_at_the_edge_of_the_picture_is_seen_up_to_there(network: Network) -> None:
    labels = np.zeros((240, 320), np.uint8)
    labels[150:, 250:] = 1
    for one in carried(found(0, labels), range(1, 3)):
        assert one.labels.shape == labels.shape
        assert one.labels[200:, 300:].all()


def test_the_places_of_a_part_are_those_in_the_whole() -> None:
    picture, mask = pictures(look_at(seen(2))), soft(drawn(2)[1], 1)
    colours = likely_colours(picture, mask)
    whole = inputs(picture, mask, colours)
    part = inputs(picture[:, 16:80, 32:96], mask[16:80, 32:96], colours, grid(SIZE)[16:80, 32:96])
    np.testing.assert_array_equal(part, whole[:, 16:80, 32:96])

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import list_models, load_segmenter, network_file, pose
from streamseg.infer.backends import open_backend
from streamseg.infer.pose.detector import _squares, decode, find_people
from streamseg.segmentation import Segmentation
from tests.parts.models import NEEDS_POSE

pytestmark = NEEDS_POSE

_NOISE = np.random.default_rng(0).integers(60, 180, (720, 1280, 3), dtype=np.uint8)
GROUND: NDArray[np.uint8] = np.asarray(cv2.GaussianBlur(_NOISE, (0, 0), 3), np.uint8)


def scene(*places: tuple[int, int, int], quarters: int = 0) -> NDArray[np.uint8]:
    """A portrait at each (left, top, side), turned by so many quarters, before a blurred ground."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photographs")
    image: NDArray[np.uint8] = GROUND.copy()
    for left, top, side in places:
        portrait = cv2.resize(data.astronaut()[..., ::-1], (side, side), interpolation=cv2.INTER_AREA)
        image[top : top + side, left : left + side] = np.rot90(portrait, quarters)
    return image


def found_in(image: NDArray[np.uint8]) -> Segmentation:
    return load_segmenter("person-pose").make(1)([Frame(image, 0, 0.0, 0.0)])[0]


def shares(found: Segmentation, *places: tuple[int, int, int]) -> tuple[list[float], float]:
    """Of each place, and of what is outside them, that is person."""
    whole = cv2.resize(found.labels, (1280, 720), interpolation=cv2.INTER_NEAREST) == 1
    inside = [float(whole[y : y + side, x : x + side].mean()) for x, y, side in places]
    for x, y, side in places:
        whole[y : y + side, x : x + side] = False
    return inside, float(whole.mean())


@pytest.mark.parametrize("places", [[(100, 100, 500)], [(600, 300, 150)], [(100, 200, 250), (800, 300, 220)]], ids=len)
def test_people_are_found_near_and_far_alone_and_together(places: list[tuple[int, int, int]]) -> None:
    inside, outside = shares(found_in(scene(*places)), *places)
    assert all(0.35 < share < 0.75 for share in inside)
    assert outside < 0.005


@pytest.mark.parametrize("quarters", [1, 2])
def test_people_are_found_whichever_way_up(quarters: int) -> None:
    place = (400, 100, 400)
    inside, outside = shares(found_in(scene(place, quarters=quarters)), place)
    assert 0.35 < inside[0] < 0.75 and outside < 0.005


def test_a_person_is_followed_and_newcomers_are_found_within_eight_frames() -> None:
    network = load_segmenter("person-pose").make(1)
    for step in range(10):
        first, second = (100 + 12 * step, 200, 300), (900, 250, 280)
        places = [first] if step < 1 else [first, second]
        found = network([Frame(scene(*places), step, step / 25, 0.0)])[0]
        inside, _ = shares(found, *places)
        assert inside[0] > 0.35
        assert (found.frame_index, found.classes.names) == (step, ("background", "person"))
        assert found.confidence is not None and found.confidence.min() >= 127
    assert inside[1] > 0.35


def test_a_cut_to_another_picture_leaves_nobody_where_nobody_is() -> None:
    network = load_segmenter("person-pose").make(1)
    first, second = (100, 200, 300), (800, 300, 250)
    network([Frame(scene(first), 0, 0.0, 0.0)])
    (found,) = network([Frame(scene(second), 1, 0.04, 0.0)])
    inside, outside = shares(found, second)
    assert inside[0] > 0.35 and outside < 0.005
    (smaller,) = network([Frame(np.ascontiguousarray(scene(first)[100:600, :640]), 2, 0.08, 0.0)])
    assert 0.1 < smaller.areas()[1] < 0.3


def test_where_nobody_is_found_the_network_for_close_ups_is_asked() -> None:
    (expected,) = load_segmenter("person").make(1)([Frame(GROUND.copy(), 0, 0.0, 0.0)])
    np.testing.assert_array_equal(found_in(GROUND.copy()).labels, expected.labels)


def test_the_detectors_places_are_those_of_its_grids() -> None:
    found = decode(np.zeros((2254, 12), np.float32))
    assert found[0].tolist() == pytest.approx([0.5 / 28, 0.5 / 28, 0, 0] + [0.5 / 28, 0.5 / 28] * 4)
    assert found[1568 + 2, 0] == pytest.approx(1.5 / 14)  # two answers a place
    assert found[-1, :2].tolist() == pytest.approx([6.5 / 7, 6.5 / 7])


@pytest.mark.parametrize("shape", [(1, 600), (7, 4000), (90, 1280), (2000, 30)])
def test_a_narrow_strip_is_looked_at_in_a_few_dozen_pieces_that_cover_it(shape: tuple[int, int]) -> None:
    pieces = list(_squares(np.zeros((*shape, 3), np.uint8)))
    assert len(pieces) <= 42
    seen = np.zeros(shape, bool)
    for top, left, part in pieces:
        seen[top : top + part.shape[0], left : left + part.shape[1]] = True
    assert seen.all()


def test_a_person_in_a_portrait_format_is_found_at_the_same_place() -> None:
    detector = open_backend(pose.files()[0], 1, "ort-cpu")
    image = scene((700, 100, 500))
    (wide,) = find_people(detector, image, 1)
    (tall,) = find_people(detector, np.ascontiguousarray(image[:, 650:1250]), 1)
    detector.close()
    assert tall.x + 650 == pytest.approx(wide.x, abs=20)
    assert (tall.y, tall.side) == pytest.approx((wide.y, wide.side), rel=0.3)  # her hips are not in the picture
    assert 700 < wide.x < 1200 and 300 < wide.y < 600


def test_it_is_listed_and_is_no_single_network(capsys: pytest.CaptureFixture[str]) -> None:
    (listed,) = (model for model in list_models() if model.name == "person-pose")
    assert listed.size_bytes > 1e6 and listed.licence == "Apache-2.0"
    with pytest.raises(InputError, match="person-pose: is several networks"):
        network_file("person-pose")
    with pytest.raises(InputError, match="no backend 'abacus'"):
        load_segmenter("person-pose", backend="abacus")
    with pytest.raises(InputError, match="takes no settings"):
        load_segmenter("person-pose", {"level": 3})
    assert main(["models"]) == 0
    assert "person-pose" in capsys.readouterr().out

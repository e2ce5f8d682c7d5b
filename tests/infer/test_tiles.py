from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.joining import join
from streamseg.infer.tiles import lay, tiled
from streamseg.masks import PlaneMask
from streamseg.segmentation import Instances, Segmentation, draw_masks
from tests.parts.clips import clip
from tests.parts.fakes import CLASSES
from tests.parts.models import NEEDS_POSE

SIDE = 64


class Sees:
    """White is 1; sees 64 pixels of the longer side, and remembers how large what it was given is."""

    classes, scale = CLASSES, 1.0

    def __init__(self, *, objects: bool = False) -> None:
        self.objects, self.sizes = objects, list[tuple[int, int]]()

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Segmentation:
        self.sizes.append((frame.height, frame.width))
        scale = SIDE / max(frame.height, frame.width)
        size = round(frame.width * scale), round(frame.height * scale)
        small = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)[..., 0]
        labels = (small > 127).astype(np.uint8)
        sure = np.where(labels == 1, small, 255 - small).astype(np.uint8)
        found = _objects(frame.image[..., 0] > 127) if self.objects else None
        return Segmentation(labels, CLASSES, frame.index, frame.time_s, None if self.objects else sure, found)

    def close(self) -> None:
        """Nothing is open."""


def _objects(mask: NDArray[np.bool_]) -> Instances:
    """Each connected white area, its mask at 28x28."""
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    boxes, masks = [], []
    for number in range(1, count):
        x, y, width, height = (int(value) for value in stats[number][:4])
        boxes.append([x, y, x + width, y + height])
        inside = (numbers[y : y + height, x : x + width] == number).astype(np.float32)
        masks.append(cv2.resize(inside, (28, 28), interpolation=cv2.INTER_LINEAR))
    n = len(boxes)
    return Instances(
        np.ones(n, np.int32),
        np.linspace(0.9, 0.6, n, dtype=np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(masks, np.float32).reshape(-1, 28, 28),
        np.full(n, -1, np.int32),
    )


def recipe(model: Segmenter) -> SegmenterFactory:
    return SegmenterFactory("sees", CLASSES, lambda threads: model, parallel=True, side=SIDE)


def run(model: Segmenter, image: NDArray[np.uint8], wanted: int | str = "auto") -> Segmentation:
    return tiled(recipe(model), wanted).make(1)([Frame(image, 7, 0.5, 0.0)])[0]  # type: ignore[arg-type]


def dots(height: int, width: int, seed: int = 0, radius: int = 9) -> NDArray[np.uint8]:
    """White discs that do not touch."""
    dice, image = np.random.default_rng(seed), np.zeros((height, width, 3), np.uint8)
    for y in range(radius + 4, height - radius, 3 * radius):
        for x in range(radius + 4, width - radius, 3 * radius):
            dx, dy = (int(each) for each in dice.integers(-3, 4, 2))
            cv2.circle(image, (x + dx, y + dy), int(dice.integers(4, radius)), (255, 255, 255), -1)
    return image


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 300), (1000, 40), (480, 640), (777, 1333), (4000, 6000)])
@pytest.mark.parametrize("side", [64, 200, 512.7])
def test_tiles_cover_every_pixel_once_and_overlap_by_a_quarter(height: int, width: int, side: float) -> None:
    tiles = lay(height, width, side)
    owners = np.zeros((height, width), np.uint8)
    for tile in tiles:
        top, left, bottom, right = tile.own
        owners[top:bottom, left:right] += 1
        assert 0 <= tile.top <= top < bottom <= tile.top + tile.height <= height
        assert 0 <= tile.left <= left < right <= tile.left + tile.width <= width
    assert owners.min() == owners.max() == 1
    assert len(tiles) <= 64
    for before, after in zip(tiles, tiles[1:], strict=False):
        if before.top == after.top:
            assert before.left + before.width - after.left >= 0.24 * before.width


def test_small_things_in_a_large_picture_are_seen_in_tiles_and_not_in_the_whole() -> None:
    image = dots(250, 330, radius=5)
    truth = image[..., 0] > 127
    model = Sees()
    found = run(model, image)
    assert found.labels.shape == (250, 330)
    assert (found.labels == truth).mean() > 0.999
    assert set(model.sizes) == {(64, 64)}
    assert (found.frame_index, found.frame_time_s) == (7, 0.5)
    assert found.confidence is not None and found.confidence.shape == found.labels.shape
    whole = cv2.resize(Sees()([Frame(image, 0, 0.0, 0.0)])[0].labels, (330, 250), interpolation=cv2.INTER_NEAREST)
    assert (whole == truth).mean() < 0.95


def test_a_picture_of_about_the_networks_size_is_seen_as_a_whole() -> None:
    model = Sees()
    run(model, dots(60, 78))
    assert model.sizes == [(60, 78)]


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_so_many_tiles_along_the_longer_side_as_are_asked_for(wanted: int) -> None:
    model = Sees()
    found = run(model, dots(300, 500), wanted)
    lefts = {tile.left for tile in lay(300, 500, 500 / (wanted - (wanted - 1) * 0.25))}
    assert len(lefts) == wanted
    assert len(model.sizes) % wanted == 0
    whole = cv2.resize(found.labels, (500, 300), interpolation=cv2.INTER_NEAREST)
    assert (whole == (dots(300, 500)[..., 0] > 127)).mean() > 0.9


@pytest.mark.parametrize("longest", [100, 1001, 1280, 1920, 2048, 2592, 3840, 4608, 6000])
def test_so_many_tiles_as_are_asked_for_whatever_the_length_of_the_side(longest: int) -> None:
    for wanted in range(1, 13):
        tiles = lay(1, longest, longest / (wanted - (wanted - 1) * 0.25))
        assert len(tiles) == wanted


def objects_of(image: NDArray[np.uint8], model: Segmenter | None = None) -> tuple[Instances, NDArray[np.int32]]:
    found = run(model or Sees(objects=True), image)
    assert found.instances is not None
    numbers = np.zeros(image.shape[:2], np.int32)
    count = len(found.instances)
    draw_masks(numbers, found.instances, (image.shape[0], image.shape[1]), np.arange(1, count + 1))
    assert (found.labels > 0).mean() == pytest.approx((numbers > 0).mean(), abs=0.01)
    return found.instances, numbers


@pytest.mark.parametrize("seed", range(3))
def test_an_object_on_the_border_of_two_tiles_is_one_object(seed: int) -> None:
    image = dots(220, 310, seed)
    count, truth = cv2.connectedComponents((image[..., 0] > 127).astype(np.uint8))
    instances, numbers = objects_of(image)
    assert len(instances) == count - 1
    for number in range(1, count):
        mine = np.bincount(numbers[truth == number], minlength=count).argmax()
        both = ((numbers == mine) & (truth == number)).sum()
        assert mine and both / ((numbers == mine) | (truth == number)).sum() > 0.8


def test_an_object_larger_than_a_tile_is_put_together() -> None:
    image = np.zeros((150, 400, 3), np.uint8)
    cv2.ellipse(image, (200, 75), (170, 40), 3, 0, 360, (255, 255, 255), -1)
    instances, numbers = objects_of(image)
    truth = image[..., 0] > 127
    assert len(instances) == 1
    assert ((numbers > 0) & truth).sum() / ((numbers > 0) | truth).sum() > 0.9


def test_neighbours_that_touch_stay_two() -> None:
    one = _objects(np.pad(np.ones((20, 20), bool), 5))
    boxes = np.array([[5, 5, 25, 25], [25, 5, 45, 25]], np.float32)
    both = Instances(
        np.ones(2, np.int32),
        np.full(2, 0.9, np.float32),
        boxes,
        np.concatenate([one.masks] * 2),
        np.full(2, -1, np.int32),
    )
    joined = join([both, both], [(0, 0, 60, 30), (0, 0, 61, 30)], (30, 61))
    assert sorted(joined.boxes[:, 0].tolist()) == [5, 25]


def test_masks_that_are_planes_are_joined_and_stay_as_they_are() -> None:
    boxed = _objects(np.pad(np.ones((20, 20), bool), 5))
    box = boxed.boxes[0]
    plane = PlaneMask(box, np.array([0, 0, 30, 30], np.float32), np.ones((6, 6), np.float32))
    planes = dataclasses.replace(boxed, masks=(plane,))
    joined = join([planes, planes], [(0, 0, 30, 30), (30, 0, 60, 30)], (30, 60))
    assert [mask is plane for mask in joined.masks] == [True, True]
    assert joined.mask(1, (30, 60)).sum() == 400
    assert joined.mask(1, (30, 60))[5:25, 35:55].all()
    cut = dataclasses.replace(planes, boxes=np.array([[2, 5, 30, 25]], np.float32))
    rest = dataclasses.replace(planes, boxes=np.array([[0, 5, 20, 25]], np.float32))
    (whole,) = join([cut, rest], [(0, 0, 30, 30), (15, 0, 60, 30)], (30, 60)).boxes
    assert whole.tolist() == [2, 5, 35, 25]


def test_where_nothing_is_found_there_are_no_objects() -> None:
    instances, numbers = objects_of(np.zeros((200, 200, 3), np.uint8))
    assert len(instances) == 0 and not numbers.any()


def test_a_network_says_how_large_it_sees() -> None:
    assert [load_segmenter(name).side for name in ("person", "nuclei", "lane")] == [256, 1024, 512]
    assert load_segmenter("otsu").side is None


@pytest.mark.parametrize("name", ["otsu", pytest.param("person-pose", marks=NEEDS_POSE)])
def test_what_is_no_single_network_takes_no_tiles(name: str) -> None:
    with pytest.raises(InputError, match=f"--tiles: {name} is not one network"):
        tiled(load_segmenter(name), "auto")


def test_tuned_makers_are_tiled_too() -> None:
    from streamseg.contracts import Workers

    made = tiled(replace(recipe(Sees()), tuned={"file": Workers(1, 1, lambda threads: Sees())}), 2)
    assert made.tuned["file"].make(1)([Frame(dots(100, 100), 0, 0.0, 0.0)])[0].labels.shape != (64, 64)


def test_tiles_in_a_run_and_in_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "0.png"), dots(300, 700))
    pictures, masks = str(tmp_path / "pictures"), f"masks:{tmp_path / 'masks'}"
    assert main(["run", pictures, masks, "--model", "person", "--tiles", "auto", "--quiet"]) == 0
    (written,) = (tmp_path / "masks").iterdir()
    written.rename(tmp_path / "masks" / "0.png")
    assert main(["eval", "person", pictures, str(tmp_path / "masks"), "--tiles", "auto"]) == 0
    assert "accuracy 100.0 %" in capsys.readouterr().out
    assert main(["run", pictures, "null", "--model", "person", "--tiles", "3", "--quiet"]) == 0
    assert main(["run", pictures, "null", "--model", "person", "--tiles", "0"]) == 2
    assert "tiles" in capsys.readouterr().err
    assert main(["eval", "person", pictures, pictures, "--tiles", "many"]) == 2
    assert "--tiles many: expected auto, or 1 to 64" in capsys.readouterr().err


def test_several_films_are_cut_into_tiles_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films = [str(clip(tmp_path / f"{name}.mp4", frames=2, size=(160, 120))) for name in "ab"]
    model = Sees()
    monkeypatch.setattr("streamseg.commands.films.load_segmenter", lambda *asked, **more: recipe(model))
    assert main(["run", *films, "null", "--tiles", "2", "--workers", "1", "--quiet"]) == 0
    assert len(model.sizes) == 16
    assert set(model.sizes) == {(92, 92)}  # two along the longer side, a quarter of each in both

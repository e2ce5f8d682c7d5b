from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.sinks.images import indexed_png
from streamseg.training.data import Pairs, find_pairs, plain_key, read_image
from streamseg.training.plan import Data, Folder
from tests.training.scene import draw_scene, write_scene

FOLDER = Folder(pictures="pictures", masks="masks")


def read(root: Path, ids: dict[str, int] | None = None, n_classes: int = 3) -> Pairs:
    data = Data(root=str(root), train=FOLDER, ids=ids or {})
    return Pairs(find_pairs(data.root, data.train), data, n_classes)


def write_mask(root: Path, mask: np.ndarray, name: str = "0.png") -> None:
    cv2.imwrite(str(root / "masks" / name), mask)


def test_pictures_come_with_their_masks(tmp_path: Path) -> None:
    write_scene(tmp_path, 3)
    pairs = read(tmp_path)
    picture, labels = pairs[1]
    drawn, mask = draw_scene(1)
    assert len(pairs) == 3
    assert np.array_equal(picture, drawn)
    assert np.array_equal(labels, mask)
    assert pairs.pixels.sum() == 3 * mask.size


def test_names_in_capitals_and_what_a_mac_leaves_behind_are_no_hindrance(tmp_path: Path) -> None:
    write_scene(tmp_path, 2)
    (tmp_path / "masks/0.png").rename(tmp_path / "masks/0.PNG")
    for folder in ("pictures", "masks"):
        (tmp_path / folder / "._1.png").write_bytes(bytes((0, 5, 22, 7)))
    assert [pair.mask.name for pair in find_pairs(str(tmp_path), FOLDER)] == ["0.PNG", "1.png"]


def test_masks_may_lie_beside_their_pictures(tmp_path: Path) -> None:
    write_scene(tmp_path, 2)
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"masks/{number}.jpg"), draw_scene(number)[0])
    both = Folder(pictures="masks", masks="masks")
    assert [pair.image.name for pair in find_pairs(str(tmp_path), both)] == ["0.jpg", "1.jpg"]
    for path in (tmp_path / "masks").glob("*.jpg"):
        path.unlink()
    with pytest.raises(InputError, match="holds masks alone"):
        find_pairs(str(tmp_path), both)


def test_pictures_of_every_kind_that_runs_are_learnt_from(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    (path,) = (tmp_path / "pictures").iterdir()
    assert cv2.imwrite(str(path.with_suffix(".ppm")), draw_scene(0)[0])
    path.unlink()
    assert np.array_equal(read(tmp_path)[0][0], draw_scene(0)[0])


def test_mask_values_are_mapped_to_classes_and_void(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    mask = np.full((64, 64), 200, np.uint8)
    mask[:10], mask[10:20] = 7, 0
    write_mask(tmp_path, mask)
    _, labels = read(tmp_path, {"200": 2, "7": 255})[0]
    assert set(np.unique(labels)) == {0, 2, 255}


def test_masks_with_a_palette_are_read_by_their_numbers(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    _, mask = draw_scene(0)
    colours = np.array([[9, 9, 9], [200, 0, 7], [0, 90, 255]], np.uint8)
    (tmp_path / "masks" / "0.png").write_bytes(indexed_png(mask, colours))
    assert np.array_equal(read(tmp_path)[0][1], mask)


def test_masks_of_black_and_white_are_classes_0_and_1_which_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_scene(tmp_path, 2)
    for number in range(2):
        write_mask(tmp_path, np.where(draw_scene(number)[1] == 1, 255, 0).astype(np.uint8), f"{number}.png")
    _, labels = read(tmp_path, n_classes=2)[1]
    assert np.array_equal(labels, draw_scene(1)[1] == 1)
    assert "nothing but 0 and 255 in it: 255 is taken for class 1" in caplog.text


def test_255_is_void_where_other_masks_name_classes_or_the_plan_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_scene(tmp_path, 2)
    write_mask(tmp_path, np.full((64, 64), 255, np.uint8))
    assert set(np.unique(read(tmp_path)[0][1])) == {255}
    write_mask(tmp_path, np.full((64, 64), 255, np.uint8), "1.png")
    data = Data(root=str(tmp_path), train=FOLDER, ids={"255": 255})
    assert set(np.unique(Pairs(find_pairs(data.root, FOLDER, data.ids), data, 3)[0][1])) == {255}
    assert not caplog.text


def test_an_unknown_class_in_a_mask_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    write_mask(tmp_path, np.full((64, 64), 3, np.uint8))
    with pytest.raises(InputError, match=r"masks/0.png: value 3 is none of the 3 classes \(map it under data.ids"):
        read(tmp_path)


def test_a_mask_of_another_size_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    write_mask(tmp_path, np.zeros((32, 64), np.uint8))
    with pytest.raises(InputError, match="masks/0.png: 64x32, but its picture is 64x64"):
        read(tmp_path)


def test_a_coloured_mask_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    write_mask(tmp_path, np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="one channel of 8 bits, not 3 channels of 8 bits"):
        read(tmp_path)


def test_an_empty_folder_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("pictures", "masks"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="pictures: no pictures in it"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["pictures", "masks"])
def test_a_missing_folder_is_one_clear_line(tmp_path: Path, name: str) -> None:
    write_scene(tmp_path, 1)
    (tmp_path / name).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name}: no such folder"):
        read(tmp_path)


def test_a_missing_mask_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path, 2)
    (tmp_path / "masks" / "1.png").unlink()
    with pytest.raises(InputError, match=r"1.png: its mask .*masks/1.png is missing"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["pictures", "masks"])
def test_a_corrupt_picture_is_one_clear_line(tmp_path: Path, name: str) -> None:
    write_scene(tmp_path, 1)
    file = tmp_path / name / "0.png"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match=f"{name}/0.png: (cannot be read as a|not a) picture"):
        read(tmp_path)


def test_an_id_that_maps_to_no_class_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    with pytest.raises(InputError, match="data.ids: 9: 3 maps"):
        read(tmp_path, {"9": 3})


def test_filled_areas_of_a_thin_class_are_void_and_its_lines_stay(tmp_path: Path) -> None:
    write_scene(tmp_path, 1)
    mask = np.zeros((64, 64), np.uint8)
    mask[10:13, 5:60] = 1
    mask[30:50, 20:40] = 1
    write_mask(tmp_path, mask)
    data = Data(root=str(tmp_path), train=FOLDER)
    _, labels = Pairs(find_pairs(data.root, FOLDER), data, 2, plain_key(data, 2, {1: 8}))[0]
    assert np.array_equal(labels == 1, (mask == 1) & (np.arange(64)[:, None] < 20))
    assert (labels[31:49, 21:39] == 255).all()
    assert (labels[mask == 0] == 0).all()


def test_a_grey_picture_is_read_as_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((4, 5), np.uint8))
    assert read_image(tmp_path / "grey.png").shape == (4, 5, 3)

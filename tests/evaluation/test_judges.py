from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluation.judges import LabelJudge, Wanted, _mean, labelled, numbered
from streamseg.evaluation.objects import find_labelled
from streamseg.infer import load_segmenter
from streamseg.segmentation import Instances, Segmentation

Labels = NDArray[np.uint8]


def half(value: int = 1) -> Labels:
    mask = np.zeros((8, 10), np.uint8)
    mask[:, 5:] = value
    return mask


def pair(folder: Path, masks: dict[str, Labels]) -> tuple[Path, Path]:
    pictures, truth = folder / "pictures", folder / "masks"
    pictures.mkdir()
    truth.mkdir()
    for name, mask in masks.items():
        cv2.imwrite(str(pictures / f"{name}.png"), np.zeros((8, 10, 3), np.uint8))
        cv2.imwrite(str(truth / f"{name}.png"), mask)
    return pictures, truth


def judge(folders: tuple[Path, Path], wanted: Wanted, *answers: Labels) -> tuple[LabelJudge, list[float]]:
    """A judge that has heard these answers, or as many as it asks for of the last of them; and their scores."""
    recipe = load_segmenter("otsu")
    made, scores = LabelJudge(recipe, *folders, wanted), []
    for number, (_, _, tell) in enumerate(made):
        given = answers[min(number, len(answers) - 1)]
        scores.append(tell(Segmentation(given, recipe.classes, number, 0.0))[0])
    return made, scores


def test_pictures_are_judged_in_the_order_of_their_names_by_the_mask_of_that_name(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"b": half(), "a": 1 - half(), "c": half()})
    (folders[1] / "c.png").unlink()
    cv2.imwrite(str(folders[1] / "d.png"), half())
    found = list(labelled(*folders, Wanted(), 2))
    assert [name for name, _, _ in found] == ["a.png", "b.png"]
    assert (found[0][2] == 1 - half()).all()
    assert found[0][1].shape == (8, 10, 3)


def test_what_a_mac_leaves_beside_pictures_and_masks_is_neither(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half()})
    for folder in folders:
        (folder / "._a.png").write_bytes(bytes((0, 5, 22, 7)))
    assert [name for name, _, _ in labelled(*folders, Wanted(), 2)] == ["a.png"]
    assert [each.image.name for each in find_labelled(*folders)] == ["a.png"]


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_masks_that_lie_beside_their_pictures_are_no_pictures(suffix: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.zeros((8, 10, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a.png"), half())
    ((name, _, true),) = labelled(tmp_path, tmp_path, Wanted(), 2)
    assert name == f"a.{suffix}" and (true == half()).all()
    assert [each.image.name for each in find_labelled(tmp_path, tmp_path)] == [name]


def test_a_pattern_leaves_pictures_out(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"day-1": half(), "night-1": half()})
    assert [name for name, _, _ in labelled(*folders, Wanted(pattern="night*"), 2)] == ["night-1.png"]
    with pytest.raises(InputError, match="no picture has a mask of its name"):
        list(labelled(*folders, Wanted(pattern="dusk*"), 2))


def test_ids_stand_for_others_where_that_is_asked_for(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half(11)})
    ((_, _, true),) = labelled(*folders, Wanted(ids={11: 1}), 2)
    assert (true == half()).all()
    with pytest.raises(InputError, match=r"a\.png: id 11 is none of the model's 2 classes") as caught:
        list(labelled(*folders, Wanted(), 2))
    assert caught.value.hint == "--ids 11=255 makes it void"


def test_black_and_white_is_two_classes_unless_white_is_said_to_be_something(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = pair(tmp_path, {"a": half(255)})
    with caplog.at_level(logging.WARNING):
        ((_, _, true),) = labelled(*folders, Wanted(), 2)
    assert (true == half()).all()
    assert "255 is taken for class 1" in caplog.text
    caplog.clear()
    ((_, _, true),) = labelled(*folders, Wanted(ids={255: 255}), 2)
    assert (true == half(255)).all()
    assert caplog.text == ""


def test_what_255_means_is_told_by_all_masks_whichever_are_judged(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half(), "b": half(255)})
    for wanted in (Wanted(), Wanted(pattern="b*"), Wanted(names=frozenset({"b.png"}))):
        *_, (_, _, true) = labelled(*folders, wanted, 2)
        assert (true == half(255)).all()


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((8, 10, 3), np.uint8), "one channel of bytes"),
        (np.zeros((8, 10), np.uint16), "one channel of bytes"),
        (np.zeros((9, 10), np.uint8), "10x9, its picture 10x8"),
        (half(7), "id 7 is none of"),
    ],
)
def test_a_mask_that_is_none_is_told_by_its_name(mask: NDArray[np.integer[Any]], said: str, tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half()})
    cv2.imwrite(str(folders[1] / "a.png"), mask)
    with pytest.raises(InputError, match=rf"masks/a\.png: .*{said}"):
        list(labelled(*folders, Wanted(), 2))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half()})
    for wrong in ((folders[0], tmp_path / "none"), (tmp_path / "none", folders[1])):
        with pytest.raises(InputError, match="none: no such folder"):
            list(labelled(*wrong, Wanted(), 2))


def test_a_right_answer_scores_1_and_a_wrong_one_0_and_half_of_one_between(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half(), "b": half(), "c": half()})
    mixed = half()
    mixed[:4] = 0
    made, scores = judge(folders, Wanted(), half(), 1 - half(), mixed)
    assert scores[:2] == [1.0, 0.0]
    assert scores[2] == pytest.approx((40 / 60 + 20 / 40) / 2)
    assert made.figures()["accuracy"] == pytest.approx((80 + 0 + 60) / 240)


def test_an_answer_at_another_size_is_held_against_the_mask_at_the_masks(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half()})
    small = np.array([[0, 1]], np.uint8)
    _, scores = judge(folders, Wanted(), small)
    assert scores == [1.0]


def test_void_counts_neither_for_nor_against(tmp_path: Path) -> None:
    mask = half()
    mask[:2] = 255
    mask[3, 0] = 1  # so that it is not black and white alone
    wrong_in_void = mask.copy()
    wrong_in_void[:2] = 1
    made, scores = judge(pair(tmp_path, {"a": mask}), Wanted(ids={255: 255}), wrong_in_void)
    assert scores == [1.0]
    assert made.matrix.sum() == 60
    assert made.figures()["miou"] == made.figures()["accuracy"] == 1.0


def test_what_was_found_to_be_no_class_is_missed_in_every_figure(tmp_path: Path) -> None:
    """As where `--fold` leaves classes of the model out."""
    answer = half()
    answer[:4, 5:] = 255
    made, scores = judge(pair(tmp_path, {"a": half()}), Wanted(), answer)
    assert scores == [pytest.approx((1 + 0.5) / 2)]
    assert made.figures()["miou"] == pytest.approx(0.75) and made.figures()["accuracy"] == pytest.approx(0.75)
    assert [row.iou for row in made.rows(np.ones((10, 1), np.int64))] == [1.0, 0.5]
    assert [row.share for row in made.rows(np.ones((10, 1), np.int64))] == [0.5, 0.5]
    assert made.intervals(np.ones((10, 1), np.int64))["miou"] == pytest.approx((0.75, 0.75))


def test_a_row_a_class_has_its_share_of_all_pixels(tmp_path: Path) -> None:
    mask = half()
    mask[:, 1:] = 1
    made, _ = judge(pair(tmp_path, {"a": mask}), Wanted(), mask)
    background, foreground = made.rows(np.ones((10, 1), np.int64))
    assert (background.name, foreground.name) == ("background", "foreground")
    assert (background.share, foreground.share) == pytest.approx((0.1, 0.9))
    assert (foreground.iou, foreground.near_f1, foreground.iou_95) == (1.0, 1.0, (1.0, 1.0))


def test_shares_are_of_the_truth_whatever_was_found(tmp_path: Path) -> None:
    made, _ = judge(pair(tmp_path, {"a": half()}), Wanted(), np.ones((8, 10), np.uint8))
    assert [row.share for row in made.rows(np.ones((10, 1), np.int64))] == [0.5, 0.5]


def test_an_interval_is_wide_where_pictures_differ_and_a_point_where_they_do_not(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half(), "b": half()})
    draws = np.array([[2, 0], [1, 1], [0, 2]] * 10, np.int64)
    made, _ = judge(folders, Wanted(), half(), 1 - half())
    low, high = made.intervals(draws)["miou"]
    assert (low, high) == (0.0, 1.0)
    made, _ = judge(folders, Wanted(), half())
    assert made.intervals(draws)["miou"] == (1.0, 1.0)


def test_parts_are_counted_where_a_class_is_named_that_there_is(tmp_path: Path) -> None:
    folders = pair(tmp_path, {"a": half()})
    made, _ = judge(folders, Wanted(parts="foreground"), half())
    figures = made.figures()
    assert figures["pixel_error"] == 0
    assert {"rand", "information"} <= set(figures)
    assert judge(folders, Wanted(parts="foreground"), np.ones((8, 10), np.uint8))[0].figures()[
        "pixel_error"
    ] == pytest.approx(1 - 2 * 40 / (80 + 40))
    assert "pixel_error" not in judge(folders, Wanted(), half())[0].figures()
    with pytest.raises(InputError, match="--parts cells: no such class") as caught:
        judge(folders, Wanted(parts="cells"), half())
    assert "foreground" in caught.value.hint


def test_objects_are_painted_over_one_another_the_surest_on_top() -> None:
    boxes = np.array([[0, 0, 6, 8], [4, 0, 10, 8]], np.float32)
    instances = Instances(
        np.array([1, 2], np.int32), np.array([0.6, 0.9], np.float32), boxes, np.ones((2, 4, 4), np.float32),
        np.array([-1, -1], np.int32),
    )  # fmt: skip
    found = numbered(instances, (8, 10, 3))
    assert found.numbers.shape == (8, 10)
    assert found.numbers[4].tolist() == [1] * 4 + [2] * 6
    assert found.class_ids.tolist() == [0, 1, 2]
    assert found.scores.tolist() == pytest.approx([0, 0.6, 0.9])


def test_a_mean_is_of_the_numbers_there_are() -> None:
    assert _mean([0.5, float("nan"), 1.0]) == 0.75
    assert np.isnan(_mean([float("nan")]))
    assert np.isnan(_mean([]))

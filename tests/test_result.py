"""What was found in an image: at its size, drawn, and as other tools take it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.model import load
from streamseg.result import Result
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(("background", "cat", "dog"), np.array([[0, 0, 0], [0, 0, 250], [0, 200, 0]], np.uint8), background=0)
HEIGHT, WIDTH = 48, 64


def image() -> Image:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def semantic(confidence: NDArray[np.uint8] | None = None) -> Result:
    """A cat over the left half of the upper half; a pixel in eight each way."""
    labels = np.zeros((6, 8), np.uint8)
    labels[:3, :4] = 1
    labels[5, 7] = 255  # of no class
    return Result(Segmentation(labels, CLASSES, 0, 0.0, confidence), HEIGHT, WIDTH)


def with_instances(tracks: tuple[int, int] = (-1, -1)) -> Result:
    """A whole cat, and under it a dog of which the upper half is there."""
    masks = np.ones((2, 4, 4), np.float32)
    masks[1, 2:] = 0
    found = Instances(
        np.array([1, 2], np.int32),
        np.array([0.9, 0.5], np.float32),
        np.array([[8, 4, 24, 20], [8, 10, 28, 30]], np.float32),
        masks,
        np.array(tracks, np.int32),
    )
    return Result(Segmentation(np.zeros((6, 8), np.uint8), CLASSES, 0, 0.0, instances=found), HEIGHT, WIDTH)


def test_labels_at_the_image_s_size_follow_the_rule_of_segmentation() -> None:
    result = semantic()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    assert np.array_equal(result.full_labels(), result.labels[y * 6 // HEIGHT, x * 8 // WIDTH])


@pytest.mark.parametrize("view", ["overlay", "mask", "blur", "objects", "boxes", "source"])
def test_drawing_makes_a_new_picture_and_leaves_the_image_alone(view: str) -> None:
    bgr = image()
    before = bgr.copy()
    drawn = semantic().draw(bgr, view)
    assert drawn.shape == bgr.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(bgr, before)
    assert bgr.flags.writeable
    assert np.array_equal(drawn, bgr) == (view == "source")


def test_opacity_goes_from_the_image_to_the_colour() -> None:
    bgr = image()
    assert np.array_equal(semantic().draw(bgr, opacity=0.0), bgr)
    full = semantic().draw(bgr, opacity=1.0)
    assert full[4, 4].tolist() == [0, 0, 250]
    assert np.array_equal(full[40, 4], bgr[40, 4])


def test_a_view_can_be_a_function() -> None:
    def inverted(picture: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        np.subtract(255, frame.image, out=picture)

    bgr = image()
    assert np.array_equal(semantic().draw(bgr, inverted), 255 - bgr)


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="64x48, the image 32x48"):
        semantic().draw(image()[:, :32])


def test_a_view_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError) as caught:
        semantic().draw(image(), "overlain")
    assert caught.value.hint.startswith("did you mean overlay? one of ")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("masks", ["rle", "polygon"])
def test_coco_is_read_by_pycocotools_as_the_masks_that_were_found(masks: str) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    for result in (semantic(), with_instances()):
        annotations = result.to_coco(7, masks)  # type: ignore[arg-type]
        json.dumps(annotations)
        for annotation in annotations:
            left, top, width, height = annotation["bbox"]
            segments = annotation["segmentation"]
            code = coco.merge(coco.frPyObjects(segments, HEIGHT, WIDTH)) if isinstance(segments, list) else segments
            mask = coco.decode(code)
            assert mask.sum() == annotation["area"] > 0
            assert mask[:, : int(left)].sum() == mask[: int(top)].sum() == 0
            assert mask[int(top) : int(top + height), int(left) : int(left + width)].sum() == annotation["area"]
            assert (annotation["image_id"], annotation["iscrowd"]) == (7, 0)


def test_an_image_id_out_of_a_table_of_numpys_is_written_as_json() -> None:
    written = json.dumps(semantic().to_coco(np.int64(7)))
    assert {each["image_id"] for each in json.loads(written)} == {7}


def test_coco_has_an_annotation_for_each_class_but_the_background_and_what_is_of_none() -> None:
    (cat,) = semantic(np.full((6, 8), 51, np.uint8)).to_coco(1)
    assert cat["category_id"] == 1
    assert cat["bbox"] == [0, 0, 32, 24]
    assert cat["area"] == 32 * 24
    assert cat["score"] == pytest.approx(0.2)


def test_coco_has_an_annotation_for_each_instance() -> None:
    cat, dog = with_instances().to_coco(1)
    assert (cat["category_id"], dog["category_id"]) == (1, 2)
    assert (cat["bbox"], dog["bbox"]) == ([8, 4, 16, 16], [8, 10, 20, 20])
    assert cat["area"] == 16 * 16
    assert dog["area"] == 20 * 10
    assert (cat["score"], dog["score"]) == (0.9, 0.5)


def test_supervision_gets_the_instances() -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    found = with_instances(tracks=(4, -1)).to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.class_id.tolist() == [1, 2]
    assert found["class_name"].tolist() == ["cat", "dog"]
    assert found.tracker_id.tolist() == [4, -1]
    assert found.mask.shape == (2, HEIGHT, WIDTH)
    assert found.mask.sum((1, 2)).tolist() == [256, 200]
    assert with_instances().to_supervision().tracker_id is None


@pytest.mark.parametrize("opacity", [-0.1, 7.0, float("nan")])
def test_an_opacity_that_is_none_is_refused(opacity: float) -> None:
    with pytest.raises(InputError, match="opacity is 0 to 1, not"):
        semantic().draw(image(), opacity=opacity)


def test_supervision_gets_classes_where_there_are_no_instances_and_nothing_of_an_empty_image() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    found = semantic().to_supervision()
    assert found.xyxy.tolist() == [[0, 0, 32, 24]]
    empty = Result(Segmentation(np.zeros((6, 8), np.uint8), CLASSES, 0, 0.0), HEIGHT, WIDTH)
    assert len(empty.to_supervision()) == 0
    assert empty.to_coco(1) == []


def test_without_supervision_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(InputError) as caught:
        semantic().to_supervision()
    assert caught.value.hint.endswith("install supervision")


def test_pil_shows_each_class_in_its_colour() -> None:
    picture = semantic().to_pil()
    assert (picture.mode, picture.size) == ("P", (WIDTH, HEIGHT))
    assert np.array_equal(np.asarray(picture), semantic().full_labels())
    assert picture.convert("RGB").getpixel((4, 4)) == (250, 0, 0)


def test_the_dictionary_is_json() -> None:
    told = json.loads(json.dumps(with_instances((4, -1)).to_dict()))
    assert (told["width"], told["height"]) == (WIDTH, HEIGHT)
    assert told["areas"] == {"background": 1.0, "cat": 0.0, "dog": 0.0}
    assert told["instances"][0] == {"class": "cat", "score": pytest.approx(0.9), "box": [8, 4, 24, 20], "track_id": 4}
    assert "instances" not in semantic().to_dict()


def test_a_form_of_masks_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="masks are rle or polygon, not 'polygons'"):
        load("otsu")(np.zeros((4, 4, 3), np.uint8)).to_coco(1, "polygons")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["0.5", None, 2, float("nan")])
def test_an_opacity_that_is_no_share_is_refused(wrong: Any) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(InputError, match="opacity is 0 to 1"):
        load("otsu")(image).draw(image, opacity=wrong)


def test_a_view_that_gives_a_picture_instead_of_filling_one_is_refused() -> None:
    image = np.full((4, 4, 3), 7, np.uint8)
    result = load("otsu")(image)
    with pytest.raises(InputError, match="instead of filling"):
        result.draw(image, view=lambda picture, frame, segmentation, opacity: 255 - frame.image)
    filled = result.draw(image, view=lambda picture, frame, *_: np.subtract(255, frame.image, out=picture))
    assert (filled == 248).all()


def test_a_pixel_has_the_label_under_its_middle_as_the_labels_say() -> None:
    labels = np.random.default_rng(0).integers(0, 3, (17, 23), dtype=np.uint8)
    result = Result(Segmentation(labels, CLASSES, 0, 0.0), HEIGHT, WIDTH)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    expected = labels[(2 * y + 1) * 17 // (2 * HEIGHT), (2 * x + 1) * 23 // (2 * WIDTH)]
    np.testing.assert_array_equal(result.full_labels(), expected)

"""Regions of a frame: their masks, and the same as COCO's annotations."""

from __future__ import annotations

import numpy as np

from streamseg.coco import encode_rle
from streamseg.measure import measure_classes
from streamseg.regions import coco_annotations, object_regions, regions
from streamseg.segmentation import draw_masks
from tests.sinks.test_files import shown
from tests.sinks.test_jsonl import cells

FRAME = (120, 200)


def test_the_mask_of_an_object_is_what_is_painted_of_it() -> None:
    found = cells().segmentation.instances
    assert found is not None
    painted = np.full(FRAME, -1)
    draw_masks(painted, found, FRAME, np.arange(3))
    again = np.full(FRAME, -1)
    for number in (2, 1, 0):  # the surest is painted last
        again[object_regions(found, FRAME)[number].plane(FRAME)] = number
    assert np.array_equal(painted, again)


def test_a_class_is_a_region_where_there_are_no_objects() -> None:
    one = shown()
    (region,) = regions(one.segmentation, (24, 32))
    assert (region.class_id, region.score, region.track_id, region.area) == (1, 1.0, -1, 96)
    assert region.box.tolist() == [0, 0, 8, 12]
    assert region.plane((24, 32)).sum() == 96
    assert region.outlines() == [[0, 0, 0, 12, 8, 12, 8, 0]]


def test_annotations_are_in_either_form_of_coco() -> None:
    found = regions(shown().segmentation, (24, 32))
    (runs,) = coco_annotations(found, (24, 32), 7)
    (outlines,) = coco_annotations(found, (24, 32), 7, "polygon")
    assert runs["bbox"] == outlines["bbox"] == [0, 0, 8, 12]
    assert runs["segmentation"] == encode_rle(found[0].plane((24, 32)))
    assert outlines["segmentation"] == [[0, 0, 0, 12, 8, 12, 8, 0]]


def test_of_objects_the_largest_and_the_mean_score_are_told() -> None:
    one = cells().segmentation
    assert one.instances is not None
    objects = object_regions(one.instances, FRAME)
    cell, dirt = measure_classes(one, one.areas(), objects, FRAME)
    assert (cell.class_id, cell.objects, cell.confidence) == (1, 2, 0.625)
    assert cell.largest == max(objects[0].area, objects[1].area) / (120 * 200)
    assert (dirt.class_id, dirt.objects, dirt.largest) == (2, 1, 0)

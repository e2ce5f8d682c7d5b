from __future__ import annotations

import numpy as np

from streamseg.rules.objects import find_objects
from streamseg.rules.shapes import Polygon
from streamseg.rules.zonepixels import ZonePixels
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(("ground", "a", "b"), np.zeros((3, 3), np.uint8), background=0)
LEFT = ZonePixels(Polygon([[0, 0], [100, 0], [100, 200], [0, 200]]), (100, 100), (200, 200))


def test_connected_parts_of_a_class_are_objects() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[10:30, 40:60] = 1
    labels[50:60, 0:10] = 1
    labels[70:80, 70:90] = 2
    labels[90, 90] = 1  # noise
    found = find_objects(Segmentation(labels, CLASSES, 0, 0.0), [1, 2], (200, 200))
    order = np.argsort(found.middles[:, 0])
    assert found.middles[order].tolist() == [[10, 110], [100, 40], [160, 150]]
    assert found.feet[order].tolist() == [[10, 120], [100, 60], [160, 160]]
    assert found.found.boxes[order].tolist() == [[0, 100, 20, 120], [80, 20, 120, 60], [140, 140, 180, 160]]
    assert found.found.class_ids[order].tolist() == [1, 1, 2]
    assert found.inside(LEFT)[order].tolist() == [1.0, 0.5, 0.0]
    assert len(find_objects(Segmentation(labels, CLASSES, 0, 0.0), [2], (200, 200)).found) == 1


def test_what_lies_in_the_hole_of_another_is_an_object_of_its_own() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[10:90, 10:90] = 1
    labels[20:80, 20:80] = 0
    labels[40:60, 30:50] = 1
    labels[44:56, 34:46] = 0
    labels[48:52, 38:42] = 1
    found = find_objects(Segmentation(labels, CLASSES, 0, 0.0), [1], (100, 100))
    assert found.sizes.tolist() == [80 * 80 - 60 * 60, 20 * 20 - 12 * 12, 16]
    assert found.found.boxes.tolist() == [[10, 10, 90, 90], [30, 40, 50, 60], [38, 48, 42, 52]]


def test_an_object_that_fills_a_small_zone_is_in_it() -> None:
    labels = np.ones((100, 100), np.uint8)
    small = ZonePixels(Polygon([[10, 10], [30, 10], [30, 30], [10, 30]]), (100, 100), (200, 200))
    assert find_objects(Segmentation(labels, CLASSES, 0, 0.0), [1], (200, 200)).inside(small).tolist() == [1.0]


def test_objects_that_the_model_tells_apart_are_taken_with_their_masks() -> None:
    masks = np.ones((3, 2, 2), np.float32)
    masks[1, 0] = 0  # its upper half is not on the object
    boxes = np.array([[0, 0, 40, 40], [80, 80, 120, 120], [300, 300, 320, 320]], np.float32)
    instances = Instances(
        np.array([1, 2, 1], np.int32), np.ones(3, np.float32), boxes, masks, np.array([7, 8, 9], np.int32)
    )
    labels = np.zeros((100, 100), np.uint8)
    found = find_objects(Segmentation(labels, CLASSES, 0, 0.0, instances=instances), [], (200, 200))
    assert found.found.track_ids.tolist() == [7, 8]  # one is outside of the picture
    assert np.allclose(found.middles, [[20, 20], [100, 110]], atol=2)
    assert np.allclose(found.inside(LEFT), [1.0, 0.5], atol=0.05)


def test_a_frame_of_nothing_has_no_objects() -> None:
    found = find_objects(Segmentation(np.zeros((10, 10), np.uint8), CLASSES, 0, 0.0), [1, 2], (200, 200))
    assert len(found.found) == len(found.inside(LEFT)) == 0

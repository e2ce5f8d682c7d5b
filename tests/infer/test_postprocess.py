from __future__ import annotations

import numpy as np
import pytest

from streamseg.infer.postprocess import argmax_planes, label_planes, probability_planes

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("classes", [1, 2, 12, 256])
def test_argmax_is_numpys(classes: int) -> None:
    logits = RANDOM.normal(size=(2, classes, 18, 22)).astype(np.float32)
    np.testing.assert_array_equal(argmax_planes(logits, 1), logits.argmax(1))
    np.testing.assert_array_equal(argmax_planes(logits.transpose(0, 2, 3, 1), 3), logits.argmax(1))


def test_ties_go_to_the_first_class_as_numpys_do() -> None:
    logits = RANDOM.integers(0, 3, (1, 6, 40, 40)).astype(np.float32)
    np.testing.assert_array_equal(argmax_planes(logits, 1), logits.argmax(1))


def test_fp16_logits_are_read() -> None:
    logits = RANDOM.normal(size=(1, 4, 9, 9)).astype(np.float16)
    np.testing.assert_array_equal(argmax_planes(logits, 1), logits.argmax(1))


def test_logits_are_left_as_they_were() -> None:
    logits = RANDOM.normal(size=(1, 4, 9, 9)).astype(np.float32)
    before = logits.copy()
    argmax_planes(logits, 1)
    np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(9, 11), (1, 9, 11), (1, 1, 9, 11), (1, 9, 11, 1)])
def test_labels_of_every_shape_become_planes(dtype: type, shape: tuple[int, ...]) -> None:
    labels = RANDOM.integers(0, 200, (1, 9, 11))
    planes = label_planes(labels.reshape(shape).astype(dtype))
    assert planes.dtype == np.uint8
    np.testing.assert_array_equal(planes, labels)


def test_minus_one_becomes_the_ignored_class() -> None:
    assert label_planes(np.full((1, 2, 2), -1, np.int64)).tolist() == [[[255, 255], [255, 255]]]


def test_a_probability_gives_labels_and_how_sure_they_are() -> None:
    labels, confidence = probability_planes(np.array([[[[0.0, 0.2, 0.5, 0.6, 1.0]]]], np.float32))
    assert labels.tolist() == [[[0, 0, 0, 1, 1]]]
    assert confidence.tolist() == [[[255, 204, 128, 153, 255]]]


def test_beyond_0_and_1_a_probability_is_as_sure_as_there() -> None:
    labels, confidence = probability_planes(np.array([[[-0.2, -0.01, 1.01, 2.0]]], np.float32))
    assert labels.tolist() == [[[0, 0, 1, 1]]]
    assert confidence.tolist() == [[[255, 255, 255, 255]]]


def test_labels_that_fit_no_byte_become_void_instead_of_another_class() -> None:
    labels = np.array([[[0, 3, 300], [-1, 255, 256]]], np.int64)
    np.testing.assert_array_equal(label_planes(labels), [[[0, 3, 255], [255, 255, 255]]])

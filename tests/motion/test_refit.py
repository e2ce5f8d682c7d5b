"""Carried masks of one object, fitted to the new picture."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import streamseg
from streamseg.contracts import MaskPropagator
from streamseg.frame import Frame, Image
from streamseg.motion import Effort, make_propagator
from streamseg.motion.refit import Refit
from streamseg.motion.refit_network import FILE, MASK, Network
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.motion.clips import frame, texture

TWO = Classes(("background", "thing"), np.zeros((2, 3), np.uint8), background=0)
Labels = NDArray[np.uint8]


def drawn(index: int) -> tuple[Image, Labels]:
    """(240, 320, 3) and (240, 320): something with a waving arm that runs over a lawn."""
    image, labels = texture(3, 320, 240) // 3 + np.uint8(90), np.zeros((240, 320), np.uint8)
    centre, wave = np.array([60 + 11 * index, 120 + 6 * (index % 3)]), 0.9 * np.sin(0.9 * index)
    hand = centre + 75 * np.array([np.sin(wave), -np.cos(wave)])
    for plane, value in ((image, (30, 40, 210)), (labels, 1)):
        cv2.ellipse(plane, centre.tolist(), (26, 42), 0, 0, 360, value, -1)
        cv2.line(plane, centre.tolist(), np.rint(hand).astype(int).tolist(), value, 13)
    return image.astype(np.uint8), labels


def seen(index: int) -> Frame:
    return frame(index, drawn(index)[0])


def found(index: int, labels: Labels | None = None, *, classes: Classes = TWO, sure: bool = False) -> Segmentation:
    labels = drawn(index)[1] if labels is None else labels
    return Segmentation(labels, classes, index, index / 30, np.full_like(labels, 230) if sure else None)


def carried(key: Segmentation, frames: range, effort: Effort = "fine") -> list[Segmentation]:
    propagator = make_propagator(steady=False, effort=effort)
    propagator.observe(seen(key.frame_index))
    made = []
    for index in frames:
        propagator.observe(seen(index))
        made.append(propagator.carry(key))
    return made


def iou(index: int, labels: Labels) -> float:
    true = drawn(index)[1] > 0
    return float(((labels > 0) & true).sum() / ((labels > 0) | true).sum())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the network."""
    monkeypatch.setattr(Network, "there", False)


FRAMES = range(1, 6)


def test_what_bends_and_runs_is_fitted_better(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = carried(found(0), FRAMES)
    monkeypatch.setattr(Network, "there", False)
    plain = carried(found(0), FRAMES)
    scores = [np.mean([iou(i, one.labels) for i, one in zip(FRAMES, way, strict=True)]) for way in (plain, fitted)]
    assert scores[1] > scores[0] + 0.03


def test_frames_between_two_masks_are_fitted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def scores() -> list[float]:
        propagator, frames = make_propagator(effort="fine"), [seen(index) for index in range(7)]
        for each in frames:
            propagator.observe(each)
        filled = list(propagator.between(frames[1:], found(0), found(6)))
        assert filled[-1].frame_index == 6
        np.testing.assert_array_equal(filled[-1].labels, found(6).labels)
        return [iou(index, one.labels) for index, one in enumerate(filled[:-1], 1)]

    fitted = scores()
    monkeypatch.setattr(Network, "there", False)
    assert np.mean(fitted) > np.mean(scores()) + 0.01


@pytest.mark.parametrize("sure", [False, True])
def test_two_runs_give_the_same(sure: bool) -> None:
    for one, other in zip(*(carried(found(0, sure=sure), FRAMES) for _ in range(2)), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.confidence is not None and other.confidence is not None
        np.testing.assert_array_equal(one.confidence, other.confidence)


def test_what_it_is_given_stays_and_so_do_frame_and_time() -> None:
    key = found(0, sure=True)
    for plane in (key.labels, key.confidence):
        assert plane is not None
        plane.setflags(write=False)
    for one in carried(key, FRAMES):
        assert (one.frame_index, one.frame_time_s, one.classes) == (0, 0.0, TWO)
        assert one.labels.shape == key.labels.shape
        assert one.labels.dtype == np.uint8


def railing(index: int) -> tuple[Image, Labels]:
    """Bars of three pixels before a lawn, which the network by itself takes for nothing."""
    image, labels = texture(3, 320, 240) // 3 + np.uint8(90), np.zeros((240, 320), np.uint8)
    for left in range(40 + 3 * index, 260, 14):
        for plane, value in ((image, (60, 80, 120)), (labels, 1)):
            cv2.rectangle(plane, (left, 50), (left + 2, 190), value, -1)
    return image.astype(np.uint8), labels


def test_what_the_network_is_blind_to_in_the_masks_own_frame_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def last() -> float:
        propagator = make_propagator(steady=False)
        for index in range(4):
            propagator.observe(frame(index, railing(index)[0]))
            labels = propagator.carry(found(0, railing(0)[1])).labels > 0
        true = railing(3)[1] > 0
        return float((labels & true).sum() / (labels | true).sum())

    fitted = last()
    monkeypatch.setattr(Network, "there", False)
    assert fitted > last() - 0.01


def dotted() -> Labels:
    labels = np.zeros((240, 320), np.uint8)
    labels[117:123, 57:63] = 1
    return labels


STREET = Classes(("road", "car", "sky"), np.zeros((3, 3), np.uint8), background=0)
NO_FLOOR = Classes(("lane", "other"), np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    "key",
    [
        found(0, np.zeros((240, 320), np.uint8)),
        found(0, np.ones((240, 320), np.uint8)),
        found(0, np.full((240, 320), 255, np.uint8)),
        found(0, dotted()),
        found(0, np.ones((1, 1), np.uint8)),
        found(0, classes=STREET),
        found(0, classes=NO_FLOOR),
    ],
    ids=["empty", "full", "void", "tiny", "one pixel", "three classes", "no background"],
)
def test_a_mask_that_says_nothing_of_one_object_stays_as_it_was_carried(
    key: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = carried(key, range(1, 3))
    monkeypatch.setattr(Network, "there", False)
    for one, other in zip(fitted, carried(key, range(1, 3)), strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize(
    "labels",
    [
        np.random.default_rng(0).choice(np.array([0, 1, 255], np.uint8), (240, 320)),
        np.random.default_rng(1).integers(0, 2, (3, 5), np.uint8),
        cv2.resize(drawn(0)[1], (90, 500), interpolation=cv2.INTER_NEAREST),
        np.asfortranarray(drawn(0)[1]),
    ],
    ids=["noise and void", "3x5", "another shape", "another order"],
)
@pytest.mark.parametrize("sure", [False, True])
def test_any_mask_can_be_fitted(labels: Labels, sure: bool) -> None:
    for one in carried(found(0, labels, sure=sure), range(1, 3)):
        assert one.labels.shape == labels.shape
        assert set(np.unique(one.labels)) <= {0, 1, 255}


def test_the_background_may_be_either_class() -> None:
    other = Classes(("thing", "background"), np.zeros((2, 3), np.uint8), background=1)
    turned = carried(found(0, 1 - drawn(0)[1], classes=other), FRAMES)
    for index, one in zip(FRAMES, turned, strict=True):
        assert iou(index, 1 - one.labels) > 0.7


def test_labels_of_objects_that_are_told_apart_stay_as_they_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    box, mask = np.array([[30, 70, 90, 170]], np.float32), np.ones((1, 28, 28), np.float32)
    one = Instances(np.ones(1, np.int32), np.ones(1, np.float32), box, mask, np.full(1, -1, np.int32))
    key = Segmentation(drawn(0)[1], TWO, 0, 0.0, None, one)
    fitted = carried(key, FRAMES)[-1].labels
    monkeypatch.setattr(Network, "there", False)
    np.testing.assert_array_equal(fitted, carried(key, FRAMES)[-1].labels)


def test_where_something_is_hidden_nothing_is_taken_from_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def make(*, steady: bool, compare: bool, hides: bool) -> MaskPropagator:
        asked.append(hides)
        return make_propagator(steady=steady, compare=compare, hides=hides)

    monkeypatch.setattr("streamseg.assembly.make_propagator", make)
    for hide in ((), ("foreground",)):
        streamseg.open("test://?frames=2&size=64x64", model="otsu", hide=hide).run()
    assert asked == [False, True]


def test_after_a_cut_it_begins_again() -> None:
    propagator = make_propagator(steady=False, effort="fine")
    for index in range(3):
        propagator.observe(seen(index))
        propagator.carry(found(0))
    propagator.observe(frame(3, texture(7, 320, 240)))
    gone = propagator.carry(found(0))
    assert not gone.labels.any()
    assert gone.confidence is not None and not gone.confidence.any()
    key, fresh = found(4), carried(found(4), range(5, 9))
    propagator.observe(seen(4))
    for index, one in zip(range(5, 9), fresh, strict=True):
        propagator.observe(seen(index))
        np.testing.assert_array_equal(propagator.carry(key).labels, one.labels)


def test_the_least_effort_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refit, "__call__", lambda *_: pytest.fail("it was asked"))
    carried(found(0), FRAMES, "quick")


@pytest.mark.parametrize("effort", ["usual", "fine"])
def test_it_is_asked_twice_for_each_mask(effort: Effort, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, ask = list[Labels](), Network._asked

    def asked(self: Network, pixels: Labels) -> Labels:
        shown.append(pixels[..., MASK].copy())
        return ask(self, pixels)

    monkeypatch.setattr(Network, "_asked", asked)
    carried(found(0), FRAMES, effort)
    assert len(shown) == 2 * (1 + len(FRAMES))
    assert all((one != other).any() for one, other in zip(shown[::2], shown[1::2], strict=True))


def test_without_its_file_or_onnx_runtime_masks_are_carried(
    tmp_path: Path, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = carried(found(0), FRAMES)[-1].labels
    monkeypatch.undo()
    broken = tmp_path / "refit.onnx"
    broken.write_bytes(FILE.read_bytes()[:1000])
    for file in (tmp_path / "missing.onnx", broken):
        assert not Network(file).there
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    np.testing.assert_array_equal(carried(found(0), FRAMES)[-1].labels, plain)


def test_what_is_taken_away_is_no_surer_than_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = carried(found(0, sure=True), range(1, 2))[0]
    monkeypatch.setattr(Network, "there", False)
    plain = carried(found(0, sure=True), range(1, 2))[0]
    assert fitted.confidence is not None and plain.confidence is not None
    gone, new = (fitted.labels < plain.labels), (fitted.labels > plain.labels)
    same = ~gone & ~new
    assert gone.any() or new.any()
    assert (fitted.confidence[gone] <= plain.confidence[gone]).all()
    assert (fitted.confidence[new] >= 128).all()
    np.testing.assert_array_equal(fitted.confidence[same], plain.confidence[same])

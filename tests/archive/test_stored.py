"""Masks in a file, and a model that looks there first."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamseg.archive.stored import MaskWriter, StoredMasks, remembering
from streamseg.contracts import SegmenterFactory, Shown, Workers
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(("floor", "thing"), np.zeros((2, 3), np.uint8))
DICE = np.random.default_rng(0)


def frame(index: int, value: int = 0) -> Frame:
    return Frame(np.full((4, 6, 3), value, np.uint8), index, index / 25, 0.0)


def found(of: Frame, confidence: bool = True) -> Segmentation:
    labels = DICE.integers(0, 2, (2, 3), np.uint8)
    return Segmentation(labels, CLASSES, of.index, of.time_s, labels * 100 if confidence else None)


def write(path: Path, *segmentations: tuple[Frame, Segmentation]) -> Path:
    writer = MaskWriter(path)
    for of, segmentation in segmentations:
        writer.write(Shown(of, segmentation, of.pixels, 0, {}))
    writer.close()
    return path


def test_what_is_stored_comes_back_for_the_same_pixels_and_classes_alone(tmp_path: Path) -> None:
    frames = [frame(index, index) for index in (3, 5)]
    kept = [found(frames[0]), found(frames[1], confidence=False)]
    path = write(tmp_path / "masks", *zip(frames, kept, strict=True))
    with contextlib.closing(StoredMasks([tmp_path / "none", path])) as stored:
        for of, segmentation in zip(frames, kept, strict=True):
            back = stored.of(of, CLASSES)
            assert back is not None and (back.frame_index, back.frame_time_s) == (of.index, of.time_s)
            assert np.array_equal(back.labels, segmentation.labels)
            assert (back.confidence is None) == (segmentation.confidence is None)
        assert np.array_equal(stored.of(frames[0], CLASSES).confidence, kept[0].confidence)  # type: ignore[union-attr, arg-type]
        assert stored.of(frame(4), CLASSES) is None and stored.of(frame(3, 200), CLASSES) is None
        assert stored.of(frames[0], replace(CLASSES, names=("floor", "other"))) is None


@pytest.mark.parametrize("bad", [b"", b"junk", b"x" * 400])
def test_a_file_that_is_damaged_or_cut_off_counts_for_what_is_whole(tmp_path: Path, bad: bytes) -> None:
    frames = [frame(0), frame(1)]
    path = write(tmp_path / "masks", *((each, found(each)) for each in frames))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    stored = StoredMasks([path])
    assert stored.of(frames[0], CLASSES) is not None and stored.of(frames[1], CLASSES) is None
    path.write_bytes(bad)
    assert StoredMasks([path]).of(frames[0], CLASSES) is None
    path.write_bytes(whole[:16] + bytes(len(whole) - 16))
    assert StoredMasks([path]).of(frames[0], CLASSES) is None


class _Network:
    classes, scale = CLASSES, 1.0

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.closed = False

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self.asked += [each.index for each in frames]
        return [found(each) for each in frames]

    def close(self) -> None:
        self.closed = True


def test_the_network_is_made_for_what_is_not_stored(tmp_path: Path) -> None:
    made: list[_Network] = []

    def make(threads: int) -> _Network:
        made.append(_Network())
        return made[-1]

    frames = [frame(index) for index in range(4)]
    stored = StoredMasks([write(tmp_path / "masks", *((each, found(each)) for each in frames[::2]))])
    tuned = {"file": Workers(2, 1, make)}
    recipe = remembering(SegmenterFactory("fake", CLASSES, make, parallel=True, tuned=tuned), stored)
    for make_one in (recipe.make, recipe.tuned["file"].make):
        segmenter = make_one(1)
        assert [each.frame_index for each in segmenter(frames[::2])] == [0, 2] and not made
        segmenter.close()
        segmenter = make_one(1)
        assert [each.frame_index for each in segmenter(frames)] == [0, 1, 2, 3]
        segmenter.close()
        network = made.pop()
        assert network.asked == [1, 3] and network.closed

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.frame import Frame, Image
from streamseg.render.overlay import ColoursOnly, Overlay, SideBySide
from streamseg.segmentation import Classes, Segmentation

COLOURS = np.array([[0, 0, 0], [40, 200, 60], [250, 30, 90]], np.uint8)


def noise(height: int, width: int, seed: int = 0) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(image, 0, 0.0, 0.0)


def made(
    labels: NDArray[np.uint8], background: int | None = 0, count: int = 3, ignore: int | None = 255
) -> Segmentation:
    classes = Classes(tuple("abc"[:count]), COLOURS[:count], background, ignore)
    return Segmentation(labels, classes, 0, 0.0)


def reference(frame: Frame, labels: NDArray[np.uint8], colours: NDArray[np.uint8], opacity: float) -> Image:
    """The usual picture: colours looked up, blended in floating point, background kept."""
    blended = frame.image * (1.0 - opacity) + colours[labels].astype(float) * opacity
    return np.where((labels == 0)[:, :, None], frame.image, blended.round()).astype(np.uint8)


def drawn(view: Overlay | ColoursOnly, frame: Frame, segmentation: Segmentation, opacity: float = 0.5) -> Image:
    picture = np.zeros_like(frame.image)
    view(picture, frame, segmentation, opacity)
    return picture


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.5, 1.0])
def test_the_overlay_equals_a_floating_point_reference(count: int, opacity: float) -> None:
    frame = noise(64, 96)
    labels = np.random.default_rng(1).integers(0, count, (64, 96), dtype=np.uint8)
    picture = drawn(Overlay(), frame, made(labels, count=count), opacity)
    wanted = reference(frame, labels, COLOURS, opacity)
    assert np.abs(picture.astype(int) - wanted).max() <= 1
    assert (picture[labels == 0] == frame.image[labels == 0]).all()


def test_small_labels_give_smooth_borders_in_the_right_place() -> None:
    frame = noise(360, 640)
    labels = np.zeros((36, 64), np.uint8)
    labels[:, 32:] = 1
    labels[20:, 48:] = 2
    picture = drawn(Overlay(), frame, made(labels))
    large = np.repeat(np.repeat(labels, 10, 0), 10, 1)
    wanted = reference(frame, large, COLOURS, 0.5)
    wrong = np.abs(picture.astype(int) - wanted).max(2) > 2
    assert not wrong[:, :310].any()
    assert not wrong[:190, 330:].any()
    assert wrong.mean() < 0.05


def test_a_diagonal_border_has_no_stairs() -> None:
    confidence = np.full((32, 32), 255, np.uint8)
    rows, columns = np.mgrid[:32, :32]
    share = np.clip(0.5 + (rows - columns) / 8, 0, 1)
    labels = (share > 0.5).astype(np.uint8)
    confidence = (np.where(labels == 1, share, 1 - share) * 255).astype(np.uint8)
    classes = Classes(("background", "person"), COLOURS[:2], 0)
    frame = Frame(np.full((320, 320, 3), 128, np.uint8), 0, 0.0, 0.0)
    picture = drawn(Overlay(), frame, Segmentation(labels, classes, 0, 0.0, confidence))
    edges = (picture != 128).any(2).argmin(1)[40:280]  # the column at which each row becomes background
    assert np.abs(np.diff(edges)).max() <= 3


def test_of_two_classes_what_is_not_known_is_not_drawn() -> None:
    classes = Classes(("background", "person"), COLOURS[:2], 0)
    frame = noise(20, 20)
    for class_id in (0, 1):
        labels, nothing = np.full((20, 20), class_id, np.uint8), np.zeros((20, 20), np.uint8)
        picture = drawn(Overlay(), frame, Segmentation(labels, classes, 0, 0.0, nothing))
        assert (picture == frame.image).all()


def test_ignored_and_unknown_ids_leave_the_video_alone() -> None:
    frame = noise(20, 20)
    labels = np.full((20, 20), 255, np.uint8)
    labels[:5], labels[5:10] = 1, 77
    picture = drawn(Overlay(), frame, made(labels, background=None))
    assert (picture[5:] == frame.image[5:]).all()
    assert (picture[:5] != frame.image[:5]).any()


def test_without_a_background_every_class_is_drawn() -> None:
    frame, labels = noise(20, 20), np.zeros((20, 20), np.uint8)
    assert np.abs(drawn(Overlay(), frame, made(labels, background=None)).astype(int) - frame.image // 2).max() <= 1


def test_the_mask_view_shows_exactly_the_classes_colours() -> None:
    labels = np.random.default_rng(1).integers(0, 3, (6, 8), dtype=np.uint8)
    picture = drawn(ColoursOnly(), noise(60, 80), made(labels))
    assert (picture == COLOURS[np.repeat(np.repeat(labels, 10, 0), 10, 1)]).all()


def test_side_by_side_shows_the_frame_and_the_overlay() -> None:
    frame, labels = noise(30, 40), np.random.default_rng(1).integers(0, 3, (30, 40), dtype=np.uint8)
    picture = np.zeros((30, 80, 3), np.uint8)
    SideBySide()(picture, frame, made(labels), 0.5)
    assert (picture[:, :40] == frame.image).all()
    assert (picture[:, 40:] == drawn(Overlay(), frame, made(labels))).all()


def test_frames_of_changing_size_and_classes_are_taken_in_stride() -> None:
    view = Overlay()
    for count in (2, 3, 2):
        for height, width in ((20, 30), (31, 17), (1, 1)):
            labels = np.ones((4, 4), np.uint8)
            frame = noise(height, width)
            picture = drawn(view, frame, made(labels, count=count))
            assert np.abs(picture.astype(int) - (frame.image * 0.5 + COLOURS[1] * 0.5)).max() <= 1

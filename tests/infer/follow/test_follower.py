"""Objects that are pointed at are followed, corrected, and let go where they are lost."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamseg
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.prompts import Box, Clear, Click, Mask, Prompt
from streamseg.segmentation import Instances
from tests.infer.follow.clips import GROUND, HEIGHT, RADIUS, WIDTH, following, frame, iou, mask, place

X, Y = place(0) / WIDTH, 60 / HEIGHT
CLICK = Click(X, Y)
BOX = Box(X - RADIUS / WIDTH, Y - RADIUS / HEIGHT, X + RADIUS / WIDTH, Y + RADIUS / HEIGHT)


@pytest.mark.parametrize("prompt", [Mask(mask(place(0))), BOX, CLICK], ids=lambda each: type(each).__name__)
def test_what_is_pointed_at_is_found_and_followed(prompt: Prompt) -> None:
    segment, _ = following(prompt)
    scores = [iou(segment([frame(index)])[0], mask(place(index))) for index in range(20)]
    assert scores[0] > 0.85
    assert min(scores) > 0.8
    assert iou(segment([frame(20)])[0], mask(place(0))) < 0.1  # where it was at first nothing is left


def test_without_a_prompt_nothing_is_found_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    segment, _ = following()
    with caplog.at_level(logging.INFO):
        for found in segment([frame(0), frame(1)]):
            assert not found.labels.any()
            assert found.instances is not None
            assert len(found.instances) == 0
    assert [record.message.count("click on an object") for record in caplog.records] == [1]


def test_a_click_counts_for_the_frame_that_it_was_made_on() -> None:
    late, waiting = following()
    for index in range(10):
        late([frame(index)])
    waiting.append(Click(X, Y, frame_index=0))  # ten frames later something else is there
    (found,) = late([frame(10)])
    at_once, _ = following(CLICK)
    *_, expected = (at_once([frame(index)])[0] for index in range(11))
    assert iou(found, mask(place(10))) > 0.8
    assert np.array_equal(found.labels, expected.labels)


def test_a_click_on_a_frame_that_is_no_longer_known_is_said(caplog: pytest.LogCaptureFixture) -> None:
    segment, waiting = following()
    for index in range(20):
        segment([frame(index)])
    waiting.append(Click(X, Y, frame_index=2))
    with caplog.at_level(logging.INFO):
        (found,) = segment([frame(20)])
    assert not found.labels.any()
    assert "frame 2 is too long ago" in caplog.text


def test_the_masks_of_objects_are_those_of_the_labels() -> None:
    segment, _ = following(CLICK)
    (found,) = segment([frame(0)])
    assert found.instances is not None
    assert np.mean(found.instances.mask(0, (HEIGHT, WIDTH)) == (found.labels > 0)) > 0.999


def test_a_second_click_adds_and_one_that_takes_away_takes_away() -> None:
    half = mask(place(0))
    half[:, round(place(0)) :] = False
    segment, waiting = following(Mask(half))
    (found,) = segment([frame(0)])
    assert iou(found, mask(place(0))) < 0.6
    waiting.append(Click(X + 0.06, Y))
    (found,) = segment([frame(0)])
    assert iou(found, mask(place(0))) > 0.85
    assert found.instances is not None
    assert found.instances.track_ids.tolist() == [1]

    much = mask(place(0)) | mask(place(0) + 40)
    segment, waiting = following(Mask(much))
    before = iou(segment([frame(0)])[0], mask(place(0)))
    waiting.append(Click(X + 50 / WIDTH, Y, adds=False))
    assert iou(segment([frame(0)])[0], mask(place(0))) > before + 0.2


def test_a_click_that_takes_away_where_nothing_is_does_nothing() -> None:
    segment, _ = following(Click(0.5, 0.5, adds=False))
    assert not segment([frame(0)])[0].labels.any()


def test_two_objects_keep_their_numbers_and_boxes() -> None:
    segment, _ = following(Click(50 / WIDTH, Y), Click(150 / WIDTH, Y))
    for index in range(8):
        (found,) = segment([frame(index, 50 + 3 * index, 150 - index)])
    objects = found.instances
    assert objects is not None
    assert objects.track_ids.tolist() == [1, 2]
    assert np.allclose((objects.boxes[:, 0] + objects.boxes[:, 2]) / 2, (71, 143), atol=5)
    assert objects.class_ids.tolist() == [1, 1]
    assert (objects.scores > 0.5).all()


def test_a_late_click_leaves_what_was_pointed_at_since_as_it_is() -> None:
    def pairs(*prompts: tuple[int, Prompt]) -> Instances:
        """After eight frames, of which each prompt comes with the one of its number."""
        segment, waiting = following()
        for index in range(8):
            waiting += [prompt for at, prompt in prompts if at == index]
            (found,) = segment([frame(index, 50 + 3 * index, 150 - index)])
        assert found.instances is not None
        return found.instances

    late = Click(150 / WIDTH, Y, frame_index=2)
    alone = pairs((4, Click(62 / WIDTH, Y)))
    both = pairs((4, Click(62 / WIDTH, Y)), (6, late))
    assert both.track_ids.tolist() == [1, 2]
    assert np.array_equal(both.boxes[0], alone.boxes[0])
    assert np.allclose((both.boxes[:, 0] + both.boxes[:, 2]) / 2, (71, 143), atol=5)


def test_a_cut_ends_it_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    segment, _ = following(CLICK)
    segment([frame(0)])
    other = np.random.default_rng(5).integers(0, 256, (HEIGHT // 10, WIDTH // 10, 3), dtype=np.uint8)
    cut = np.asarray(cv2.resize(other, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)
    with caplog.at_level(logging.INFO):
        (found,) = segment([Frame(cut, 1, 0.04, 0.0)])
    assert not found.labels.any()
    assert "the picture is another one from frame 1 on" in caplog.text


def test_another_size_ends_it() -> None:
    segment, _ = following(CLICK)
    segment([frame(0)])
    (found,) = segment([Frame(np.ascontiguousarray(frame(1).image[:80, :150]), 1, 0.04, 0.0)])
    assert found.labels.shape == (80, 150)
    assert not found.labels.any()


def test_an_object_that_leaves_is_said_and_leaves_no_mask(caplog: pytest.LogCaptureFixture) -> None:
    segment, _ = following(CLICK)
    with caplog.at_level(logging.INFO):
        for index in range(20):
            (found,) = segment([frame(index, 50 - 5 * index)])  # gone to the left from the fifteenth on
    assert not found.labels.any()
    assert "object 1 has left the picture" in caplog.text


def test_an_object_that_is_covered_leaves_no_mask(caplog: pytest.LogCaptureFixture) -> None:
    segment, _ = following(CLICK)
    with caplog.at_level(logging.INFO):
        for index in range(16):
            image = frame(0).image.copy()
            image[:, : 12 * index] = GROUND[:, ::-1][:, : 12 * index]  # a wall is pushed over it
            (found,) = segment([Frame(image, index, index / 25, 0.0)])
    assert not found.labels.any()
    assert "object 1" in caplog.text


def test_settings_name_them_in_shares_or_pixels(tmp_path: Path) -> None:
    sides = (28, 38, 72, 82)
    shares = [side / (WIDTH, HEIGHT)[i % 2] for i, side in enumerate(sides)]
    labels = [following(settings={"box": box})[0]([frame(0)])[0].labels for box in (sides, shares, [*map(str, sides)])]
    assert np.array_equal(labels[0], labels[1])
    assert np.array_equal(labels[0], labels[2])
    two = mask(50).astype(np.uint8) + 2 * mask(150).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "first.png"), two)
    (found,) = following(settings={"mask": str(tmp_path / "first.png")})[0]([frame(0, 50, 150)])
    assert found.instances is not None
    assert len(found.instances) == 2
    assert iou(found, two > 0) > 0.95


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"box": (0.1, 0.2, 0.3)}, "left, top, right, bottom"),
        ({"box": (0.5, 0.2, 0.3, 0.4)}, "left < right"),
        ({"click": 0.5}, "click"),
        ({"click": (0.5, -1)}, "click"),
        ({"mask": "nowhere.png"}, "nowhere.png"),
    ],
)
def test_settings_that_are_wrong_are_one_line(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        following(settings=settings)


def test_places_out_of_the_picture_are_no_trouble() -> None:
    segment, _ = following(settings={"box": (900, 900, 990, 990), "click": (5000, 5000)})
    assert segment([frame(0)])[0].labels.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("prompt", [Click(0, 0), Click(1, 1), Box(0, 0, 1, 1), Box(0.4, 0.4, 0.401, 0.401)], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 16), (120, 200)], ids=str)
def test_pictures_and_prompts_of_any_size(size: tuple[int, int], prompt: Prompt) -> None:
    segment, _ = following(prompt)
    noise = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    for index in range(3):
        segment([Frame(np.roll(noise, index, 1), index, index / 25, 0.0)])


def test_a_program_points_while_a_stream_runs() -> None:
    images = [frame(index).image for index in range(12)]
    with streamseg.open(streamseg.frames(images, fps=25), model="follow") as stream:
        stream.controls.prompts.append(streamseg.Click(X, Y))
        scores = [iou(shown.segmentation, mask(place(shown.frame.index))) for shown in stream]
    assert len(scores) == 12
    assert min(scores) > 0.8


def test_when_it_is_cleared_nothing_is_followed_and_no_earlier_object_comes_back() -> None:
    segment, waiting = following(CLICK)
    for index in range(3):
        segment([frame(index)])
    waiting += [Clear(), Click(0.9, 0.1, adds=False, frame_index=1)]
    for index in (3, 4):
        assert not segment([frame(index)])[0].labels.any()

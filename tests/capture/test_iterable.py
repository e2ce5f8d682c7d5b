"""Frames of a program's own: iterated over, or pushed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import streamseg
from streamseg.capture.iterable import PushSource, frames, named
from streamseg.errors import InputError
from streamseg.frame import Image
from tests.parts.fakes import CountingSource
from tests.parts.patience import until


def image(value: int = 0, height: int = 48) -> Image:
    return np.full((height, 64, 3), value, np.uint8)


def test_images_of_a_list_are_so_far_apart_as_the_rate_says() -> None:
    source = frames([image(), image(), image()], fps=10)
    found = list(source)
    assert [frame.index for frame in found] == [0, 1, 2]
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.1, 0.2])
    assert (source.info.live, source.info.fps) == (False, 10)


def test_times_of_one_s_own_count_from_the_first() -> None:
    found = list(frames((1000 + index / 4, image()) for index in range(3)))
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.25, 0.5])


TWICE = [5.0, 5.5, 6.0, 5.98, 6.5, 5.0, 5.5, 6.0]
"""Times of a recording that is played again, two of them out of order."""


def test_times_that_step_back_go_on_from_the_last_frame() -> None:
    found = list(frames([(time_s, image()) for time_s in TWICE], fps=2))
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.5, 1, 1, 1.5, 2, 2.5, 3])


def test_pushed_times_that_step_back_go_on_from_the_last_frame() -> None:
    source = PushSource(fps=2, live=False)

    def callbacks() -> None:
        for time_s in TWICE:
            source.put(image(), time_s)
        source.end()

    pusher = threading.Thread(target=callbacks, daemon=True)
    pusher.start()
    assert [frame.time_s for frame in source] == pytest.approx([0, 0.5, 1, 1, 1.5, 2, 2.5, 3])
    pusher.join()


def test_live_images_have_the_time_at_which_they_came() -> None:
    found = list(frames([image(), image()], fps=1, live=True))
    assert 0 <= found[0].time_s <= found[1].time_s < 1


def test_images_are_handed_over_uncopied_and_the_program_s_own_array_stays_writable() -> None:
    mine = image()
    (frame,) = frames([mine])
    assert np.shares_memory(frame.image, mine)
    assert mine.flags.writeable


def test_every_frame_of_a_generator_is_shown_in_order() -> None:
    stream = streamseg.open(frames((image(value) for value in range(20)), fps=25), model="otsu", view="source")
    assert [int(shown.frame.image[0, 0, 0]) for shown in stream] == list(range(20))


def test_a_generator_is_closed_with_its_stream() -> None:
    closed = threading.Event()

    def endless() -> Iterator[Image]:
        try:
            while True:
                yield image()
        finally:
            closed.set()

    with streamseg.open(frames(endless(), live=True), model="otsu") as stream:
        next(iter(stream))
    until(closed.is_set)


def test_what_a_generator_raises_comes_out_of_the_loop() -> None:
    def broken() -> Iterator[Image]:
        yield image()
        raise OSError("the wire is cut")

    with pytest.raises(OSError, match="the wire is cut"):
        streamseg.open(frames(broken(), live=True), model="otsu").run()


def test_an_item_that_is_no_image_ends_the_stream_in_one_line() -> None:
    with pytest.raises(InputError, match="not .* float64"):
        streamseg.open(frames([image() / 2]), model="otsu").run()


def test_a_part_of_the_frames_can_be_taken() -> None:
    source = frames([image(value) for value in range(20)], fps=10)
    shown = list(streamseg.open(source, model="otsu", start="5f", every=3, end="12f"))
    assert [one.frame.index for one in shown] == [5, 8, 11]


@pytest.mark.parametrize("wrong", [7, "clip.mp4", None])
def test_what_cannot_be_iterated_over_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="gives no frames"):
        frames(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), "25"])
def test_a_rate_that_is_none_is_refused(fps: Any) -> None:
    with pytest.raises(InputError, match="fps is a number above 0"):
        PushSource(fps=fps)


def test_a_source_of_images_is_read_once_and_says_so() -> None:
    source = frames([image(), image()], fps=Fraction(30000, 1001))  # type: ignore[arg-type]
    assert len(list(streamseg.open(source, model="otsu"))) == 2
    with pytest.raises(InputError, match=r"a source is read once \(make another with streamseg.frames"):
        list(streamseg.open(source, model="otsu"))


def test_pushed_frames_are_all_shown_where_the_source_is_not_live() -> None:
    source, values = PushSource(live=False), []

    def callbacks() -> None:
        for value in range(30):
            assert source.put(image(value), time_s=5 + value / 10)
        source.end()

    pusher = threading.Thread(target=callbacks, daemon=True)
    pusher.start()
    for shown in streamseg.open(source, model="otsu"):
        values.append((int(shown.frame.image[0, 0, 0]), round(shown.frame.time_s, 3)))
    pusher.join()
    assert values == [(value, value / 10) for value in range(30)]


def test_a_live_push_never_waits_and_the_newest_frame_wins() -> None:
    source = PushSource()
    for value in range(100):  # nobody takes them yet
        assert source.put(image(value))
    source.end()
    found = list(source)
    assert found[-1].index == 99
    assert len(found) < 100
    assert [frame.index for frame in found] == sorted({frame.index for frame in found})


def test_pushing_into_a_stream_that_was_closed_says_no() -> None:
    source = PushSource()
    source.put(image())
    with streamseg.open(source, model="otsu") as stream:
        next(iter(stream))
    assert source.put(image()) is False


def test_a_stream_can_be_opened_before_the_first_frame_and_in_the_same_thread() -> None:
    source = PushSource(live=False)
    with streamseg.open(source, model="otsu") as stream:
        source.put(image(9))
        source.end()
        assert [int(shown.frame.image[0, 0, 0]) for shown in stream] == [9]


@pytest.mark.parametrize("time_s", [np.float32(2), Fraction(2), 2])
def test_a_time_may_be_any_number(time_s: Any) -> None:
    (shown,) = streamseg.open(streamseg.frames([(time_s, image(0))]), model="otsu")
    assert (shown.frame.time_s, type(shown.frame.time_s)) == (0, float)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ((True, image(0)), "True and False are no times"),
        ((float("nan"), image(0)), "not nan"),
        ((float("inf"), image(0)), "not inf"),
        (("1.0", image(0)), "not str"),
        ((datetime(2026, 1, 1), image(0)), "not datetime"),
        ((image(0), 1.0), "not ndarray"),
        ((1.0, image(0), 2), "not 3 things"),
    ],
)
def test_what_is_no_time_is_refused(item: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        streamseg.open(streamseg.frames([item]), model="otsu").run()
    if len(item) == 2:
        with pytest.raises(InputError, match=said):
            streamseg.PushSource().put(item[1], time_s=item[0])


def test_a_name_is_text() -> None:
    with pytest.raises(InputError, match="name is text, not NoneType"):
        streamseg.frames([], name=None)  # type: ignore[arg-type]


def test_a_source_of_one_s_own_that_gives_images_is_told_what_makes_frames_of_them() -> None:
    class Images(CountingSource):
        def __iter__(self) -> Iterator[Any]:
            yield image(0)

    with pytest.raises(InputError, match=r"gave ndarray, not streamseg\.Frame"):
        streamseg.open(Images(3), model="otsu").run()


def test_a_camera_s_number_may_be_one_of_numpy_s() -> None:
    assert named(np.int64(0)) == 0

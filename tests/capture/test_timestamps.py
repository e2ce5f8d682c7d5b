from __future__ import annotations

import logging

import pytest

from streamseg.capture.timestamps import Timeline


def read(clock: Timeline, *stamps: float | None) -> list[float]:
    return [round(clock.read(stamp), 3) for stamp in stamps]


def test_times_count_from_the_first_frame_and_missing_ones_are_filled_in() -> None:
    assert read(Timeline("a", 0.04), 5.0, 5.04, None, 5.12, 5.3) == [0.0, 0.04, 0.08, 0.12, 0.3]
    assert read(Timeline("a", 0.04), None, None) == [0.0, 0.04]


def test_frames_before_the_first_stamp_lie_before_it_whatever_it_says() -> None:
    assert read(Timeline("a.ts", 0.04), None, None, 3600.08, 3600.12) == [0.0, 0.04, 0.08, 0.12]


def test_disorder_of_a_frame_or_two_never_runs_backwards() -> None:
    assert read(Timeline("a", 0.04), 1.0, 1.08, 1.04, 1.12) == [0.0, 0.08, 0.08, 0.12]


def test_a_clock_that_jumps_begins_a_new_timeline_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Timeline("cam", 0.04, longest_gap_s=10.0)
    with caplog.at_level(logging.INFO):
        times = read(clock, 100.0, 100.04, 3700.0, 3700.04, 50.0, None, 50.08)
    assert times == [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24]
    assert len(caplog.records) == 1


def test_a_live_clock_that_stands_still_or_goes_in_leaps_is_filled_in() -> None:
    assert read(Timeline("cam", 0.04, longest_gap_s=10.0), 7.0, 7.0, 7.0, 7.0, 7.2) == [0.0, 0.04, 0.08, 0.12, 0.2]
    assert read(Timeline("file", 0.04), 7.0, 7.0, 7.2) == [0.0, 0.0, 0.2]


def test_a_live_clock_that_moves_with_every_second_frame_says_how_far_apart_frames_are() -> None:
    """Whatever rate the camera names: here one frame a second, of 25."""
    pairs = [0.08 * (number // 2) for number in range(100)]
    times = read(Timeline("cam", 1.0, longest_gap_s=10.0), *pairs)
    assert times[2:] == [round(1.04 + 0.04 * number, 3) for number in range(98)]
    late = read(Timeline("cam", 0.04, longest_gap_s=10.0), 0.0, 0.04, 9.0, 9.0, 9.04)  # a pause is no slower rate
    assert late == [0.0, 0.04, 9.0, 9.04, 9.04]


def test_a_stream_that_only_pauses_keeps_its_time() -> None:
    assert read(Timeline("cam", 0.04, longest_gap_s=10.0), 0.0, 5.0) == [0.0, 5.0]
    assert read(Timeline("file", 0.04), 0.0, 5000.0) == [0.0, 5000.0]

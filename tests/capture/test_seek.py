"""Packets that are passed over on the way to a moment; tests/capture/test_trim.py looks at the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from streamseg.capture.seek import Seek
from streamseg.capture.timestamps import Timeline
from streamseg.moment import Moment


@dataclass
class Packet:
    """What is asked of a packet, 25 a second."""

    pts: int | None
    is_keyframe: bool = False
    size: int = 100
    is_discard: bool = False
    time_base = Fraction(1, 25)


def film(frames: int, group: int = 10) -> list[Packet | None]:
    return [*(Packet(number, number % group == 0) for number in range(frames)), None]


def seek(start: Moment | None) -> Seek:
    return Seek(start, Timeline("film", 0.04))


def left(start: str | None, packets: Sequence[Packet | None]) -> tuple[list[int | None], Seek]:
    """The stamps of the packets that are not passed over."""
    made = seek(None if start is None else Moment(start))
    passed: Any = made.pass_over(iter(packets))  # type: ignore[arg-type]
    given = list(passed)
    assert given[-1] is None
    return [packet.pts for packet in given[:-1]], made


def test_without_a_start_nothing_is_passed_over() -> None:
    assert left(None, film(30))[0] == list(range(30))


@pytest.mark.parametrize("start", ["85f", "3.4"])
def test_decoding_begins_two_groups_before_the_one_that_is_needed(start: str) -> None:
    stamps, made = left(start, film(100))
    assert stamps == list(range(60, 100))
    assert made.number(60 / 25, None) == pytest.approx((60, 2.4))
    assert made.number(85 / 25, None) == pytest.approx((85, 3.4))


def test_frames_behind_those_that_were_counted_go_on_from_them() -> None:
    _, made = left("85f", film(100))
    for number in range(60, 90):
        made.number(number / 25, None)
    assert made.number(90 / 25, None) == pytest.approx((90, 3.6))


def test_a_start_near_the_beginning_is_decoded_from_there() -> None:
    stamps, made = left("15f", film(100))
    assert stamps == list(range(100))
    assert [made.number(number / 25, None)[0] for number in range(3)] == [0, 1, 2]


def test_a_start_behind_the_end_leaves_the_last_groups() -> None:
    stamps, _ = left("1000f", film(100))
    assert stamps[-1] == 99
    assert 0 < len(stamps) <= 30


def test_frames_are_counted_in_the_order_in_which_they_are_shown() -> None:
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    packets = [Packet(10 * group + at, at == 0) for group in range(10) for at in shown]
    stamps, made = left("85f", [*packets, None])
    assert stamps[0] == 60
    assert [made.number(number / 25, None)[0] for number in (60, 61, 63, 69)] == [60, 61, 63, 69]


@pytest.mark.parametrize(
    "packets",
    [
        [Packet(None, True), *film(100)],
        [Packet(number) for number in range(100)],
        [Packet(5, True), Packet(3), *film(100)],
        [Packet(number, number == 0, size=1_000_000) for number in range(100)],
    ],
    ids=["no stamp", "no key frame", "frames before the first key frame", "a group of more than memory"],
)
def test_a_file_that_does_not_say_enough_is_decoded_from_its_beginning(packets: list[Packet | None]) -> None:
    stamps, made = left("85f", [*packets, None] if packets[-1] else packets)
    assert stamps == [packet.pts for packet in packets if packet]
    assert made.number(0.0, None) == (0, 0.0)


def test_a_group_that_would_fill_the_memory_is_not_held() -> None:
    packets = [Packet(number, number % 100 == 0, size=1_000_000) for number in range(500)]
    assert left("485f", [*packets, None])[0] == list(range(500))


def test_packets_that_are_not_shown_are_not_counted() -> None:
    packets: list[Packet | None] = film(100)
    for packet in packets[5:8]:
        assert packet is not None
        packet.is_discard = True
    _, made = left("80f", packets)
    assert made.number(70 / 25, None)[0] == 67


def test_stamps_that_come_again_are_told_apart() -> None:
    _, made = left("85f", [Packet(number % 10, number % 10 == 0) for number in range(100)] + [None])
    shown = [made.number(number % 10 / 25, None)[0] for number in range(60, 100)]
    assert shown == list(range(60, 100))


def test_a_frame_that_was_left_out_gives_its_number_to_none_of_the_same_stamp() -> None:
    _, made = left("85f", [Packet(number % 10, number % 10 == 0) for number in range(100)] + [None])
    decoded = [number for number in range(60, 100) if number not in (63, 64)]
    assert [made.number(number % 10 / 25, None)[0] for number in decoded] == decoded


def test_an_empty_file_has_an_end() -> None:
    assert left("85f", [None])[0] == []

"""The way from one frame to another."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from streamseg.motion.flow import Flow, Search, compose, destinations, look_at
from streamseg.motion.flow_history import History
from tests.motion.clips import frame, panned, texture


def test_a_way_step_by_step_is_the_direct_one_where_all_moves_alike() -> None:
    looks = [look_at(frame(index, panned(index, step=2))) for index in range(5)]
    search, history = Search(160 * 120), History(Search(160 * 120))
    for look in looks:
        history.see(look)
    chained, direct = history.way(looks[4], looks[0]), search(looks[4], looks[0])
    assert chained is not None and direct is not None
    inner = (slice(10, -10), slice(10, -20))
    assert np.abs(np.median(chained[inner], (0, 1)) - [4, 0]).max() < 0.1  # 8 px of a frame twice as large
    assert np.abs(chained[inner] - direct[inner]).mean() < 0.15


def test_constant_flows_add_up_exactly() -> None:
    first, second = np.full((30, 40, 2), (1.5, -2.0), np.float32), np.full((30, 40, 2), (0.25, 1.0), np.float32)
    assert np.array_equal(compose(first, second), np.full((30, 40, 2), (1.75, -1.0), np.float32))


def test_a_way_back_undoes_the_way_there() -> None:
    looks, history = [look_at(frame(index, panned(index, step=2))) for index in range(4)], History(Search(160 * 120))
    for look in looks:
        history.see(look)
    there, back = history.way(looks[3], looks[0]), history.way(looks[0], looks[3])
    assert there is not None and back is not None
    assert np.abs(compose(there, back)[12:-12, 16:-24]).mean() < 0.15


def test_a_way_that_is_followed_outlives_the_history() -> None:
    looks, history = (
        [look_at(frame(index, panned(index // 4, step=2))) for index in range(80)],
        History(Search(160 * 120)),
    )
    for look in looks:
        history.see(look)
        way = history.way(look, looks[0])
    assert history.find(0) is looks[0]
    assert history.find(1) is None
    assert way is not None
    assert abs(np.median(way[10:-10, 10:-40, 0]) - 19) < 1


def test_what_moves_fast_is_followed_the_better_the_longer_it_moves() -> None:
    wide = cv2.resize(texture(1, 320, 100), (1280, 400), interpolation=cv2.INTER_CUBIC)
    looks = [look_at(frame(i, np.ascontiguousarray(wide[30:270, i * 60 : i * 60 + 320]))) for i in range(6)]
    search, history = Search(160 * 120), History(Search(160 * 120))

    def error(way: Flow | None) -> float:
        assert way is not None
        return float(np.abs(way[12:-12, 12:-55] - [30, 0]).mean())

    for look in looks:
        history.see(look)
        history.way(look, looks[max(0, look.index - 1)])
    pairs = list(zip(looks[3:], looks[2:], strict=False))
    followed = np.mean([error(history.way(now, then)) for now, then in pairs])
    assert followed < 1 < np.mean([error(search(now, then)) for now, then in pairs])


@pytest.mark.parametrize("ground", [2, 4, 5])
def test_a_small_thing_that_jumped_is_found_as_blocks(ground: int) -> None:
    thing, pictures = texture(3, 20, 20), []
    for x in (60, 86):
        picture = texture(ground, 320, 240) // 2
        picture[96:116, x : x + 20] = thing
        pictures.append(picture)
    now, then = (look_at(frame(index, pictures[index])) for index in (1, 0))

    def error(search: Search) -> float:
        way, (rows, columns) = search(now, then), search.shape(now)
        assert way is not None
        middle = way[rows * 101 // 240 : rows * 111 // 240, columns * 91 // 320 : columns * 101 // 320]
        return float(np.abs(middle - [-26 * columns / 320, 0]).mean())

    assert error(Search(160 * 120, again=True, blocks=True)) < 0.5 < 5 < error(Search(160 * 120, again=True))


def test_what_steps_lost_is_found_over_all_of_them_at_once() -> None:
    thing, pictures = texture(3, 96, 96), []
    for x in (40, 44):
        picture = texture(2, 320, 240) // 4
        picture[80:176, x : x + 96] = thing
        pictures.append(picture)
    now, then = (look_at(frame(index, pictures[index])) for index in (1, 0))
    lost = np.full((*Search(160 * 120).shape(now), 2), (25, 0), np.float32)
    found = Search(160 * 120, again=True).mended(now, then, lost)
    assert np.abs(found[50:80, 30:60] - [-2, 0]).mean() < 0.5  # of a frame twice as large
    assert Search(160 * 120).mended(now, then, lost) is lost
    assert Search(160 * 120, again=True).mended(now, then, found) is found


def test_a_change_of_exposure_is_no_cut() -> None:
    image = panned(0) // 2
    dark, bright = look_at(frame(0, image)), look_at(frame(1, image + np.uint8(40)))
    assert Search(160 * 120)(bright, dark) is not None


def test_another_picture_is_a_cut() -> None:
    looks = look_at(frame(0, panned(0))), look_at(frame(1, texture(9, 320, 240)))
    assert Search(160 * 120)(looks[1], looks[0]) is None


@pytest.mark.parametrize("nowhere", [np.nan, np.inf])
def test_a_flow_that_is_no_number_is_a_cut_and_no_start(nowhere: float, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, search = [look_at(frame(index, panned(index))) for index in range(3)], Search(160 * 120)
    history, broken = History(search), SimpleNamespace(calc=lambda here, there, start: np.full_like(start, nowhere))
    for look in looks:
        history.see(look)
    with monkeypatch.context() as patch:
        patch.setattr(search, "_search", broken)
        assert history.way(looks[1], looks[0]) is None
    assert history.way(looks[2], looks[1]) is not None


def test_a_start_that_is_far_off_does_no_harm() -> None:
    looks, search = [look_at(frame(index, panned(index))) for index in range(2)], Search(160 * 120)
    found = search(looks[1], looks[0])
    assert found is not None
    for start in (np.full_like(found, 1e9), np.full_like(found, -40), np.flip(found) * 9):
        again = search(looks[1], looks[0], start)
        assert again is not None
        assert np.abs(again - found).mean() < 0.05


def test_a_still_and_even_picture_is_no_cut() -> None:
    looks = [look_at(frame(index, np.full((240, 320, 3), 90, np.uint8))) for index in range(2)]
    assert Search(160 * 120)(looks[1], looks[0]) is not None


def test_a_flow_means_the_same_at_any_size() -> None:
    way = np.full((10, 20, 2), (2.0, 1.0), np.float32)
    there = destinations(way, (20, 40))
    assert there[5, 6].tolist() == [10.0, 7.0]

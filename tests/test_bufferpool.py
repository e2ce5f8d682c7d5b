from __future__ import annotations

import gc
import queue
import threading
import weakref

import av
import numpy as np
import pytest

from streamseg.bufferpool import Pool
from streamseg.frame import Image


def address(picture: Image) -> int:
    return picture.__array_interface__["data"][0]  # type: ignore[no-any-return]


def test_a_picture_that_nobody_holds_is_used_again() -> None:
    pool = Pool()
    first = pool.take(4, 6, 3)
    place = address(first)
    first.setflags(write=False)
    del first
    again = pool.take(4, 6, 3)
    assert address(again) == place
    assert again.flags.writeable


def test_a_picture_that_is_held_is_never_handed_out_again() -> None:
    pool = Pool(limit=3)
    held = [pool.take(4, 6, 3) for _ in range(10)]
    assert len({address(picture) for picture in held}) == 10


def test_a_picture_that_only_a_caller_holds_is_never_handed_out_again() -> None:
    pool = Pool()

    def other(held: Image) -> bool:
        return address(pool.take(4, 6, 3)) != address(held)

    assert other(pool.take(4, 6, 3))
    only = pool.take(4, 6, 3)
    assert all(address(pool.take(4, 6, 3)) != address(only) for _ in range(3))


@pytest.mark.parametrize(
    "holder",
    [
        lambda picture: picture[1:3],
        lambda picture: picture.reshape(-1)[6:].view(np.uint16),
        lambda picture: picture.transpose(2, 0, 1)[None],
        lambda picture: np.asarray(picture[::2])[..., 0],
        lambda picture: memoryview(picture)[1:],
        lambda picture: np.frombuffer(picture.reshape(-1), np.uint8)[3:],
        lambda picture: av.VideoFrame.from_numpy_buffer(picture, format="bgr24"),
        lambda picture: memoryview(av.VideoFrame.from_numpy_buffer(picture, format="bgr24").planes[0]),
    ],
)
def test_whatever_is_made_of_a_picture_without_a_copy_holds_it_too(holder: object) -> None:
    pool = Pool()
    picture = pool.take(64, 64, 3)
    place = address(picture)
    assert callable(holder)
    held = holder(picture)
    del picture
    others = [pool.take(64, 64, 3) for _ in range(3)]
    assert place not in [address(other) for other in others]
    del held
    gc.collect()
    assert address(pool.take(64, 64, 3)) == place


def test_sizes_are_not_mixed_up() -> None:
    pool = Pool()
    assert pool.take(4, 6, 3).shape == (4, 6, 3)
    assert pool.take(6, 4, 3).shape == (6, 4, 3)


def test_memory_that_nobody_needs_is_given_back() -> None:
    pool = Pool(limit=3)
    held = [pool.take(4, 6, 3) for _ in range(10)]
    memory = [weakref.ref(picture.base.obj) for picture in held]  # type: ignore[union-attr]
    held.clear()
    assert sum(each() is not None for each in memory) == 3
    pool.take(6, 4, 3)
    assert all(each() is None for each in memory), "of a size that is past"


def test_a_pool_may_go_before_its_pictures() -> None:
    pool = Pool()
    picture, memory = pool.take(4, 6, 3), weakref.ref(pool)
    del pool
    assert memory() is None
    picture[:] = 7
    assert (picture == 7).all()


def test_pictures_that_other_threads_let_go_are_used_again_and_never_while_they_hold_them() -> None:
    pool, waiting = Pool(), queue.Queue[tuple[int, Image] | None](maxsize=8)
    places, wrong = set(), []

    def hold() -> None:
        while (given := waiting.get()) is not None:
            number, picture = given
            view = picture[1:, 2:]
            del given, picture
            if not (view == number % 251).all():
                wrong.append(number)
            del view

    holders = [threading.Thread(target=hold) for _ in range(3)]
    for each in holders:
        each.start()
    for number in range(3000):
        picture = pool.take(16, 16, 3)
        picture[:] = number % 251
        places.add(address(picture))
        waiting.put((number, picture))
        del picture
    for _ in holders:
        waiting.put(None)
    for each in holders:
        each.join()
    assert not wrong
    assert len(places) <= 8 + 2 * len(holders) + 1

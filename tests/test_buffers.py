from __future__ import annotations

from streamseg.buffers import Pool


def test_a_picture_that_nobody_holds_is_used_again() -> None:
    pool = Pool()
    first = pool.take(4, 6, 3)
    address = first.ctypes.data
    first.setflags(write=False)
    del first
    again = pool.take(4, 6, 3)
    assert again.ctypes.data == address
    assert again.flags.writeable


def test_a_picture_that_is_held_is_never_handed_out_again() -> None:
    pool = Pool(limit=3)
    held = [pool.take(4, 6, 3) for _ in range(10)]
    assert len({picture.ctypes.data for picture in held}) == 10


def test_a_view_of_a_picture_holds_it_too() -> None:
    pool = Pool()
    part = pool.take(4, 6, 3)[1:3]
    assert pool.take(4, 6, 3).ctypes.data != (part.base.ctypes.data if part.base is not None else 0)


def test_sizes_are_not_mixed_up() -> None:
    pool = Pool()
    assert pool.take(4, 6, 3).shape == (4, 6, 3)
    assert pool.take(6, 4, 3).shape == (6, 4, 3)

from __future__ import annotations

import threading

from streamseg.handoff import Handoff


def test_a_lossless_line_hands_over_everything_in_order() -> None:
    line = Handoff[int](3, lossless=True)
    got: list[int] = []

    def reader() -> None:
        while (item := line.get()) is not None:
            got.append(item)

    thread = threading.Thread(target=reader)
    thread.start()
    assert all(line.put(i) for i in range(1000))
    line.close()
    thread.join()
    assert got == list(range(1000))
    assert line.dropped == 0


def test_a_live_line_lets_the_oldest_go_and_counts_it() -> None:
    line = Handoff[int](2, lossless=False)
    for i in range(5):
        assert line.put(i)
    assert (line.get(), line.get(), line.dropped) == (3, 4, 3)


def test_closing_refuses_new_items_and_gives_what_is_left() -> None:
    line = Handoff[int](2, lossless=True)
    line.put(1)
    line.close()
    assert not line.put(2)
    assert not line.ended
    assert line.get() == 1
    assert line.get() is None
    assert line.ended


def test_closing_wakes_a_writer_and_a_reader_that_wait() -> None:
    full, empty = Handoff[int](1, lossless=True), Handoff[int](1, lossless=True)
    full.put(0)
    answers: list[object] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(full.put(1))),
        threading.Thread(target=lambda: answers.append(empty.get())),
    ]
    for thread in waiting:
        thread.start()
    full.close()
    empty.close()
    for thread in waiting:
        thread.join(5)
    assert sorted(map(str, answers)) == ["False", "None"]


def test_a_reader_with_a_limit_comes_back_empty_handed() -> None:
    line = Handoff[int](1, lossless=False)
    assert line.get(0.001) is None
    assert not line.ended


def test_draining_says_how_many_were_thrown_away() -> None:
    line = Handoff[int](4, lossless=True)
    line.put(1)
    line.put(2)
    assert line.drain() == 2
    assert line.get() is None

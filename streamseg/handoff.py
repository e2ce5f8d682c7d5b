"""Where two threads meet: a bounded line that either waits or lets the oldest go."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Handoff(Generic[T]):
    """Passes items from one thread to another.

    `lossless` waits while it is full; otherwise the oldest item makes room and is counted. Closing wakes everybody:
    `put` then says False, and `get` gives what is left, then None. `merge` is told of an item that makes room and of
    the next one, and gives what is handed over instead of that: something of the first may have to arrive.
    """

    def __init__(self, capacity: int, *, lossless: bool, merge: Callable[[T, T], T] | None = None) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lossless = lossless
        self._merge = merge
        self._closed = False
        self._changed = threading.Condition(threading.Lock())
        self.dropped = 0
        """Items let go for newer ones."""

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Hands `item` over; False when closed or still full after `timeout_s`, and then it was not taken."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed, timeout_s)
            full = len(self._items) >= self._capacity
            if self._closed or (full and self._lossless):
                return False
            self._items.append(item)
            if full:
                oldest = self._items.popleft()
                self.dropped += 1
                if self._merge is not None:
                    self._items[0] = self._merge(oldest, self._items[0])
            self._changed.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """The oldest item; None once closed and empty, or when `timeout_s` has passed."""
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more items; may be called twice, and from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> int:
        """Closes, throws away what is left and says how many those were."""
        with self._changed:
            self._closed = True
            left = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return left

    @property
    def ended(self) -> bool:
        """Closed and empty: nothing will ever come again."""
        with self._changed:
            return self._closed and not self._items

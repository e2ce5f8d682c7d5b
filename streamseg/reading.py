"""The frames of a stream as a loop reads them, while another thread may close the stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Reading(Generic[T]):
    """An iterator over `frames` that ends where another thread closes them between two of them.

    A generator by itself raises ValueError as long as it is being closed. `closed` says whether it was asked to end.
    """

    def __init__(self, frames: Generator[T, None, None], closed: Callable[[], bool]) -> None:
        self._frames, self._closed = frames, closed

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return next(self._frames)
        except ValueError as error:
            inside = error.__traceback__ and error.__traceback__.tb_next  # raised by the frames, not for them
            if inside or not self._closed():
                raise
            raise StopIteration from None

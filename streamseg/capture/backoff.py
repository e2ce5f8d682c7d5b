"""How long to wait before a source is opened again, and for one that is away at the start."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from streamseg.errors import SourceError
from streamseg.said import Said

_log = logging.getLogger(__name__)
_Opened = TypeVar("_Opened")
_FIRST_WAIT_S = 0.5
_EARLY_WAIT_S, _EARLY_S = 1.0, 10.0  # a short outage, such as a restart, ends within two seconds of its cause
LONGEST_WAIT_S = 30.0
"""Between two tries to reach a server."""


def waits(longest_s: float) -> Iterator[float]:
    """Half a second, one second for the first ten, then twice as long each time."""
    wait_s, waited_s = _FIRST_WAIT_S, 0.0
    while True:
        yield wait_s
        waited_s += wait_s
        wait_s = min(longest_s, _EARLY_WAIT_S if waited_s < _EARLY_S else wait_s * 2)


def shortened(wait_s: float, jitter: Callable[[], float] = random.random) -> float:
    """By up to half, at random, so that a hundred cameras do not come back at once."""
    return wait_s * (0.5 + 0.5 * jitter())


def patiently(
    open_source: Callable[[], _Opened],
    *,
    wait: bool,
    longest_wait_s: float = LONGEST_WAIT_S,
    pause: Callable[[threading.Event, float], object] = threading.Event.wait,
    jitter: Callable[[], float] = random.random,
    now: Callable[[], float] = time.monotonic,
) -> _Opened:
    """What `open_source` gives; with `wait` it is tried until it no longer says that the source is away.

    A line says that it waits, once an hour for each reason.

    Raises:
        SourceError: it is not away but wrong, or away without `wait`.
    """
    said, never = Said(now), threading.Event()
    for wait_s in waits(longest_wait_s):
        try:
            return open_source()
        except SourceError as error:
            if not (wait and error.away):
                raise
            said.once(_log, logging.WARNING, f"{error}; waiting for it (--no-wait ends here instead)")
            pause(never, max(error.retry_s, shortened(wait_s, jitter)))
    raise AssertionError("the waits never end")

"""The way to a moment in a file: what comes well before it is counted, but not decoded."""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from streamseg.capture.timestamps import Timeline
from streamseg.moment import Moment

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

    Packet = av.Packet[VideoStream]

_RUN_UP = 2  # groups before the one that is needed: what follows some kinds of key frames looks back beyond them
_MOST_BYTES, _PACKET_BYTES = 64_000_000, 1_000  # of a group in memory; what a packet takes besides its data
_DIGITS = 6  # of a stamp in seconds: packets and frames are equal to a rounding
_Number = tuple[int, float]
"""Index and time of a frame."""


class Seek:
    """Indices and times of a file's frames, of which those well before `start` are passed over as packets.

    Every packet is read, nothing is sought: the clock of a file may jump, few containers know the index of a frame, and
    to read is far quicker than to decode. A file whose packets do not say enough is decoded from its beginning.
    """

    def __init__(self, start: Moment | None, clock: Timeline) -> None:
        self._start, self._clock = start, clock
        self.last: _Number = (-1, 0.0)
        """Of the newest frame."""
        self._known: dict[float, deque[_Number]] = {}  # several where recordings were joined, or clocks are coarse
        self._given = -1

    def pass_over(self, packets: Iterator[Packet | None]) -> Iterator[Packet | None]:
        """`packets` from a little before the start on; None stands for their end."""
        return packets if self._start is None else self._passed_over(packets, self._start)

    def number(self, stamp_s: float | None, lasts_s: float | None) -> _Number:
        """Index and time of the next frame that was decoded, which says this; see `Timeline`."""
        line = self._known.get(round(stamp_s, _DIGITS)) if self._known and stamp_s is not None else None
        while line:
            known = line.popleft()
            if known[0] > self._given:  # else it is of a frame that a decoder left out
                self._given = known[0]
                return known
        return self._next(stamp_s, lasts_s)

    def _next(self, stamp_s: float | None, lasts_s: float | None = None) -> _Number:
        self.last = self.last[0] + 1, self._clock.read(stamp_s, lasts_s)
        return self.last

    def _passed_over(self, packets: Iterator[Packet | None], start: Moment) -> Iterator[Packet | None]:
        clock, groups, passed = copy.copy(self._clock), _Groups(packets), False
        held: deque[tuple[list[Packet], list[tuple[float, _Number]]]] = deque()
        for group in groups:
            held.append((group, self._count(group)))
            if start.reached(*self.last):
                break
            if len(held) > _RUN_UP:
                held.popleft()
                passed = True
        if passed:  # a decoder that begins in the middle may leave out some frames
            self._known = defaultdict(deque)
            for stamp_s, number in chain(*(numbers for _, numbers in held)):
                self._known[stamp_s].append(number)
        else:
            self._clock, self.last = clock, (-1, 0.0)
        yield from chain(*(group for group, _ in held), groups.rest, packets)

    def _count(self, group: list[Packet]) -> list[tuple[float, _Number]]:
        """The stamps of its frames and their numbers, in the order in which they are shown."""
        stamps_s = sorted(float(packet.pts * packet.time_base) for packet in group if not packet.is_discard)  # type: ignore[operator]
        return [(round(stamp_s, _DIGITS), self._next(stamp_s)) for stamp_s in stamps_s]


class _Groups:
    """Packets in groups, each a key frame and what follows it, as long as they tell what a decoder makes of them."""

    def __init__(self, packets: Iterator[Packet | None]) -> None:
        self._packets = packets
        self._group: list[Packet] = []
        self._ahead: list[Packet | None] = []

    @property
    def rest(self) -> list[Packet | None]:
        """What was read and is in no group."""
        return [*self._group, *self._ahead]

    def __iter__(self) -> Iterator[list[Packet]]:
        first, size = True, 0
        for packet in self._packets:
            self._ahead = [packet]
            if self._group and (packet is None or packet.is_keyframe):
                group, self._group, first, size = self._group, [], False, 0
                yield group
            if packet is None or size > _MOST_BYTES or not self._tells(packet, first):
                return
            self._group.append(packet)
            self._ahead, size = [], size + packet.size + _PACKET_BYTES

    def _tells(self, packet: Packet, first: bool) -> bool:
        """Whether it gives a frame, and when: what a recording that begins in the middle begins with may give none."""
        key = self._group[0] if self._group else packet
        if packet.pts is None or key.pts is None or not key.is_keyframe:
            return False
        return not first or packet.pts >= key.pts

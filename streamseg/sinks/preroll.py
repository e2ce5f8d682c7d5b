"""The last seconds of video as packets in memory, for when it turns out that they mattered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from streamseg.sinks.video import CLOCK

if TYPE_CHECKING:
    from av.packet import Packet


class EncodedPacket(NamedTuple):
    """A packet on its own: its bytes, its time and length in ticks, and whether a clip may begin with it."""

    data: bytes
    ticks: int
    duration: int
    key: bool

    @staticmethod
    def of(packet: Packet[Any]) -> EncodedPacket:
        """What matters of `packet`."""
        return EncodedPacket(bytes(packet), packet.pts or 0, packet.duration or 0, packet.is_keyframe)


class Preroll:
    """The last `before_s` seconds of video, from a key frame on, in no more than `most_bytes`."""

    def __init__(self, before_s: float, most_bytes: int) -> None:
        self._before_ticks, self._most_bytes = round(before_s / CLOCK), most_bytes
        self._units: deque[EncodedPacket] = deque()
        self._keys: deque[int] = deque()
        self.bytes = 0

    def __iter__(self) -> Iterator[EncodedPacket]:
        return iter(self._units)

    def add(self, unit: EncodedPacket) -> None:
        """Takes one in, and lets the oldest go up to a key frame that is old enough to begin with."""
        self._units.append(unit)
        self.bytes += len(unit.data)
        if unit.key:
            self._keys.append(unit.ticks)
        oldest = unit.ticks - self._before_ticks
        while len(self._keys) > 1 and (self._keys[1] <= oldest or self.bytes > self._most_bytes):
            self._keys.popleft()
            while self._units[0].ticks < self._keys[0]:
                self.bytes -= len(self._units.popleft().data)

    def clear(self) -> None:
        """Lets all of it go."""
        self._units.clear()
        self._keys.clear()
        self.bytes = 0

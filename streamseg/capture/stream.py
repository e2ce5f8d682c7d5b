"""Video as it arrives: packets of a network stream or a pipe become frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from streamseg.capture.decode import decode_packets, frame_rate, open_error, to_pixels
from streamseg.capture.hardware import Watch, threads_by_frames
from streamseg.capture.packets import Packets
from streamseg.capture.timestamps import Timeline
from streamseg.capture.turn import Turn
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame, StreamInfo
from streamseg.machine import available_cores
from streamseg.options import SourceOptions

OPEN_TIMEOUT_S = 5.0
"""For each step of opening a stream."""
_BLIND_S = 60.0  # cameras that save send a key frame in 20 to 40 s
_JUMP_S = 10.0  # a live stamp this far ahead is a new clock, not a pause


class Transport(Protocol):
    """What a container is read through."""

    @property
    def failure(self) -> StreamsegError | None:
        """Why it gives no more, where that is no plain end."""

    def close(self) -> None:
        """Ends it; may be called twice."""


class StreamSource:
    """The video of `packets`; ends when the other side does, or when a read times out. Owns `packets` and `transport`.

    `info.live` is False for what has an end (a file over HTTP) and for a pipe, which waits for its reader. `arrived_s`
    gives the time of a picture by when it arrived, for live streams without a clock of their own.
    """

    waits_for = "the next key frame"
    patience_s = _BLIND_S

    def __init__(
        self,
        packets: Packets,
        name: str,
        options: SourceOptions,
        *,
        live: bool,
        arrived_s: Callable[[], float] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.counters = {"decode_errors": 0}
        self._packets, self._name, self._transport = packets, name, transport
        self._stall_s, self._arrived_s = options.stall_timeout_s, arrived_s
        self._closed = False
        self._turn = Turn()
        stream = packets.stream
        self._watch = Watch(options.decode, stream, name, options.gpu)
        # Decoding by frames holds one back for every thread, so it is for what nobody waits for.
        stream.thread_type = "SLICE" if live else "AUTO"
        stream.thread_count = available_cores() if live else threads_by_frames(stream, available_cores())
        named = None if arrived_s else frame_rate(packets.container, stream, name) or stream.average_rate
        fps = float(named) if named else None
        self.info = StreamInfo(name, stream.width, stream.height, fps, live=live)

    @property
    def heard_s(self) -> float:
        """When the last packet arrived, whether or not a picture came of it."""
        return self._packets.heard_s

    def __iter__(self) -> Iterator[Frame]:
        import av

        if not self._turn.take():
            return
        clock = Timeline(self._name, 1 / (self.info.fps or 25.0), self._longest_gap_s)
        index = 0
        try:
            for decoded in decode_packets(self._packets, self._packets.stream, self.counters, self._watch):
                if self._closed:
                    break
                pixels, now_s = to_pixels(decoded.frame, small=self._watch.small), time.monotonic()
                time_s = clock.read(self._arrived_s()) if self._arrived_s else clock.read(decoded.time, decoded.lasts_s)
                yield Frame(pixels, index, time_s, now_s, self._name, pixel_aspect=decoded.pixel_aspect)
                index += 1
            self._end()
        except StreamsegError:
            raise
        except (av.error.ExitError, TimeoutError):  # the library's own clock, set to the same time
            raise SourceError(f"{self._name}: silent for {self._stall_s:g} s") from None
        except Exception as error:
            raise self._failure or open_error(error, self._name) from None
        finally:
            self._release()

    def close(self) -> None:
        """Ends the iteration before its next frame; the iterating thread closes the connection, if there is one."""
        self._closed = True
        if self._turn.take():
            self._release()

    @property
    def _longest_gap_s(self) -> float:
        """Between two stamps. A recording may pause for any time, as it may in a file; a live one until it is silent.

        The time of arrival is our own, and has no jumps.
        """
        return math.inf if not self.info.live or self._arrived_s else max(_JUMP_S, self._stall_s)

    @property
    def _failure(self) -> StreamsegError | None:
        return self._transport.failure if self._transport else None

    def _end(self) -> None:
        """No more packets came: because there are none, or because the connection broke."""
        if not self._closed and (failure := self._failure):
            raise failure

    def _release(self) -> None:
        self._packets.container.close()
        self._watch.small = None  # frames that are still under way keep it
        if self._transport:
            self._transport.close()

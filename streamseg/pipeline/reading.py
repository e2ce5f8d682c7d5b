"""Reading a source to its end, whatever end that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from streamseg.contracts import Sink, Source, Watched
from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Frame


class SourceReader:
    """The frames of `source`; where a file breaks off, those that came are shown before that counts as an error.

    They are told to be of the stream `name`, where one is given.
    A live stream's frames are let go while they are not `wanted`, except the first, which opens the outputs.

    Raises (while iterating): the source's error, where nothing came before it or the source is live.
    """

    def __init__(self, source: Source, wanted: Callable[[], bool] = lambda: True, name: str = "") -> None:
        self.error: StreamsegError | None = None
        """Why a file ended too early."""
        self.begun = False
        """Whether a frame came."""
        self.first_index = 0
        """That of the first."""
        self._source, self._wanted, self._name = source, wanted, name

    def __iter__(self) -> Iterator[Frame]:
        try:
            for frame in self._source:
                if not isinstance(frame, Frame):
                    raise InputError(
                        f"{self._source.info.name}: the source gave {type(frame).__name__}, not streamseg.Frame",
                        "streamseg.frames(…) makes a source of images",
                    )
                if not self.begun:
                    self.begun, self.first_index = True, frame.index
                elif self._source.info.live and not self._wanted():
                    continue
                yield replace(frame, stream=self._name) if self._name else frame
        except StreamsegError as error:
            if not self.begun or self._source.info.live:
                raise
            self.error = error


def anybody_looks(sinks: Sequence[Sink]) -> Callable[[], bool]:
    """Whether any of these outputs is wanted; one that does not tell always is."""
    if not sinks or not all(isinstance(sink, Watched) for sink in sinks):
        return lambda: True
    return lambda: any(sink.wanted for sink in sinks if isinstance(sink, Watched))

"""Reading a source to its end, whatever end that is."""

from __future__ import annotations

from collections.abc import Iterator

from streamseg.contracts import Source
from streamseg.errors import StreamsegError
from streamseg.frame import Frame


class Reading:
    """The frames of `source`; where a file breaks off, those that came are shown before that counts as an error.

    Raises (while iterating): the source's error, where nothing came before it or the source is live.
    """

    def __init__(self, source: Source) -> None:
        self.error: StreamsegError | None = None
        """Why a file ended too early."""
        self._source = source

    def __iter__(self) -> Iterator[Frame]:
        begun = False
        try:
            for frame in self._source:
                begun = True
                yield frame
        except StreamsegError as error:
            if not begun or self._source.info.live:
                raise
            self.error = error

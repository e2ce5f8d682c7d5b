"""Each new picture of a stream, for one who has time for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from streamseg.contracts import Shown
from streamseg.serve.stream import Stream

_LOOK_UP_S = 1.0  # how often one who waits for a new picture finds out that the stream is gone


class Pictures:
    """One stream's pictures for any number of tasks of one event loop."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._loop = asyncio.get_running_loop()
        self._new = asyncio.Event()
        self._watching = 0

    async def each(self) -> AsyncGenerator[Shown, None]:
        """The newest picture and then every new one until the stream is gone; who is slow gets fewer, never old ones.

        Of one that is gone already it is the last picture alone.

        To be closed by who takes them (`contextlib.aclosing`): until then the stream's thread keeps telling.
        """
        latest = self.stream.latest
        if not self._watching:
            latest.listen(self._poke)
        self._watching += 1
        last: Shown | None = None
        try:
            while True:
                new, gone = self._new, self.stream.gone
                if (shown := latest.shown) is not None and shown is not last:
                    last = shown
                    yield shown
                elif gone:
                    return
                else:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(new.wait(), _LOOK_UP_S)
        finally:
            self._watching -= 1
            if not self._watching:
                latest.unlisten(self._poke)

    def _poke(self) -> None:
        """From the stream's thread, whose last frame may come after the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waited_for, self._new = self._new, asyncio.Event()
        waited_for.set()

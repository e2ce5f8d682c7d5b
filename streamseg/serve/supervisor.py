"""All streams of a service: as the file says, again when it is reloaded, and none when the service ends."""

from __future__ import annotations

import functools
import logging
import threading
import time
from pathlib import Path

from streamseg.config import RunOptions
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.said import Said
from streamseg.serve.config import read_site
from streamseg.serve.stream import Stream

_log = logging.getLogger(__name__)
_GRACE_S = 1.7  # an output has that long to close


class Streams:
    """The streams in the file `path`, which is read on every `load`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = Said()
        self._recipes = share_networks(functools.partial(load_segmenter, said=self._said))
        self._running: dict[str, Stream] = {}
        self._loading, self._changing = threading.Lock(), threading.Lock()
        self._ended = False

    def now(self) -> list[Stream]:
        """Those that run, in the file's order."""
        return list(self._running.values())

    def find(self, name: str) -> Stream | None:
        """The stream called `name`."""
        return self._running.get(name)

    def load(self) -> str:
        """Starts what is new in the file, stops what is gone, restarts what differs; says so in a few words.

        Raises:
            InputError: the file is wrong; then nothing has changed.
        """
        with self._loading:
            wanted = read_site(self._path, self._recipes)
            old = self._running
            kept = {name for name, options in wanted.items() if name in old and old[name].options == options}
            gone = [stream for name, stream in old.items() if name not in kept]
            end(gone)
            new = {name: old[name] if name in kept else self._new(name, options) for name, options in wanted.items()}
            with self._changing:
                if self._ended:
                    return "ended"
                self._running = new
                for name in new.keys() - kept:
                    new[name].start()
            return _counted(unchanged=len(kept), started=len(new) - len(kept), stopped=len(gone))

    def end(self) -> None:
        """Stops every stream and closes every output; at once, even while the file is being read."""
        with self._changing:
            self._ended = True
        end(self.now())

    def _new(self, name: str, options: RunOptions) -> Stream:
        return Stream(name, options, self._recipes, self._said)


def _counted(**counts: int) -> str:
    """`1 stream unchanged, 2 started`; what happened to none is left out."""
    (word, count), *others = [(word, n) for word, n in counts.items() if n] or [("started", 0)]
    return ", ".join([f"{count} stream{'' if count == 1 else 's'} {word}", *(f"{n} {word}" for word, n in others)])


def end(streams: list[Stream]) -> None:
    """Stops all of them at once, and waits a moment for their outputs to close."""
    for stream in streams:
        stream.stop()
    deadline_s = time.monotonic() + _GRACE_S
    for stream in streams:
        if not stream.join(max(0.0, deadline_s - time.monotonic())):
            _log.warning("%s does not end and is left behind", stream.name)

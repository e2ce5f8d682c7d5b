"""All streams of a service: as the file says, again when it is reloaded, and none when the service ends."""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from streamseg.assembly import gpus_for
from streamseg.config import RunOptions
from streamseg.errors import StreamsegError
from streamseg.infer import load_segmenter
from streamseg.infer.backends.faults import LOST
from streamseg.infer.batching import share_networks
from streamseg.net.urls import filling_from, names_in
from streamseg.prompts import Prompt
from streamseg.said import Said
from streamseg.serve.config import check_site
from streamseg.serve.secrets import read_secrets
from streamseg.serve.sitefile import SiteFile
from streamseg.serve.stream import Stream
from streamseg.yamlfile import parse_tree

_log = logging.getLogger(__name__)
_GRACE_S = 1.7  # an output has that long to close
Edit = Callable[[str, str, Mapping[str, Stream]], str]
"""Takes the file's text, its name and the streams in it; gives a new text."""


class Streams:
    """The streams in the file `path`, which is read on every `load`."""

    def __init__(self, path: Path, secrets: Path | None = None) -> None:
        self._file, self._secrets = SiteFile(path), secrets
        self._variables: Mapping[str, str] = os.environ
        self.outcome = ""
        """What came of the newest `load`, in words."""
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

        A live stream that differs by no more than its network changes that as it runs. Secrets are read again, and a
        stream is restarted where one that it uses differs.

        Raises:
            InputError: the file is wrong; then nothing has changed.
        """
        with self._loading:
            before = self._variables
            try:
                self._variables = read_secrets(self._secrets)
                raw = self._file.read()
                said = self._become(self._checked(raw), raw)
            except StreamsegError as error:
                self._variables, self.outcome = before, f"not reloaded: {error}"
                raise
            self.outcome = f"reloaded: {said}"
            return said

    def change(self, edit: Edit) -> str:
        """Has `edit` make a new text of the file's; writes and runs that.

        Raises:
            InputError: the new text is wrong, or the file was edited meanwhile; then nothing has changed.
            OutputError: the file cannot be written; then nothing has changed.
        """
        with self._loading:
            old = self._file.unchanged()
            new = edit(old.decode(), str(self._file.path), self._running).encode()
            wanted = self._checked(new)
            if new != old:
                self._file.replace(old, new)
            return self._become(wanted, new)

    def undo(self) -> str:
        """Brings back what the file held before the last `change`; raises as that."""
        with self._loading:
            raw, kept = self._file.before()
            wanted = self._checked(raw)
            self._file.put_back(raw, kept)
            return self._become(wanted, raw)

    def written(self, name: str) -> Any:
        """What the file says of the stream `name`, without the defaults."""
        path = self._file.path
        return parse_tree(self._file.unchanged(), str(path)).value["streams"][name]

    def stop(self, name: str) -> str:
        """Stops one stream, which stays listed; until it is started, its options change or the service begins again.

        Raises:
            KeyError: there is none of that name.
        """
        with self._loading:
            end([self._running[name]])
            return _counted(stopped=1)

    def start(self, name: str) -> str:
        """Starts a stream that was stopped; raises as `restart`."""
        with self._loading:
            return self._again(name) if self._running[name].gone else _counted(unchanged=1)

    def restart(self, name: str) -> str:
        """Makes one stream again as the file said when it was read; counters begin at 0.

        Raises:
            KeyError: there is none of that name.
        """
        with self._loading:
            return self._again(name)

    def ask(self, name: str, prompt: Prompt) -> str:
        """Has the model of one stream look for what `prompt` points at.

        Raises:
            KeyError: there is none of that name.
            InputError: its model is not asked.
        """
        self._running[name].ask(prompt)
        return "asked"

    def _again(self, name: str) -> str:
        old = self._running[name]
        end([old])
        gpu = deal(old.options, (each for each in self.now() if each is not old))
        stream = Stream(name, old.options, self._recipes, self._said, old.variables, gpu)
        self._put({**self._running, name: stream})
        return _counted(started=1)

    def _checked(self, raw: bytes) -> dict[str, RunOptions]:
        with filling_from(self._variables):
            return check_site(parse_tree(raw, str(self._file.path)), self._recipes)

    def _become(self, wanted: dict[str, RunOptions], raw: bytes) -> str:
        """Runs the streams `wanted`, which `raw` says; those that run so already are not touched."""
        self._file.note(raw)  # before streams end, which takes its time: who asks meanwhile finds the file as it is
        old = self._running
        like = [name for name, options in wanted.items() if name in old and old[name].variables == self._used(options)]
        same = {name for name in like if old[name].options == wanted[name]}
        changed = {name for name in like if name not in same and old[name].become(wanted[name])}
        kept = same | changed
        gone = [stream for name, stream in old.items() if name not in kept]
        end(gone)
        streams = {name: old[name] for name in kept}
        for name in [name for name in wanted if name not in kept]:
            streams[name] = self._new(name, wanted[name], streams.values())
        self._put({name: streams[name] for name in wanted})
        started = len(wanted) - len(kept)
        return _counted(unchanged=len(same), changed=len(changed), started=started, stopped=len(gone))

    def _put(self, streams: dict[str, Stream]) -> None:
        """Makes `streams` those that run, and starts what is new among them; nothing once the service ends."""
        with self._changing:
            if self._ended:
                return
            before, self._running = self._running, streams
            for name, stream in streams.items():
                if stream is not before.get(name):
                    stream.start()

    def end(self) -> None:
        """Stops every stream and closes every output; at once, even while the file is being read."""
        with self._changing:
            self._ended = True
        end(self.now())

    def _new(self, name: str, options: RunOptions, beside: Iterable[Stream]) -> Stream:
        return Stream(name, options, self._recipes, self._said, self._used(options), deal(options, beside))

    def _used(self, options: RunOptions) -> dict[str, str]:
        """Of the variables those that a stream may use."""
        names = names_in([options.source_text, *options.outputs, options.model, options.backend or ""])
        return {name: self._variables[name] for name in names if name in self._variables}


def deal(options: RunOptions, beside: Iterable[Stream]) -> int | None:
    """The GPU for a stream of `options`: the one they name, else the one that the fewest streams `beside` it have.

    None where it has no use for one of NVIDIA's, or none is here.
    """
    if options.capture.gpu is not None:
        return options.capture.gpu
    held = Counter(stream.gpu for stream in beside if not stream.gone)
    there = (number for number in range(gpus_for(options)) if number not in LOST)
    return min(there, key=lambda number: (held[number], number), default=None)


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

"""Tables to which each of several films adds its rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from streamseg.config import RunOptions
from streamseg.contracts import Controls, Existing, Inputs, Shown, Sink
from streamseg.frame import StreamInfo
from streamseg.sinks import open_sink, sink_kind
from streamseg.sinks.claims import check_files
from streamseg.sinks.names import STEM


class JoinedSink(Sink, Protocol):
    """An output that can take another source behind one."""

    def next_source(self) -> None:
        """What follows is of another source; OutputError where what is known of the last cannot be written."""


class Joined:
    """An output of one film after the other, as each of their pipelines sees it: none of them closes it."""

    def __init__(self, sink: JoinedSink) -> None:
        self.blocking, self.needs_image = sink.blocking, sink.needs_image
        self._sink = sink

    @property
    def unwritten(self) -> int:
        """Frames that could not be written."""
        return self._sink.unwritten

    def write(self, shown: Shown) -> None:
        """Adds a frame; OutputError where it cannot be written."""
        self._sink.write(shown)

    def close(self) -> None:
        """Ends a film; OutputError where it cannot be written."""
        self._sink.next_source()


def is_joined(output: str) -> bool:
    """Whether several films are written there, one after the other."""
    return sink_kind(output).joined and STEM not in output


@contextlib.contextmanager
def joined(options: RunOptions, films: Sequence[RunOptions], controls: Controls) -> Iterator[list[Joined]]:
    """The outputs of `options` that all `films` share, open until the end of the block.

    Raises:
        InputError: one would write over a film, or two are one file.
        OutputError: one exists, or cannot be written to its end.
    """
    outputs = [output for output in options.outputs if is_joined(output)]
    existing: Existing = "replace" if options.overwrite else "refuse"
    check_files(outputs, "", Inputs(files=tuple(Path(film.source_text) for film in films)), existing)
    info = StreamInfo("", 0, 0, None, live=False, pixel_um=options.capture.pixel_size)
    with contextlib.ExitStack() as open_outputs:
        found = []
        for output in outputs:
            sink = open_sink(output, info, controls, existing=existing)
            open_outputs.callback(sink.close)
            found.append(Joined(sink))  # type: ignore[arg-type]  # as its kind says
        yield found

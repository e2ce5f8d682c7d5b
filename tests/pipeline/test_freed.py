"""What a run held is freed with it, and does not wait for the garbage collector, which knows nothing of its memory."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from streamseg.contracts import Shown
from streamseg.errors import OutputError, SourceError
from streamseg.frame import Frame
from streamseg.pipeline.pipeline import Pipeline
from tests.parts.fakes import CountingSource, ListSink, Marker, frame
from tests.parts.patience import until


class Breaking(CountingSource):
    def __iter__(self) -> Iterator[Frame]:
        yield frame(0)
        raise SourceError("gone")


def full(shown: Shown) -> None:
    raise OutputError("the disk is full")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pipeline(CountingSource(3), Marker),
        lambda: Pipeline(Breaking(3), Marker),
        lambda: Pipeline(Breaking(3, live=True), Marker),
        lambda: Pipeline(CountingSource(3), Marker, sinks=[ListSink(work=full)]),
    ],
)
def test_a_run_that_has_ended_or_failed_is_freed_at_once(make: Callable[[], Pipeline]) -> None:
    gc.collect()
    gc.disable()
    try:
        pipeline = make()
        known = weakref.ref(pipeline)
        with contextlib.suppress(SourceError, OutputError):
            pipeline.run()
        del pipeline
        until(lambda: known() is None, "let go of: a thread may be on its way out")
    finally:
        gc.enable()

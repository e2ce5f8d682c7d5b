"""Sources opened for a while."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from streamseg.capture import open_source
from streamseg.contracts import Source
from streamseg.frame import Frame
from streamseg.options import SourceOptions

QUICK = SourceOptions(stall_timeout_s=2.0)


@contextmanager
def opened(uri: str, options: SourceOptions = QUICK) -> Iterator[Source]:
    source = open_source(uri, options)
    try:
        yield source
    finally:
        source.close()


def take(source: Source, count: int) -> list[Frame]:
    return list(itertools.islice(source, count))

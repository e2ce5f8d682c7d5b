"""Long films in pieces, which workers look at side by side.

Of a piece the network alone is run, and what it finds is stored. Then one worker runs the whole film with that: masks
are carried and steadied, rules evaluated and outputs written as ever, so that the results are those of one run.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from streamseg.archive.store import is_stored
from streamseg.archive.task import Job, Piece
from streamseg.capture import open_source
from streamseg.config import RunOptions
from streamseg.contracts import SegmenterFactory
from streamseg.errors import InputError, StreamsegError
from streamseg.frame import StreamInfo
from streamseg.moment import Moment
from streamseg.pipeline.scheduler import InferenceScheduler

_log = logging.getLogger(__name__)


def check_pieces(options: RunOptions, recipe: SegmenterFactory) -> None:
    """Raises InputError where films cannot be cut: for this model, or as the options name a part of each already."""
    if recipe.instances or not recipe.parallel:
        why = "finds objects" if recipe.instances else "follows a film from its beginning"
        raise InputError(f"--pieces: {recipe.name} {why}, and its masks are not kept", "leave --pieces out")
    if options.capture.start or options.capture.end:
        raise InputError("--pieces cuts whole films, and --start or --end name a part", "leave one out")


def in_pieces(jobs: Iterable[Job], options: RunOptions, length: Moment) -> Iterator[Job]:
    """The jobs, those of films that are longer than `length` with their pieces.

    Films whose length nobody knows, those in stores, and those that cannot be read are left whole.
    """
    for job in jobs:
        with contextlib.suppress(StreamsegError, OSError):
            if not is_stored(job.file):
                job = replace(job, pieces=_pieces(_looked_at(job, options), options, length))
                if job.pieces:
                    _log.info("%s: in %d pieces", job.name, len(job.pieces))
        yield job


def of_pieces(job: Job) -> Iterator[Job]:
    """One job for each piece of a film."""
    for piece in job.pieces:
        yield replace(job, piece=piece, size=job.size // len(job.pieces))


def options_of(options: RunOptions, job: Job) -> RunOptions:
    """Those by which no more is done than to run the network, on the frames on which it runs in the whole film."""
    piece = job.piece
    assert piece is not None
    end = None if piece.end is None else Moment(f"{piece.end}f")
    capture = msgspec.structs.replace(options.capture, start=Moment(f"{piece.start}f"), end=end, every=piece.step)
    plain = RunOptions(source=job.file, capture=capture, steady=False, target="quality")
    asked = ("model", "settings", "tiles", "backend", "workers", "threads")
    return msgspec.structs.replace(plain, **{name: getattr(options, name) for name in asked})


def _looked_at(job: Job, options: RunOptions) -> StreamInfo:
    with contextlib.closing(open_source(job.file, options.capture)) as source:
        return source.info


def _pieces(info: StreamInfo, options: RunOptions, length: Moment) -> tuple[Piece, ...]:
    """Each but the last of the same number of frames, and of those the network looks at in whole steps."""
    step = info.every * InferenceScheduler(options.target or "quality", info).every
    wanted = length.frames or (length.seconds or 0.0) * (info.fps or 0.0) * info.every
    frames = (info.frames or 0) * info.every
    each = max(1, round(wanted / step)) * step
    count = math.ceil(frames / each) if wanted and info.moving else 1
    if count < 2:
        return ()
    ends = [*(each * (number + 1) for number in range(count - 1)), None]
    return tuple(Piece(number, number * each, end, step) for number, end in enumerate(ends))

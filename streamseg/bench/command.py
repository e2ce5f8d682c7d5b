"""`streamseg bench`: every figure of the README comes from this command."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator

from streamseg.bench.compare import Wanted, compare
from streamseg.bench.report import as_json, plot, print_table
from streamseg.errors import InputError


def bench_and_print(arguments: argparse.Namespace) -> int:
    """Compares and reports."""
    if arguments.rounds < 1 or arguments.seconds <= 0:
        raise InputError("bench needs at least one round, of more than no time")
    wanted = Wanted(arguments.model, arguments.clip, arguments.rounds, arguments.seconds, arguments.inference)
    if sys.stderr.isatty():
        print(f"every loop takes {arguments.rounds} turns: minutes, best on a quiet machine", file=sys.stderr)
    with _without_warnings():  # each of many runs would give its own
        task, rows = compare(wanted)
    if arguments.json:
        print(as_json(task, rows))
    else:
        print_table(task, rows)
    if arguments.plot:
        plot(task, rows, arguments.plot)
    return 0


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    log = logging.getLogger("streamseg")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)

"""`streamseg bench`: every figure of speed in the documents comes from this command."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from streamseg.commands.flags import add_gpu, add_json, add_overwrite, rounds, seconds


def add_flags(command: argparse.ArgumentParser) -> None:
    """What is measured, how long, and how it is told."""
    command.add_argument("model", nargs="?", default="street", help="a network with labels out (default: %(default)s)")
    command.add_argument("--clip", type=Path, metavar="FILE", help="video to read (default: 720p H.264)")
    command.add_argument(
        "--rounds", type=rounds, default=5, metavar="N", help="turns of each loop (default: %(default)s)"
    )
    command.add_argument(
        "--seconds", type=seconds, default=2.0, metavar="SECONDS", help="of each turn (default: %(default)g)"
    )
    command.add_argument(
        "--inference", type=Path, metavar="PYTHON", help="an interpreter that has Roboflow's inference, to compare with"
    )
    command.add_argument(
        "--ultralytics", type=Path, metavar="PYTHON", help="an interpreter that has Ultralytics, to compare with"
    )
    add_gpu(command)
    add_json(command)
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="also as a picture; needs matplotlib")
    add_overwrite(command)


def run(arguments: argparse.Namespace) -> int:
    """Compares and reports."""
    from streamseg.bench.compare import Wanted, compare
    from streamseg.bench.report import as_tree, plot, print_table, refuse_unplottable
    from streamseg.files import refuse_existing
    from streamseg.infer import check_gpu
    from streamseg.stdio import print_json

    check_gpu(arguments.gpu)
    if arguments.plot:
        refuse_unplottable(arguments.plot)
        refuse_existing(arguments.plot, overwrite=arguments.overwrite)
    wanted = Wanted(
        arguments.model,
        arguments.clip,
        arguments.rounds,
        arguments.seconds,
        arguments.inference,
        arguments.ultralytics,
        arguments.gpu,
    )
    if sys.stderr.isatty():
        print(f"every loop takes {arguments.rounds} turns: minutes, best on a quiet machine", file=sys.stderr)
    with _without_warnings():  # each of many runs would give its own
        task, rows = compare(wanted)
    if arguments.json:
        print_json(as_tree(task, rows))
    else:
        print_table(task, rows)
    if arguments.plot:
        plot(task, rows, arguments.plot, overwrite=arguments.overwrite)
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

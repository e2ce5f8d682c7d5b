"""`streamseg tune`: measures, prints a table, and remembers."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.infer import network_file
from streamseg.infer.tuned import Choice, Goal, in_words, remember
from streamseg.machine import available_cores
from streamseg.tuning.tune import Candidate, Variant, best, check_variants, chosen, race

_SCENE = "test://?frames=160&size=1280x720"
_IMAGES = 16
_STRIDE = 10  # neighbours in a video say the same
_IN_8_BITS = "-int8"
_GOALS: tuple[Goal, ...] = ("file", "live")


def tune_and_print(arguments: argparse.Namespace) -> int:
    """Finds the quickest way to run a model here and remembers it."""
    file = network_file(arguments.model)
    images = some_images(arguments.pictures or _SCENE)
    others = arguments.others or list(beside(file))
    variants = check_variants(file, others, images, arguments.least)
    _warn_if_busy()
    goals = _GOALS if arguments.goal is None else (arguments.goal,)
    found: dict[Goal, Choice] = {}
    for goal in goals:
        candidates = race(file, variants, goal, images, available_cores(), arguments.seconds / len(goals))
        found[goal] = chosen(best(candidates, goal), file)
        if not arguments.json:
            _print_race(goal, candidates, found[goal])
    kept = remember(file, found)
    if arguments.json:
        told = {"variants": variants, "chosen": found, "kept": str(kept)}
        print(msgspec.json.encode(told, enc_hook=str).decode())
    else:
        _print_refused(variants)
        print(f"remembered in {kept}; `run` uses it from now on, --backend insists on another")
    return 0


def _warn_if_busy() -> None:
    load, cores = os.getloadavg()[0], available_cores()
    if load > cores / 2:
        print(f"the machine is busy, load {load:.1f} on {cores} cores: measure again when it is not", file=sys.stderr)


def some_images(uri: str) -> list[Image]:
    """Pictures out of a folder or clip, some apart.

    Raises:
        InputError: there are none.
        StreamsegError: it cannot be read.
    """
    source = open_source(uri)
    try:
        stride = min(_STRIDE, max(1, (source.info.frames or 1) // _IMAGES))
        images = [frame.image for frame in itertools.islice(source, 0, stride * _IMAGES, stride)]
    finally:
        source.close()
    if not images:
        raise InputError(f"{uri}: no pictures in it")
    return images


def beside(file: Path) -> Sequence[Path]:
    """The same network in 8 bits, where it lies beside the model."""
    other = file.with_name(f"{file.stem}{_IN_8_BITS}.onnx")
    return [other] if other.is_file() else []


def _print_race(goal: Goal, candidates: Sequence[Candidate], choice: Choice) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title=f"for a {goal}" if goal == "file" else goal)
    table.add_column("backend", no_wrap=True)
    for title in ("workers x threads", "fps", "latency ms", "CPU ms", "same %"):
        table.add_column(title, justify="right")
    for each in candidates:
        table.add_row(
            _called(each.variant),
            f"{each.workers} x {each.threads}",
            f"{each.rate:.1f}",
            f"{each.latency_ms:.1f}",
            f"{each.cpu_ms:.1f}",
            f"{each.variant.agreement:.2%}".rstrip("%"),
        )
    Console().print(table)
    print(f"best for {goal}: {in_words(choice)}\n")


def _print_refused(variants: Sequence[Variant]) -> None:
    for variant in variants:
        if variant.refused:
            print(f"not used: {_called(variant)}: {variant.refused}")


def _called(variant: Variant) -> str:
    return f"{variant.backend} {variant.file.name}" if variant.file.stem.endswith(_IN_8_BITS) else variant.backend

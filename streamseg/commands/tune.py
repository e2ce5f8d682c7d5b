"""`streamseg tune`: measures, prints a table, and remembers."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Sequence
from pathlib import Path

from streamseg.commands.flags import MODEL, add_gpu, add_json, seconds, share, warn_if_busy

if typing.TYPE_CHECKING:
    from streamseg.infer.tuning_store import Choice, Goal
    from streamseg.tuning.tune import Candidate, Variant

_SCENE = "test://?frames=160&size=1280x720"


def add_flags(command: argparse.ArgumentParser) -> None:
    """The model, and what it is measured for."""
    command.add_argument("model", help=MODEL)
    command.add_argument("--for", dest="goal", choices=("live", "file"), help="only for such sources (default: both)")
    command.add_argument(
        "--pictures", metavar="SOURCE", help="folder or clip like what it will see (default: a generated scene)"
    )
    command.add_argument(
        "--with",
        dest="others",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.onnx",
        help="the same network in 8 bits, to be tried too; MODEL-int8.onnx beside the model is",
    )
    command.add_argument(
        "--least", type=share, default=0.99, metavar="0..1", help="share of equal labels (default: %(default)s)"
    )
    command.add_argument(
        "--seconds", type=seconds, default=20.0, metavar="SECONDS", help="how long to measure (default: %(default)g)"
    )
    add_gpu(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """Finds the quickest way to run a model here and remembers it."""
    from streamseg.files import Folder
    from streamseg.folders import needed, tuned_folder
    from streamseg.infer import check_gpu, network_file
    from streamseg.infer.tuning_store import remember
    from streamseg.machine import available_cores
    from streamseg.stdio import print_json
    from streamseg.tuning.tune import beside, best, check_variants, chosen, race, some_images

    check_gpu(arguments.gpu)
    Folder(needed(tuned_folder(), "XDG_CACHE_HOME"))  # whether it can be written, before anything is measured
    file = network_file(arguments.model)
    images = some_images(arguments.pictures or _SCENE)
    others = arguments.others or list(beside(file))
    variants = check_variants(file, others, images, arguments.least, arguments.gpu or 0)
    warn_if_busy()
    goals: tuple[Goal, ...] = ("file", "live") if arguments.goal is None else (arguments.goal,)
    found: dict[Goal, Choice] = {}
    for goal in goals:
        turn_s = arguments.seconds / len(goals)
        candidates = race(file, variants, goal, images, available_cores(), turn_s, arguments.gpu or 0)
        found[goal] = chosen(best(candidates, goal), file)
        if not arguments.json:
            _print_race(goal, candidates, found[goal])
    kept = remember(file, found)
    if arguments.json:
        print_json({"variants": variants, "chosen": found, "kept": str(kept)})
    else:
        _print_refused(variants)
        print(f"remembered in {kept}; `run` uses it from now on, --backend insists on another")
    return 0


def _print_race(goal: Goal, candidates: Sequence[Candidate], choice: Choice) -> None:
    from rich.console import Console
    from rich.table import Table

    from streamseg.infer.tuning_store import in_words

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
    Console(markup=False).print(table)
    print(f"best for {goal}: {in_words(choice)}\n")


def _print_refused(variants: Sequence[Variant]) -> None:
    for variant in variants:
        if variant.refused:
            print(f"not used: {_called(variant)}: {variant.refused}")


def _called(variant: Variant) -> str:
    from streamseg.tuning.tune import IN_8_BITS

    return f"{variant.backend} {variant.file.name}" if variant.file.stem.endswith(IN_8_BITS) else variant.backend

"""The commands that make models: train, export, quantise."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import InputError

if TYPE_CHECKING:
    from streamseg.frame import Image
    from streamseg.training.export import Exported

_CHECKED = 24  # pictures that an export is compared on
_MEASURED = 64  # pictures that ranges are measured on: more change nothing


def train_and_print(arguments: argparse.Namespace) -> int:
    """Trains by a plan, makes the model and says how to run it."""
    _need_torch()
    if arguments.list:
        return _print_architectures()
    if arguments.plan is None:
        raise InputError("which plan?", "streamseg train PLAN.yaml; see docs/training.md")
    from streamseg.training.export import export
    from streamseg.training.plan import read_plan
    from streamseg.training.progress import watching
    from streamseg.training.train import BEST, LAST, train

    plan = read_plan(arguments.plan, arguments.data)
    folder = arguments.out or Path("training") / plan.name
    try:
        with watching(plan.schedule.epochs) as watcher:
            history = train(plan, folder, watcher)
    except KeyboardInterrupt:
        raise InputError("interrupted", "the same command goes on from the last epoch") from None
    best = folder / BEST if (folder / BEST).is_file() else folder / LAST
    print(f"{best}: {summary(history)}")
    pictures = _pictures(Path(plan.data.root) / plan.data.train.pictures, _CHECKED)
    _print_export(export(best, folder / f"{plan.name}.onnx", pictures, plan))
    return 0


def export_and_print(arguments: argparse.Namespace) -> int:
    """Makes a model of a checkpoint."""
    _need_torch()
    from streamseg.training.export import export
    from streamseg.training.plan import read_plan

    plan = read_plan(arguments.plan) if arguments.plan else None
    pictures = _pictures(arguments.pictures, _CHECKED) if arguments.pictures else []
    _print_export(export(arguments.checkpoint, arguments.target, pictures, plan))
    return 0


def quantise_and_print(arguments: argparse.Namespace) -> int:
    """Makes an 8-bit model of a model."""
    from streamseg.infer.catalogue import find_model
    from streamseg.infer.quantise import quantise

    source = find_model(arguments.model) or Path(arguments.model)
    done = quantise(source, arguments.target, _pictures(arguments.pictures, _MEASURED), arguments.runtime)
    print(
        f"{done.file}: {done.agreement:.2%} of the labels as before, {done.bytes_after / 1e6:.1f} MB instead of "
        f"{done.bytes_before / 1e6:.1f} MB"
    )
    print(f"measure it:  streamseg eval {done.file} PICTURES MASKS")
    return 0


def build_and_print(arguments: argparse.Namespace) -> int:
    """Builds an engine ahead of time, for a GPU that need not be here."""
    from streamseg.infer.backends.tensorrt.builder import targets
    from streamseg.infer.backends.tensorrt.engine import get_engine
    from streamseg.infer.backends.tensorrt.library import load_library
    from streamseg.infer.catalogue import find_model

    library = load_library("tensorrt-rtx")
    if arguments.target is None:
        known = ", ".join(targets(library))
        raise InputError("which GPU is it to be built for?", f"--for one of {known}")
    file = find_model(arguments.model) or Path(arguments.model)
    with _bar(f"{file.stem} for {arguments.target}") as progress:
        engine = get_engine(
            library, file, arguments.precision, target=arguments.target, gpu="", progress=progress, folder=arguments.out
        )
    said = f"built in {engine.seconds:.1f} s, {engine.layers} layers: {engine.why}" if engine.why else "was there"
    print(f"{engine.path}: {len(engine.plan) / 1e6:.1f} MB, {said}")
    return 0


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[[float], bool]]:
    """What to call with how far a build is; on a terminal it moves a bar. Ctrl-C stops the build at its next step."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    try:
        with Progress(console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(title, total=1.0)

            def progress(done: float) -> bool:
                bar.update(task, completed=done)
                return not stopped

            yield progress
    finally:
        signal.signal(signal.SIGINT, before)


def summary(history: Sequence[Mapping[str, float]]) -> str:
    """The best score and its epoch, in words."""
    from streamseg.training.task import main_scores

    scored = [(main_scores(row), row["epoch"]) for row in history]
    name = next((name for scores, _ in scored for name in scores), None)
    if name is None:
        return f"{len(history)} epochs, nothing to validate on"
    best, epoch = max((scores[name], -epoch) for scores, epoch in scored if name in scores)
    return f"{name} {best:.1%} in epoch {-epoch:.0f}"


def _print_export(done: Exported) -> None:
    print(f"{done.file}: {done.agreement:.3%} of the pixels as PyTorch has them")
    print(f"run it:  streamseg run SOURCE --model {done.file}")


def _print_architectures() -> int:
    from streamseg.training.network import ARCHITECTURES

    for name, architecture in ARCHITECTURES.items():
        print(f"{name:12} {architecture.summary}")
    return 0


def _pictures(folder: Path, most: int | None = None) -> list[Image]:
    """Pictures of a folder, at most so many, evenly spread."""
    from streamseg.training.data import find_pictures, read_picture

    found = find_pictures(folder)
    step = max(1, len(found) // most) if most else 1
    return [read_picture(path) for path in found[::step][:most]]


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise InputError("training needs PyTorch", "pip install 'streamseg[train]'") from None

"""`streamseg build`: a TensorRT engine ahead of time, for a GPU that need not be here."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from streamseg.commands.flags import MODEL
from streamseg.errors import InputError, printable


def add_flags(command: argparse.ArgumentParser) -> None:
    """The model, and the GPU."""
    command.add_argument("model", help=MODEL)
    command.add_argument(
        "--for", dest="target", metavar="ARCHITECTURE", help="of the GPU, which need not be here, such as sm86"
    )
    command.add_argument(
        "--precision", choices=("fp32", "fp16"), default="fp16", help="of what is not in 8 bits (default: %(default)s)"
    )
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write it (default: streamseg/engines in your cache folder)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Builds an engine, or says that it was there."""
    from streamseg.infer import network_file
    from streamseg.infer.backends.tensorrt.builder import targets
    from streamseg.infer.backends.tensorrt.engine import get_engine
    from streamseg.infer.backends.tensorrt.library import load_library
    from streamseg.infer.memory import refuse_states
    from streamseg.infer.model.catalogue import load_spec

    file = network_file(arguments.model)
    refuse_states(load_spec(file), file, "`build`")
    library = load_library("tensorrt-rtx")
    if arguments.target is None:
        known = ", ".join(targets(library))
        raise InputError("which GPU is it to be built for?", f"--for one of {known}")
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
    from rich.markup import escape
    from rich.progress import Progress

    from streamseg.signals import SIGNALS

    console = Console(stderr=True)
    stopped: list[bool] = []
    shown = Progress(console=console, disable=not console.is_terminal)
    with SIGNALS.calling(lambda: stopped.append(True)), shown as bar:
        task = bar.add_task(escape(printable(title)), total=1.0)

        def progress(done: float) -> bool:
            bar.update(task, completed=done)
            return not stopped

        yield progress

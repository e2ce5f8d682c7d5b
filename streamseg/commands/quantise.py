"""`streamseg quantise`: a model of 8-bit integers."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from streamseg.commands.flags import MODEL, add_overwrite

_MEASURED = 64  # pictures that ranges are measured on: more change nothing


def add_flags(command: argparse.ArgumentParser) -> None:
    """The model, what it will see, and the model that it becomes."""
    command.add_argument("model", help=MODEL)
    command.add_argument("pictures", type=Path, help="folder of pictures like those it will see")
    command.add_argument("target", type=Path, help="FILE.onnx")
    add_overwrite(command)
    command.add_argument(
        "--for",
        dest="runtime",
        choices=("cpu", "tensorrt"),
        default="cpu",
        help="the runtime that it is to suit (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Makes an 8-bit model of a model."""
    from streamseg.convert.quantise import quantise
    from streamseg.infer import network_file
    from streamseg.training.data import some_images

    source = network_file(arguments.model)
    images = some_images(arguments.pictures, _MEASURED)
    done = quantise(source, arguments.target, images, arguments.runtime, overwrite=arguments.overwrite)
    objects = "" if done.objects is None else f"{done.objects:.2%} of the objects and "
    print(
        f"{done.file}: {objects}{done.agreement:.2%} of the labels as before, {done.bytes_after / 1e6:.1f} MB instead "
        f"of {done.bytes_before / 1e6:.1f} MB"
    )
    print(f"measure it:  streamseg eval {shlex.quote(str(done.file))} PICTURES MASKS")
    return 0

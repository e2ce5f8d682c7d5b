"""`streamseg import`: a fast, self-describing model of any ONNX file."""

from __future__ import annotations

import argparse
import re
import shlex
import typing
from pathlib import Path

from streamseg.commands.flags import Known, add_overwrite, listed
from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from streamseg.convert.importer import Hints

_LISTS = ("classes", "mean", "std", "colours")
_FLAGS: dict[str, dict[str, tuple[str, ...]]] = {
    "what it finds": {
        "name": ("NAME", "what --model will call it (default: the file's name)"),
        "classes": ("NAMES", "separated by commas, or a .txt file with one a line"),
        "colours": ("COLOURS", "one '#rrggbb' for each class, separated by commas"),
        "background": ("NUMBER", "of the class that overlays leave undrawn"),
        "licence": ("NAME", "of the weights, shown by `streamseg models`"),
    },
    "its input": {
        "normalise": ("NAME", "what the model was trained on: {}", "imagenet", "0..1", "-1..1", "none"),
        "mean": ("NUMBERS", "instead: in 0..255, separated by commas"),
        "std": ("NUMBERS", "instead: in 0..255, separated by commas"),
        "colour": ("ORDER", "of the channels that the model was trained on: {}", "rgb", "bgr", "grey"),
        "fit": ("NAME", "how a frame comes to the input's size: {} (default: stretch)", "letterbox", "stretch", "crop"),
        "layout": ("NAME", "the order of its axes: {}", "NCHW", "NHWC"),
        "height": ("PIXELS", "where the model leaves it free"),
        "width": ("PIXELS", "where the model leaves it free"),
        "stride": ("PIXELS", "free sides are rounded to a multiple of this"),
    },
    "its output": {
        "output": ("NAME", "the output to use"),
        "role": ("NAME", "what that output holds: {}", "labels", "logits", "probability"),
    },
}
"""In groups: what help calls the value, what it says, and the choices, which are those of `streamseg.convert`."""


def add_flags(command: argparse.ArgumentParser) -> None:
    """A flag for what the file cannot tell; anything left out is guessed, or asked for in the error."""
    command._negative_number_matcher = re.compile(r"-[\d.]+$")  # `-1..1` is a value too
    command.add_argument("model", type=Path, help="any semantic segmentation ONNX file")
    command.add_argument("target", type=Path, nargs="?", help="where to write it (default: among your models)")
    add_overwrite(command)
    for title, flags in _FLAGS.items():
        group = command.add_argument_group(title)
        for flag, (value, text, *choices) in flags.items():
            known = Known(choices) if choices else None
            group.add_argument(f"--{flag}", metavar=value, choices=known, help=text.format(", ".join(choices)))


def run(arguments: argparse.Namespace) -> int:
    """Imports a model and says how to run it."""
    from streamseg.convert.importer import import_model
    from streamseg.infer import check_format

    check_format(str(arguments.model))
    result = import_model(arguments.model, arguments.target, _hints(arguments), overwrite=arguments.overwrite)
    print(f"{result.file}: {len(result.spec.classes)} classes, {result.agreement:.2%} of the labels as in the original")
    name = result.spec.name if arguments.target is None else result.file
    print(f"run it:  streamseg run SOURCE --model {shlex.quote(str(name))}")
    return 0


def _hints(arguments: argparse.Namespace) -> Hints:
    from streamseg.convert.importer import Hints
    from streamseg.validation import MisfitError, fit

    given = {
        flag: value for flags in _FLAGS.values() for flag in flags if (value := getattr(arguments, flag)) is not None
    }
    given |= {flag: listed(given[flag]) for flag in _LISTS if flag in given}
    try:
        return fit(given, Hints, strict=False)
    except MisfitError as error:
        raise InputError(f"--{error}" if error.place else str(error)) from None

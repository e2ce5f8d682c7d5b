"""`streamseg import`: a fast, self-describing model of any ONNX file."""

from __future__ import annotations

import argparse
import re
import typing
from pathlib import Path

from streamseg.commands.flags import Known, add_gpu, add_overwrite, listed
from streamseg.errors import InputError, printable
from streamseg.files import as_argument

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from streamseg.convert.importer import Hints

_PRESETS = ("ultralytics", "hf", "smp", "torchvision", "mmseg", "paddle", "keras")
_FAMILIES = (
    "yolo", "yolo5", "yolo-rows", "rt-detr-rows", "detr", "rf-detr", "queries", "d-fine", "torchvision", "maskformer",
    "mask2former", "eomt", "watershed",
)  # fmt: skip
_DATASETS = ("coco", "ade20k", "cityscapes", "voc")
_LISTS = ("mean", "std", "colours", "state")
_FLAGS: dict[str, dict[str, tuple[str, ...]]] = {
    "what it finds": {
        "name": ("NAME", "what --model will call it (default: the file's name)"),
        "classes": (
            "NAMES",
            "separated by commas, a .txt file with one a line, Ultralytics' data.yaml, how many, or those of: "
            f"{', '.join(_DATASETS)}",
        ),
        "colours": ("COLOURS", "one '#rrggbb' for each class, separated by commas"),
        "background": ("NUMBER", "of the class that overlays leave undrawn"),
        "licence": ("NAME", "of the weights, shown by `streamseg models`"),
    },
    "its input": {
        "preset": ("NAME", "what models of its exporter have in common: {}", *_PRESETS),
        "normalise": ("NAME", "what the model was trained on: {}", "imagenet", "0..1", "-1..1", "none"),
        "mean": ("NUMBERS", "instead: in 0..255, or all in 0..1, separated by commas"),
        "std": ("NUMBERS", "instead: in 0..255, or all in 0..1, separated by commas"),
        "colour": ("ORDER", "of the channels that the model was trained on: {}", "rgb", "bgr", "grey"),
        "fit": ("NAME", "how a frame comes to the input's size: {} (default: stretch)", "letterbox", "stretch", "crop"),
        "layout": ("NAME", "the order of its axes: {}", "NCHW", "NHWC"),
        "height": ("PIXELS", "where the model leaves it free"),
        "width": ("PIXELS", "where the model leaves it free"),
        "stride": ("PIXELS", "free sides are rounded to a multiple of this"),
        "state": ("IN=OUT", "input IN is fed what output OUT gave for the frame before (default: by their names)"),
    },
    "its output": {
        "family": ("NAME", "of networks for objects whose outputs are read so: {}", *_FAMILIES),
        "threshold": ("SCORE", "0 to 1: objects below it are none (default: what their framework takes)"),
        "output": ("NAME", "the output to use"),
        "role": ("NAME", "what that output holds: {}", "labels", "logits", "probability"),
        "upsample": (
            "WORD",
            "scores enlarged to the input's size before the best is taken: {} (default: where they "
            "are below half of it)",
            "yes",
            "no",
        ),
    },
}
"""In groups: what help calls the value, what it says, and the choices, which are those of `streamseg.convert`."""


def add_flags(command: argparse.ArgumentParser) -> None:
    """A flag for what the file cannot tell; anything left out is guessed, or asked for in the error."""
    command._negative_number_matcher = re.compile(r"-[\d.]+$")  # `-1..1` is a value too
    command.add_argument("model", type=Path, help="any ONNX file that segments, or finds objects")
    command.add_argument("target", type=Path, nargs="?", help="where to write it (default: among your models)")
    add_overwrite(command)
    command.add_argument(
        "--check",
        type=Path,
        metavar="PICTURE",
        help="write NAME-check.png here: PICTURE, and what the model finds in it",
    )
    add_gpu(command)
    for title, flags in _FLAGS.items():
        group = command.add_argument_group(title)
        for flag, (value, text, *choices) in flags.items():
            known = Known(choices) if choices else None
            group.add_argument(f"--{flag}", metavar=value, choices=known, help=text.format(", ".join(choices)))


def run(arguments: argparse.Namespace) -> int:
    """Imports a model, says how it was read, and how to run it."""
    from rich.console import Console
    from rich.text import Text

    from streamseg.commands.trial import before_and_after
    from streamseg.convert.importer import import_model
    from streamseg.imagefile import read_image
    from streamseg.infer import check_format, check_gpu
    from streamseg.model import load

    check_gpu(arguments.gpu)
    check_format(str(arguments.model))
    picture = None if arguments.check is None else read_image(arguments.check)
    reading = printable(f"reading {arguments.model.name}, and comparing labels with its own")
    with Console(stderr=True).status(Text(reading)):
        result = import_model(arguments.model, arguments.target, _hints(arguments), overwrite=arguments.overwrite)
    print(printable(f"{result.file}: {result.assumed}"))
    if picture is not None:
        with load(result.file, gpu=arguments.gpu) as model:
            checked = before_and_after(
                model, picture, Path(f"{result.file.stem}-check.png"), overwrite=arguments.overwrite
            )
        print(printable(f"look at it:  {checked}"))
    name = result.spec.name if arguments.target is None else result.file
    print(printable(f"run it:  streamseg run SOURCE --model {as_argument(name)}"))
    return 0


def _hints(arguments: argparse.Namespace) -> Hints:
    from streamseg.convert.class_files import class_words
    from streamseg.convert.importer import Hints
    from streamseg.validation import MisfitError, fit

    given: dict[str, str | list[str]] = {
        flag: _word(value, choices)
        for flags in _FLAGS.values()
        for flag, (_, _, *choices) in flags.items()
        if (value := getattr(arguments, flag)) is not None
    }
    if arguments.classes is not None:
        given["classes"] = class_words(arguments.classes)
    given |= {flag: listed(str(given[flag])) for flag in _LISTS if flag in given}
    try:
        return fit(given, Hints, strict=False)
    except MisfitError as error:
        raise InputError(f"--{error}" if error.place else str(error)) from None


def _word(value: str, choices: Sequence[str]) -> str:
    """`value` as one of `choices` is spelt, where it means one: `ImageNet`, `gray`, `nchw`."""
    meant = {choice.casefold(): choice for choice in choices} | ({"gray": "grey"} if "grey" in choices else {})
    return meant.get(value.casefold(), value)

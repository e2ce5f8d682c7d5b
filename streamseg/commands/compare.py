"""`streamseg compare`: two backends, or two files of one model, on the same frames."""

from __future__ import annotations

import argparse
import itertools
import tempfile
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamseg.commands.flags import add_gpu, add_json, share
from streamseg.errors import InputError, printable

if typing.TYPE_CHECKING:
    from streamseg.evaluation.compare import Comparison
    from streamseg.evaluation.layers import Layer
    from streamseg.frame import Frame

_MOST_FRAMES = 100
_DIFFERS = 0.01  # of a layer's values: rounding to 11 bits stays below it
_BELOW = 1  # exit code


def add_flags(command: argparse.ArgumentParser) -> None:
    """What is compared, and on what."""
    command.add_argument("models", nargs="+", metavar="model", help="a name or a file MODEL.onnx; or two of them")
    command.add_argument(
        "--backends",
        metavar="A,B",
        help="one for each, such as ort-cpu,ort-cpu:fp16 (the default for one model) or ort-cpu,tensorrt",
    )
    command.add_argument(
        "--pictures",
        metavar="SOURCE",
        default="test://?frames=20",
        help="a folder, a clip or a scene (default: %(default)s)",
    )
    command.add_argument("--layers", action="store_true", help="also where in the network the first frame differs")
    command.add_argument(
        "--least",
        type=share,
        default=0.99,
        metavar="0..1",
        help="share of equal labels; below it exit code 1 (default: %(default)s)",
    )
    add_gpu(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """Compares and prints; exit code 1 where fewer labels agree than asked for."""
    from streamseg.evaluation.compare import compare, make_side
    from streamseg.evaluation.layers import compare_layers
    from streamseg.infer import check_gpu, network_file
    from streamseg.machine import available_cores
    from streamseg.stdio import print_json

    check_gpu(arguments.gpu)
    models = [network_file(name) for name in arguments.models]
    words = _backends(arguments.backends, len(models))
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        pairs = zip((models * 2)[:2], words, strict=True)
        one, other = (make_side(file, each, room, arguments.gpu or 0) for file, each in pairs)
        threads = available_cores()
        layers: list[Layer] = []
        if arguments.layers:
            layers = compare_layers(one, other, next(_frames(arguments.pictures)), room, threads)
        found = compare(one, other, _frames(arguments.pictures), threads)
    if arguments.json:
        print_json({"comparison": found, "layers": layers})
    else:
        _print(found, layers)
    return 0 if found.agreement >= arguments.least else _BELOW


def _backends(given: str | None, models: int) -> list[str]:
    if models > 2:
        raise InputError("expected one model or two")
    words = given.split(",") if given else ["ort-cpu", "ort-cpu:fp16" if models == 1 else "ort-cpu"]
    if len(words) == 1 and models == 2:
        words *= 2
    if len(words) != 2:
        raise InputError(f"--backends {given}: expected two, with a comma between them")
    return words


def _frames(uri: str) -> Iterator[Frame]:
    """The first of them; a live source would never end."""
    from streamseg.capture import open_source

    source = open_source(uri)
    try:
        yield from itertools.islice(source, _MOST_FRAMES)
    finally:
        source.close()


def _print(found: Comparison, layers: Sequence[Layer]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    for title in ("IoU of the two %", f"{found.one} %", f"{found.other} %"):
        table.add_column(title, justify="right")
    for row in found.classes:
        table.add_row(printable(row.name), *(f"{100 * value:.2f}" for value in (row.iou, *row.shares)))
    Console(markup=False).print(table)
    if layers:
        print(printable(_first_difference(layers)))
    print(
        f"{found.one} and {found.other} agree on {found.agreement:.3%} of the pixels of {found.frames} frames "
        f"({found.least_agreement:.3%} in the worst), mIoU of the two {found.miou:.2%}"
    )


def _first_difference(layers: Sequence[Layer]) -> str:
    most = max(layers, key=lambda layer: layer.difference)
    first = next((layer for layer in layers if layer.difference > _DIFFERS), None)
    where = f"first over {_DIFFERS:.0%}: {_told(first)}; " if first else f"none differs by more than {_DIFFERS:.0%}; "
    return f"{len(layers)} layers compared: {where}most: {_told(most)}"


def _told(layer: Layer) -> str:
    return f"{layer.name} ({layer.operator}) {layer.difference:.2%}"

"""The command `compare`: two backends, or two files of one model, on the same frames."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.evaluation.compare import Comparison, compare, make_side
from streamseg.evaluation.layers import Layer, compare_layers
from streamseg.frame import Frame
from streamseg.infer import find_network
from streamseg.machine import available_cores

_MOST_FRAMES = 100
_DIFFERS = 0.01  # of a layer's values: rounding to 11 bits stays below it
_BELOW = 1  # exit code


def compare_and_print(arguments: argparse.Namespace) -> int:
    """Compares and prints; exit code 1 where fewer labels agree than asked for."""
    models = [find_network(name) for name in arguments.models]
    words = _backends(arguments.backends, len(models))
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        one, other = (make_side(file, each, room) for file, each in zip((models * 2)[:2], words, strict=True))
        threads = available_cores()
        layers: list[Layer] = []
        if arguments.layers:
            layers = compare_layers(one, other, next(_frames(arguments.pictures)), room, threads)
        found = compare(one, other, _frames(arguments.pictures), threads)
    if arguments.json:
        print(msgspec.json.encode({"comparison": found, "layers": layers}).decode())
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
    source = open_source(uri)
    try:
        yield from itertools.islice(source, _MOST_FRAMES)
    finally:
        source.close()


def _print(found: Comparison, layers: Sequence[Layer]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    for title in ("IoU of the two %", f"{found.one} %", f"{found.other} %"):
        table.add_column(title, justify="right")
    for row in found.classes:
        table.add_row(row.name, *(f"{100 * value:.2f}" for value in (row.iou, *row.shares)))
    Console().print(table)
    if layers:
        print(_first_difference(layers))
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

"""`streamseg models`: networks and classical methods, by the names that `--model` takes."""

from __future__ import annotations

import argparse
import typing
from pathlib import Path

from streamseg.commands.flags import add_gpu, add_json, add_overwrite
from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from streamseg.infer.model.catalogue import Listed


def add_flags(command: argparse.ArgumentParser) -> None:
    """How they are listed, or which one is tried."""
    add_json(command)
    command.add_argument(
        "--try",
        dest="tried",
        metavar="NAME|FILE",
        help="instead: what this model is, and what it finds; a picture of that is NAME-try.png",
    )
    command.add_argument("--picture", type=Path, metavar="FILE", help="with --try: also in this picture")
    add_gpu(command)
    add_overwrite(command)


def run(arguments: argparse.Namespace) -> int:
    """Lists them on the standard output, or tries one."""
    from streamseg.commands.trial import try_model
    from streamseg.infer import check_gpu, list_models
    from streamseg.stdio import print_json

    check_gpu(arguments.gpu)
    if arguments.tried is not None:
        try_model(arguments.tried, arguments.picture, overwrite=arguments.overwrite, gpu=arguments.gpu)
        return 0
    if arguments.picture is not None:
        raise InputError("--picture is for a model that is tried", "--try NAME")
    models = list_models()
    if arguments.json:
        print_json(models)
    else:
        _print_table(models)
    return 0


def _print_table(models: Sequence[Listed]) -> None:
    from rich.console import Console
    from rich.table import Table

    from streamseg.errors import printable

    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("name", no_wrap=True)
    table.add_column("finds", ratio=5)
    table.add_column("classes", ratio=3, overflow="fold")
    table.add_column("size", no_wrap=True)
    table.add_column("licence", ratio=4, overflow="fold")
    for model in models:
        what = f"{model.summary} ({model.score})" if model.score else model.summary
        cells = (model.name, what, _classes(model), _size(model), model.licence)
        table.add_row(*map(printable, cells))  # a model's own words are anybody's
    Console(markup=False).print(table)


def _classes(model: Listed) -> str:
    """Their names where they are few, else the first two and how many there are."""
    count = len(model.classes)
    return ", ".join(model.classes) if count <= 3 else f"{', '.join(model.classes[:2])} … ({count})"


def _size(model: Listed) -> str:
    return f"{model.size_bytes / 1e6:.1f} MB" if model.size_bytes else "-"

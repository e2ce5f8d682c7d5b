"""The commands about models: list, import, evaluate."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from streamseg.errors import InputError, printable
from streamseg.infer.catalogue import Listed, list_models
from streamseg.infer.importer import Hints, import_model


def print_models(*, as_json: bool) -> int:
    """Lists networks and classical methods on the standard output."""
    models = list_models()
    if as_json:
        print(msgspec.json.encode(models).decode())
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("name", no_wrap=True)
    table.add_column("finds", ratio=2)
    table.add_column("classes", ratio=1)
    table.add_column("size", no_wrap=True)
    table.add_column("licence", ratio=1)
    for model in models:
        what = f"{model.summary} ({model.score})" if model.score else model.summary
        cells = (model.name, what, _classes(model), _size(model), model.licence)
        table.add_row(*map(printable, cells))  # a model's own words are anybody's
    Console(markup=False).print(table)
    return 0


def import_and_print(arguments: argparse.Namespace) -> int:
    """Imports a model and says how to run it."""
    result = import_model(arguments.model, arguments.target, _hints(arguments))
    print(f"{result.file}: {len(result.spec.classes)} classes, {result.agreement:.2%} of the labels as in the original")
    name = result.spec.name if arguments.target is None else result.file
    print(f"run it:  streamseg run SOURCE --model {name}")
    return 0


def evaluate_and_print(arguments: argparse.Namespace) -> int:
    """Scores a model on labelled pictures."""
    from streamseg.evaluation.evaluate import Wanted, evaluate
    from streamseg.evaluation.report import as_json, print_table, write_sheet
    from streamseg.infer import load_recipe
    from streamseg.machine import available_cores

    ids = dict(_renamed(text) for text in arguments.ids)
    wanted = Wanted(ids=ids, pattern=arguments.only, parts=arguments.parts, video=arguments.video)
    found = evaluate(load_recipe(arguments.model), arguments.pictures, arguments.masks, wanted, available_cores())
    if arguments.sheet:
        write_sheet(found, arguments.sheet)
    if arguments.json:
        print(as_json(found))
    else:
        print_table(found)
    return 0


def _renamed(text: str) -> tuple[int, int]:
    old, _, new = text.partition("=")
    if not (old.isdigit() and new.isdigit() and int(old) < 256 and int(new) < 256):
        raise InputError(f"--ids {text}: expected OLD=NEW, two ids of 0 to 255")
    return int(old), int(new)


def _hints(arguments: argparse.Namespace) -> Hints:
    given = {f.name: value for f in fields(Hints) if (value := getattr(arguments, f.name, None)) is not None}
    for name in ("classes", "mean", "std", "colours"):
        if name in given:
            given[name] = _listed(given[name])
    try:
        return msgspec.convert(given, Hints, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"--{str(error).partition('$.')[2].rstrip('`')}: {str(error).partition(' - at')[0]}") from None


def _listed(text: str) -> list[str]:
    """Words between commas, or the lines of a text file."""
    path = Path(text)
    if path.suffix == ".txt" and path.is_file():
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    return [word.strip() for word in text.split(",")]


def _classes(model: Listed) -> str:
    """Their names where they are few, else how many."""
    count = len(model.classes)
    return ", ".join(model.classes) if count <= 3 else f"{model.classes[1]} … ({count})"


def _size(model: Listed) -> str:
    return f"{model.size_bytes / 1e6:.1f} MB" if model.size_bytes else "-"

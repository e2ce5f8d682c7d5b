"""`streamseg eval`: scores a model on labelled pictures, as it will run."""

from __future__ import annotations

import argparse
import re
import typing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from streamseg.commands.flags import MODEL, add_gpu, add_json, add_overwrite, listed
from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from streamseg.evaluation.evaluate import Evaluation
    from streamseg.evaluation.judges import Wanted

_NO_BETTER = 1  # exit code


def add_flags(command: argparse.ArgumentParser) -> None:
    """What is scored, against what, and how it is told."""
    command.add_argument("model", help=MODEL)
    command.add_argument(
        "pictures", type=Path, help="folder of pictures; without masks a folder that a labelling tool exported"
    )
    command.add_argument(
        "masks",
        type=Path,
        nargs="?",
        help="folder of masks of the same names: class ids, 255 is void; for objects their numbers, or COCO's JSON",
    )
    command.add_argument(
        "--against",
        metavar="MODEL",
        help="another model on the same pictures: exit code 1 where it is as good or better",
    )
    command.add_argument(
        "--only", metavar="PATTERN", default="*", help="only such names: '*[05].jpg' (default: %(default)s)"
    )
    command.add_argument(
        "--held-out", action="store_true", help="only the fifth that `train --from` does not learn from"
    )
    command.add_argument("--parts", metavar="CLASS", help="also compare the connected parts of a class, as cells are")
    command.add_argument(
        "--video", action="store_true", help="the pictures are a video's frames: also how steady it is"
    )
    command.add_argument(
        "--tiles", metavar="N", help="look at overlapping tiles: auto, or how many along the longer side"
    )
    command.add_argument(
        "--groups", metavar="REGEX", help="what pictures belong together by their names: intervals are drawn of those"
    )
    command.add_argument(
        "--fold", action="append", default=[], metavar="NAME=CLASS,…",
        help="put classes of the model together, in the order of the masks' ids, where those know fewer",
    )  # fmt: skip
    command.add_argument("--ids", action="append", default=[], metavar="OLD=NEW", help="rename an id; repeatable")
    add_gpu(command)
    add_json(command)
    command.add_argument("--sheet", type=Path, metavar="FILE.png", help="write the worst pictures side by side")
    add_overwrite(command)


def run(arguments: argparse.Namespace) -> int:
    """Scores a model on labelled pictures."""
    from streamseg.commands.given import once
    from streamseg.evaluation.evaluate import difference
    from streamseg.evaluation.judges import Wanted
    from streamseg.evaluation.report import as_tree, print_difference, print_table, refuse_unwritable, write_sheet
    from streamseg.files import refuse_existing
    from streamseg.stdio import print_json

    if arguments.sheet:
        refuse_unwritable(arguments.sheet)
        read = [folder for folder in (arguments.pictures, arguments.masks) if folder]
        refuse_existing(arguments.sheet, overwrite=arguments.overwrite, read=read)
    ids = once("--ids", (_renamed(text) for text in arguments.ids))
    wanted = Wanted(
        ids=ids, pattern=arguments.only, parts=arguments.parts, video=arguments.video, groups=arguments.groups
    )
    found = _judged(arguments.model, arguments, wanted)
    other = _judged(arguments.against, arguments, wanted) if arguments.against else None
    apart = difference(found, other) if other else None
    if arguments.json:
        print_json(as_tree(found) | ({"against": as_tree(other), "difference": apart} if other else {}))
    else:
        print_table(found)
        if other and apart:
            print_table(other)
            print_difference(found, other, apart)
    if arguments.sheet:  # when all is said: it may be that it cannot be written
        write_sheet(found, arguments.sheet, overwrite=arguments.overwrite)
    return _NO_BETTER if apart and not apart.by > 0 else 0  # what is no number is not above it


def _judged(model: str, arguments: argparse.Namespace, wanted: Wanted) -> Evaluation:
    """One model's scores, on masks or on a folder that a labelling tool exported."""
    import tempfile

    from streamseg.commands.given import once
    from streamseg.evaluation.corrected import bring_in, held_out_of
    from streamseg.evaluation.evaluate import evaluate
    from streamseg.evaluation.fold import folded
    from streamseg.infer import load_segmenter
    from streamseg.infer.tiles import tiled
    from streamseg.labelmap import VOID
    from streamseg.machine import available_cores

    recipe = load_segmenter(model, gpu=arguments.gpu)
    if arguments.tiles:
        recipe = tiled(recipe, _tiles(arguments.tiles))
    if arguments.fold:
        recipe = folded(recipe, once("--fold", (_put_together(text) for text in arguments.fold)))
    if arguments.masks and arguments.held_out:
        raise InputError("--held-out is for a folder that `train --from` takes", "leave out the masks, or use --only")
    if arguments.masks:
        return evaluate(recipe, arguments.pictures, arguments.masks, wanted, available_cores())
    with tempfile.TemporaryDirectory(prefix="streamseg-") as scratch:
        brought = bring_in(arguments.pictures, recipe.classes, Path(scratch), instances=recipe.instances)
        if brought.void:
            wanted = replace(wanted, ids={VOID: VOID, **wanted.ids})
        if arguments.held_out:
            wanted = replace(wanted, names=frozenset(held_out_of(brought.pictures)))
        return evaluate(recipe, brought.pictures, brought.masks, wanted, available_cores())


def _renamed(text: str) -> tuple[int, int]:
    found = re.fullmatch("([0-9]{1,3})=([0-9]{1,3})", text)
    old, new = map(int, found.groups()) if found else (256, 256)
    if max(old, new) > 255:
        raise InputError(f"--ids {text}: expected OLD=NEW, two ids of 0 to 255")
    return old, new


def _tiles(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise InputError(f"--tiles {text}: expected auto, or 1 to 64 along the longer side")
    return int(text)


def _put_together(text: str) -> tuple[str, list[str]]:
    name, _, members = text.partition("=")
    if not name.strip() or not members.strip():
        raise InputError(f"--fold {text}: expected NAME=CLASS,CLASS")
    return name.strip(), listed(members)

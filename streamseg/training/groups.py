"""Pictures that belong together, dealt into folds: what was held out is then nobody's neighbour."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Generic, TypeVar

from streamseg.errors import InputError
from streamseg.training.plan import Data, Groups

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Parts(Generic[_Item]):
    """What a set is divided into."""

    learnt: list[_Item]
    held: list[_Item]
    """The best epoch is picked on these."""
    sealed: list[_Item]
    """Scored once, at the end."""


def divide(items: Sequence[_Item], data: Data, image: Callable[[_Item], Path]) -> Parts[_Item]:
    """Divides a set as `hold_out` or `hold_out_groups` of the plan say.

    Raises:
        InputError: both are given, nothing is left to learn from, a pattern matches nothing, or a picture has no group.
    """
    groups = data.hold_out_groups
    if groups is None:
        return Parts(*split(items, data.hold_out, image), [])
    if data.hold_out:
        raise InputError("data: hold_out and hold_out_groups are two ways to say one thing", "leave one out")
    rest, sealed = split(items, groups.sealed, image, "data.hold_out_groups.sealed")
    if groups.fold is None:
        return Parts(rest, [], sealed)
    folds = deal(sorted(group_of(image(item).name, groups.named) for item in rest), groups)
    held = [folds[group_of(image(item).name, groups.named)] == groups.fold for item in rest]
    learnt = [item for item, out in zip(rest, held, strict=True) if not out]
    return Parts(learnt, [item for item, out in zip(rest, held, strict=True) if out], sealed)


def group_of(name: str, named: str) -> str:
    """The group that a file's name tells.

    Raises:
        InputError: it tells none, or `named` is no regular expression.
    """
    try:
        found = re.search(named, name)
    except re.error as error:
        raise InputError(f"data.hold_out_groups.named: {error}") from None
    group = found and found.group(1 if found.re.groups else 0)
    if group is None:
        raise InputError(f"{name}: '{named}' matches no part of its name", "mend data.hold_out_groups.named")
    return group


def deal(images: Sequence[str], groups: Groups) -> dict[str, int]:
    """Group -> fold, from each picture's group: the largest first, each to the fold that has the fewest pictures.

    Raises:
        InputError: there are fewer groups than folds.
    """
    sizes = {group: 0 for group in images}
    for group in images:
        sizes[group] += 1
    if not 2 <= groups.folds <= len(sizes) or not 0 <= (groups.fold or 0) < groups.folds:
        raise InputError(
            f"data.hold_out_groups: {len(sizes)} groups, {groups.folds} folds, fold {groups.fold}",
            "2 folds or more, no more than there are groups, counted from 0",
        )
    filled, folds = [0] * groups.folds, {}
    for group in sorted(sizes, key=lambda each: (-sizes[each], each)):
        fold = filled.index(min(filled))
        filled[fold] += sizes[group]
        folds[group] = fold
    return folds


def split(
    items: Sequence[_Item], patterns: Sequence[str], image: Callable[[_Item], Path], called: str = "data.hold_out"
) -> tuple[list[_Item], list[_Item]]:
    """Those to learn from, and those whose pictures' names match a pattern, held out.

    Raises:
        InputError: there are patterns, and one of the two is empty.
    """
    held = [any(fnmatch(image(item).name, pattern) for pattern in patterns) for item in items]
    if patterns and (all(held) or not any(held)):
        raise InputError(f"{called}: {sum(held)} of {len(items)} pictures match", "mend the patterns")
    return [a for a, out in zip(items, held, strict=True) if not out], [
        a for a, out in zip(items, held, strict=True) if out
    ]

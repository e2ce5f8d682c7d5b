"""The sets of pictures that a plan names: what is learnt from, and what is scored."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.scene import SceneSource
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.options import SourceOptions
from streamseg.training.data import VOID, Key, Labels, Pair, Pairs, find_pairs, mask_value, plain_key
from streamseg.training.groups import divide, split
from streamseg.training.plan import Also, Folder, Plan
from streamseg.training.scores import Judged

HELD_OUT, VALIDATION, SEALED = "held out", "validation", "sealed"


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """One of the sets to learn from."""

    pairs: Pairs
    shown: int
    """Pictures of it in an epoch."""
    often: NDArray[np.float64] | None = None
    """How often each is shown in an epoch, on average, (N,); None: all alike."""
    misses: tuple[int, ...] = ()
    """Classes that its masks label only in part."""


class Sets:
    """What a plan's folders hold, read once."""

    def __init__(self, plan: Plan) -> None:
        """Raises InputError where pictures, masks or plan are wrong."""
        self._data, self._names = plan.data, [entry.name for entry in plan.classes]
        self._scratch = tempfile.mkdtemp(prefix="streamseg-")
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._thin = {self._number(name, "data.thin"): width for name, width in plan.data.thin.items()}
        self.groups: list[tuple[int, ...]] = []
        """Classes that masks of some set do not tell apart: the first is id `len(classes)`, and so on."""
        keys = [self._key(also) for also in plan.data.also]
        main = divide(self._find(plan.data.train), plan.data, lambda pair: pair.image)
        pairs = self._pairs(main.learnt)
        missed = self._missed(plan.data.train)
        self.learnt = [_learnt(pairs, plan.schedule.repeat, plan.schedule.rare, missed)]
        held, apart = main.held, {}
        shown, kept = [*main.learnt], [*main.held, *main.sealed]
        for also, key in zip(plan.data.also, keys, strict=True):
            learnt, out = split(self._find(also), also.hold_out, lambda pair: pair.image)
            shown += learnt
            kept += out
            pairs = self._pairs(learnt, key)
            self.learnt.append(Learnt(pairs, also.each_epoch or len(pairs), misses=self._missed(also)))
            if key is None:
                held = held + out
            elif out:
                apart[also.pictures] = Judged(self._pairs(out, key), *self._folded(key, also))
        _refuse_leaks(shown, kept)
        self.judged: dict[str, Judged] = {HELD_OUT: self._judged(held)} if held else {}
        """By name; the best epoch is picked on the first."""
        if plan.data.validation:
            self.judged[VALIDATION] = self._judged(self._find(plan.data.validation))
        self.judged |= apart
        self.sealed = self._judged(main.sealed) if main.sealed else None

    def __len__(self) -> int:
        """Pictures in an epoch."""
        return sum(each.shown for each in self.learnt)

    def __getitem__(self, index: int) -> tuple[Image, Labels]:
        """The pair of an index that `order` gave."""
        of, place = self._at(index)
        return of.pairs[place]

    def misses(self, index: int) -> tuple[int, ...]:
        """Classes that the masks of the set with this picture label only in part."""
        return self._at(index)[0].misses

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """The pictures of an epoch, in the order in which they are shown."""
        first = self.learnt[0]
        chosen = [
            random.permutation(first.shown) % len(first.pairs) if first.often is None else drawn(first.often, random)
        ]
        start = len(first.pairs)
        for each in self.learnt[1:]:
            turns = -(-each.shown // len(each.pairs))
            chosen.append(start + (random.permutation(len(each.pairs) * turns) % len(each.pairs))[: each.shown])
            start += len(each.pairs)
        return chosen[0] if len(chosen) == 1 else random.permutation(np.concatenate(chosen))

    def _at(self, index: int) -> tuple[Learnt, int]:
        """The set with this picture, and its place there."""
        for each in self.learnt:
            if index < len(each.pairs):
                return each, index
            index -= len(each.pairs)
        raise IndexError(index)

    def _pairs(self, pairs: Sequence[Pair], key: Key | None = None) -> Pairs:
        key = key or plain_key(self._data, len(self._names), self._thin)
        return Pairs(pairs, self._data, len(self._names), key)

    def _judged(self, pairs: Sequence[Pair]) -> Judged:
        return Judged(self._pairs(pairs), np.arange(256, dtype=np.uint8), self._names)

    def _key(self, also: Also) -> Key | None:
        """Numbers of a set's masks -> classes, or groups of them, which are added to `groups`."""
        if not also.means:
            return None
        table = np.full(256, VOID, np.uint8)
        for text, names in also.means.items():
            if (value := mask_value(text)) is None or not names:
                raise InputError(f"data.also: means: {text}: {names} maps no mask value to classes")
            table[value] = self._id(tuple(sorted({self._number(name, "data.also: means") for name in names})))
        return Key(table, len(self._names) + len(self.groups))

    def _id(self, members: tuple[int, ...]) -> int:
        if len(members) == 1:
            return members[0]
        if members not in self.groups:
            self.groups.append(members)
        return len(self._names) + self.groups.index(members)

    def _folded(self, key: Key, also: Also) -> tuple[Labels, list[str], NDArray[np.bool_]]:
        """Id -> number among the meanings that a set has, (256,); how those are called; and what is right in each.

        A class may be part of several meanings: found where none of them is, it counts as the first.
        """
        names: list[str] = []
        table = np.full(256, VOID, np.uint8)
        right = np.zeros((256, 256), bool)
        for found in sorted(set(key.table.tolist()) - {VOID}):
            members = (found,) if found < len(self._names) else self.groups[found - len(self._names)]
            table[[found, *(member for member in members if table[member] == VOID)]] = len(names)
            right[len(names), list(members)] = True
            names.append(" or ".join(self._names[member] for member in members))
        for name, number in zip(self._names, table, strict=False):
            if number == VOID:
                raise InputError(f"{also.pictures}: nothing in its masks means {name}", "leave out its hold_out")
        return table, names, right[: len(names)]

    def _missed(self, folder: Folder) -> tuple[int, ...]:
        return tuple(self._number(name, f"data: {folder.pictures}: misses") for name in folder.misses)

    def _number(self, name: str, where: str) -> int:
        if name not in self._names:
            raise InputError(f"{where}: no class '{name}'", f"one of {', '.join(self._names)}")
        return self._names.index(name)

    def _find(self, folder: Folder) -> list[Pair]:
        """The pairs of a folder, or of a generated scene (`test://?frames=100`), which is drawn to disk."""
        if not folder.pictures.startswith("test://"):
            own = isinstance(folder, Also) and folder.means
            return find_pairs(self._data.root, folder, {str(VOID): VOID} if own else self._data.ids)
        scene = SceneSource(folder.pictures, SourceOptions())
        if scene.info.frames is None:
            raise InputError(f"{folder.pictures}: a scene to learn from has an end", "test://?frames=100")
        place = Path(tempfile.mkdtemp(dir=self._scratch))
        pairs = [Pair(place / f"{i:06d}.png", place / f"{i:06d}-labels.png") for i in range(scene.info.frames)]
        for index, pair in enumerate(pairs):
            cv2.imwrite(str(pair.image), scene.image(index))
            cv2.imwrite(str(pair.mask), scene.labels(index))
        return pairs


def _refuse_leaks(shown: Sequence[Pair], kept: Sequence[Pair]) -> None:
    """Two sets may lie in one folder: what one of them holds out, the other must not show."""
    seen = {pair.image.resolve() for pair in shown}
    leak = next((pair.image for pair in kept if pair.image.resolve() in seen), None)
    if leak is not None:
        raise InputError(f"{leak}: one set holds it out, another learns from it", "hold it out of both")


def _learnt(pairs: Pairs, repeat: int, rare: float, missed: tuple[int, ...]) -> Learnt:
    if not rare:
        return Learnt(pairs, len(pairs) * repeat, misses=missed)
    share = np.maximum(pairs.present.mean(axis=0), 1 / max(1, len(pairs)))
    factors = np.sqrt(np.maximum(1.0, rare / share))  # of each class
    often = whole_sum(repeat * np.where(pairs.present, factors, 1.0).max(axis=1))
    return Learnt(pairs, round(often.sum()), often, missed)


def whole_sum(often: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each picture is shown, on average, so that an epoch shows a whole number of them."""
    return often * (round(often.sum()) / often.sum())


def drawn(often: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.int64]:
    """The pictures of an epoch in random order: each as often as it is on average, rounded up or down."""
    ends = np.cumsum(often)
    ends[-1] = round(ends[-1])
    times = np.diff(np.floor(ends + random.random()), prepend=0.0).astype(np.int64)
    return random.permutation(np.repeat(np.arange(len(times)), times))

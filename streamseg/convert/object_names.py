"""Names of what networks for objects find: how their class ids are counted differs from one framework to another."""

from __future__ import annotations

from streamseg.convert.class_names import DATASETS, expanded
from streamseg.convert.hints import Hints
from streamseg.convert.questions import Questions
from streamseg.errors import InputError
from streamseg.infer.families import FAMILIES, Recognised
from streamseg.segmentation import distinct

_BACKGROUND = "background"
_BACKGROUNDS = (_BACKGROUND, "__background__")
_CATEGORIES = 91
_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Numbers that COCO's categories leave out; they begin at 1."""


def object_names(found: Recognised, hints: Hints, questions: Questions) -> tuple[str, ...]:
    """Names of all class ids, with a background, which is behind them where they have none of their own.

    Raises:
        InputError: the network has another number of classes.
    """
    n, family = found.classes, FAMILIES[found.family].defaults
    (word,) = hints.classes if hints.classes and len(hints.classes) == 1 else ("",)
    if hints.classes is None or word.isdigit():
        names = _numbered(found, hints, questions, background_first=family.background_first)
    elif word.casefold() == "coco" and (n == _CATEGORIES or (n is None and family.by_category)):
        names = _coco_categories()
    else:
        names = expanded(hints.classes)
        if family.background_first and len(names) != n and not _with_background(names):
            names = (_BACKGROUND, *names)
    names = tuple(_BACKGROUND if name.casefold() in _BACKGROUNDS else name for name in names)
    _check_number(n, names, hints, background_first=family.background_first, spare=family.spare_class)
    names = distinct(names)
    return names if _BACKGROUND in names else (*names, _BACKGROUND)


def _numbered(found: Recognised, hints: Hints, questions: Questions, *, background_first: bool) -> tuple[str, ...]:
    """`class 3` for class id 3: of as many as the network has, or else a person says."""
    n = found.classes
    if hints.classes is not None:
        names = expanded(hints.classes)
        if background_first and len(names) != n:  # it counts those that are found, and they begin at 1
            return (_BACKGROUND, *names[1:], f"class {len(names)}")
    elif n is None:
        questions.add("objects do not tell how many classes there are", "name them with --classes")
        return ()
    else:
        names = tuple(f"class {i}" for i in range(n))
    return (_BACKGROUND, *names[1:]) if background_first and not found.zero_is_class else names


def _check_number(n: int | None, names: tuple[str, ...], hints: Hints, *, background_first: bool, spare: bool) -> None:
    if n is None or len(names) == n or (spare and len(names) == n - 1):
        return
    if background_first:
        given = len(expanded(hints.classes or ()))
        raise InputError(f"expected {n - 1} class names, or {n} with the background first, found {given}", "--classes")
    raise InputError(f"expected {n} class names, found {len(names)}", "--classes")


def _with_background(names: tuple[str, ...]) -> bool:
    return any(name.casefold() in _BACKGROUNDS for name in names)


def _coco_categories() -> tuple[str, ...]:
    """A name for each number of COCO's categories; 0 is none."""
    names = iter(DATASETS["coco"])
    numbered = (f"unused {i}" if i in _GAPS else next(names) for i in range(1, _CATEGORIES))
    return (_BACKGROUND, *numbered)

"""What in a set of rules cannot be: names that nothing has, and what needs more than is there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from streamseg.errors import InputError
from streamseg.rules.grammar import Rule, Subject
from streamseg.rules.shapes import Ground, Line, Polygon, is_name

if TYPE_CHECKING:  # the options are checked by these, and `--help` loads no NumPy for them
    from streamseg.segmentation import Classes

Problem = tuple[tuple[str, ...], str]
"""The keys that lead to what is wrong, as in a configuration, and why."""


def refuse(problems: Iterable[Problem]) -> None:
    """Raises InputError of the first of `problems`, if there is one."""
    for at, problem in problems:
        raise InputError(f"{'.'.join(at)}: {problem}")


def name_problems(
    zones: Mapping[str, Polygon], lines: Mapping[str, Line], rules: Mapping[str, Rule], ground: Ground | None
) -> Iterator[Problem]:
    """What is wrong whatever the model is."""
    for key, named in (("zones", zones), ("lines", lines), ("rules", rules)):
        for name in named:
            if not is_name(name):
                yield (key, name), "a name has a letter first, then letters, digits, dashes and underscores, up to 64"
    for name in zones.keys() & lines.keys():
        yield ("lines", name), "a zone is called so already"
    for name, rule in rules.items():
        for subject in rule.subjects:
            if problem := _subject_problem(subject, zones, lines, ground):
                yield ("rules", name), problem


def class_problems(rules: Mapping[str, Rule], classes: Classes) -> Iterator[Problem]:
    """Classes that the model does not have."""
    from streamseg.segmentation import find_class

    for name, rule in rules.items():
        for subject in rule.subjects:
            try:
                find_class(classes, subject.class_name)
            except InputError as error:
                yield ("rules", name), str(error)


def _subject_problem(
    subject: Subject, zones: Mapping[str, Polygon], lines: Mapping[str, Line], ground: Ground | None
) -> str:
    what, places = ("line", lines) if subject.quantity == "crosses" else ("zone", zones)
    if subject.place and subject.place not in places:
        return f"there is no {what} '{subject.place}'{_near(subject.place, places)}"
    if subject.direction and subject.direction not in lines[subject.place].directions:
        either = " or ".join(lines[subject.place].directions)
        return f"the line '{subject.place}' is crossed {either}, not {subject.direction}"
    if subject.unit in ("m/s", "km/h") and ground is None:
        return f"{subject.unit} needs `ground`, four points of it with their places in metres"
    return ""


def _near(name: str, places: Collection[str]) -> str:
    near = difflib.get_close_matches(name, places, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(places)}" if places else ""

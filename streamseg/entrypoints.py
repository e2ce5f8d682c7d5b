"""Parts that other installed packages add, read only where a name is in none of streamseg's own tables.

A package names them in its `pyproject.toml`, say `[project.entry-points."streamseg.views"]`. See docs/python.md.
"""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from streamseg.errors import InputError

Kind = Literal["sources", "models", "backends", "views", "outputs"]
KINDS: tuple[Kind, ...] = ("sources", "models", "backends", "views", "outputs")

_NEAR = 0.65  # of 1: `cuda` is near `ort-cuda`, `tpu` is not near `ort-cpu`


class Part(NamedTuple):
    """One part, not loaded yet."""

    kind: Kind
    name: str
    package: str
    """With its version."""
    entry: importlib.metadata.EntryPoint

    @property
    def is_folder(self) -> bool:
        """Whether it names a package and nothing in it: a folder of models, each with a name of its own."""
        return not self.entry.attr

    def load(self) -> Any:
        """Imports it; its own contract is checked by who uses it.

        Raises:
            InputError: importing it fails.
        """
        try:
            return self.entry.load()
        except Exception as error:  # whatever the code of others raises
            why = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{self.name} of {self.package} cannot be loaded: {why}", "mend or uninstall it"
            ) from error


def parts(kind: Kind) -> dict[str, Part]:
    """All parts of one kind by name; of two with one name the first that is found."""
    found: dict[str, Part] = {}
    for entry in importlib.metadata.entry_points(group=f"streamseg.{kind}"):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "a package"
        found.setdefault(entry.name, Part(kind, entry.name, package, entry))
    return found


def find(kind: Kind, name: str) -> Any | None:
    """The part `name`, loaded; None where no package adds one.

    Raises:
        InputError: importing it fails.
    """
    part = parts(kind).get(name)
    return part.load() if part else None


def load(kind: Kind, name: str, known: tuple[str, Iterable[str]]) -> Any:
    """The part `name`, loaded; `known` are the word for such a part, and the names of streamseg's own.

    Raises:
        InputError: no package adds one, or importing it fails.
    """
    found = parts(kind)
    if name not in found:
        word, own = known
        raise unknown(word, name, [*own, *found])
    return found[name].load()


def unknown(word: str, name: str, names: Sequence[str]) -> InputError:
    """For a `name` that is none of `names`, which the hint lists, the nearest first; `word` is what such a part is."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=_NEAR)
    guess = f"did you mean {close[0]}? " if close else ""
    return InputError(f"no {word} '{name}'", f"{guess}one of {', '.join(names)}")

"""Models by name: those that ship with streamseg, then the user's own folder, then those of other packages."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamseg import entrypoints
from streamseg.errors import InputError
from streamseg.folders import models_folder, needed
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.spec import ModelSpec, spec_beside, spec_inside
from streamseg.said import Said

_log = logging.getLogger(__name__)
_said = Said()

SHIPPED = Path(__file__).parents[1] / "models"
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._][A-Za-z0-9._-]{0,63}")
IN_PACKAGES = {
    **dict.fromkeys(
        ("cracks", "defects", "membrane", "street", "street-deeplab", "street-fcn", "street-segnet", "traffic"),
        "research",
    ),
    **dict.fromkeys(("people", "person-pose"), "pose"),
}
"""Models of ours that are installed by themselves, and the extra that brings them: not free for any use, or large."""

CHOICE = "person-auto"
"""The model that is a choice of two others: it has no file."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a person wants to know of a model before naming it."""

    name: str
    kind: Literal["network", "classical", "package"]
    classes: tuple[str, ...]
    size_bytes: int
    licence: str
    score: str
    summary: str


def find_model(name: str) -> Path | None:
    """The file of the network called `name`, or None; the shipped one where both have it."""
    if not _NAME.fullmatch(name):
        return None
    files = (folder / f"{name}.onnx" for folder in _folders())
    return next((file for file in files if _is_file(file)), None)


def find_added(name: str) -> Any | None:
    """What another package adds as the model `name`: the path of its file, or what makes it; None where none does.

    Raises:
        InputError: it cannot be loaded.
    """
    part = entrypoints.parts("models").get(name)
    if part and not part.is_folder:
        return part.load()
    files = (folder / f"{name}.onnx" for folder in added_folders() if _NAME.fullmatch(name))
    return next((file for file in files if _is_file(file)), None)


def added_folders() -> list[Path]:
    """Folders of models that other packages add; one that cannot be loaded is logged and left out."""
    found = []
    for part in entrypoints.parts("models").values():
        if part.is_folder:
            try:
                found += [Path(folder) for folder in getattr(part.load(), "__path__", ())]
            except InputError as error:
                _said.once(_log, logging.WARNING, str(error))  # each model that is looked for comes by here
    return found


def added_names() -> list[str]:
    """Every model that other packages add."""
    return [*_names(added_folders()), *(part.name for part in _alone())]


def new_model(name: str) -> Path:
    """Where a new network called `name` goes, in the user's folder.

    Raises:
        InputError: it could not be found by that name afterwards.
        OutputError: the user has no such folder.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot be a model's name", "letters, digits, dot, dash and underscore; --name NAME")
    if (SHIPPED / f"{name}.onnx").exists() or name in (*IN_PACKAGES, CHOICE):
        raise InputError(f"'{name}' is the name of a model of streamseg's own", "--name NAME")
    return needed(models_folder(), "STREAMSEG_MODELS") / f"{name}.onnx"


def load_spec(file: Path) -> ModelSpec:
    """The spec beside the model `file`, else the one inside it.

    Raises:
        InputError: there is none, or it is wrong.
    """
    return spec_beside(file) or spec_inside(file, inspect_onnx(file).metadata)


def network_names() -> list[str]:
    """Every network that can be named, shipped ones first."""
    return _names(_folders())


def list_networks() -> Iterator[Listed]:
    """Every network that can be named; one that cannot be read is logged and left out."""
    for name in network_names():
        file = find_model(name)
        if file is not None:
            yield from _listed(name, file)


def list_added() -> Iterator[Listed]:
    """Those of other packages; what makes its model itself is not opened for a list."""
    for folder in added_folders():
        for name in _names([folder]):
            yield from _listed(name, folder / f"{name}.onnx")
    for part in _alone():
        try:
            added = part.load()
        except InputError as error:
            _log.warning("%s", error)
            continue
        if isinstance(added, str | os.PathLike):
            yield from _listed(part.name, Path(added))
        else:
            classes = getattr(getattr(added, "classes", None), "names", ())
            yield Listed(part.name, "package", classes, 0, "", "", f"of {part.package}")


def _listed(name: str, file: Path) -> Iterator[Listed]:
    try:
        spec = load_spec(file)
        size = file.stat().st_size
    except (InputError, OSError) as error:
        _log.warning("%s", error)
    else:
        yield Listed(name, "network", spec.classes, size, spec.licence, spec.score, spec.summary)


def _folders() -> list[Path]:
    own = models_folder()
    return [SHIPPED, own] if own else [SHIPPED]


def _alone() -> list[entrypoints.Part]:
    """Models that other packages add one by one."""
    return [part for part in entrypoints.parts("models").values() if not part.is_folder]


def _names(folders: list[Path]) -> list[str]:
    return list(dict.fromkeys(name for folder in folders for name in _names_in(folder)))


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(file.stem for file in folder.glob("*.onnx") if _NAME.fullmatch(file.stem) and _is_file(file))
    except OSError:  # not this user's to look into
        return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that is not this user's
        return False

"""Models by name: those that ship with streamseg, then the user's own folder."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamseg.errors import InputError
from streamseg.infer.onnxfile import inspect_onnx
from streamseg.infer.spec import ModelSpec, spec_beside, spec_inside

_log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "models"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a person wants to know of a model before naming it."""

    name: str
    kind: Literal["network", "classical"]
    classes: tuple[str, ...]
    size_bytes: int
    licence: str
    score: str
    summary: str


def user_folder() -> Path:
    """Where imported models are kept: `$STREAMSEG_MODELS`, or `streamseg/models` in the user's data folder."""
    own = os.environ.get("STREAMSEG_MODELS")
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(own) if own else Path(data) / "streamseg" / "models"


def find_model(name: str) -> Path | None:
    """The file of the network called `name`, or None; the shipped one where both have it."""
    if not _NAME.fullmatch(name):
        return None
    files = (folder / f"{name}.onnx" for folder in (SHIPPED, user_folder()))
    return next((file for file in files if file.is_file()), None)


def new_model(name: str) -> Path:
    """Where a new network called `name` goes, in the user's folder.

    Raises:
        InputError: it could not be found by that name afterwards.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot be a model's name", "letters, digits, dot, dash and underscore; --name NAME")
    if (SHIPPED / f"{name}.onnx").exists():
        raise InputError(f"'{name}' is the name of a model that ships with streamseg", "--name NAME")
    return user_folder() / f"{name}.onnx"


def load_spec(file: Path) -> ModelSpec:
    """The spec beside the model `file`, else the one inside it.

    Raises:
        InputError: there is none, or it is wrong.
    """
    return spec_beside(file) or spec_inside(file, inspect_onnx(file).metadata)


def network_names() -> list[str]:
    """Every network that can be named, shipped ones first."""
    names = [
        name for folder in (SHIPPED, user_folder()) for name in sorted(file.stem for file in folder.glob("*.onnx"))
    ]
    return list(dict.fromkeys(names))


def list_models() -> list[Listed]:
    """Everything that `--model` takes by name; a model that cannot be read is logged and left out."""
    return [*_networks(), *_methods()]


def _networks() -> Iterator[Listed]:
    for name in network_names():
        file = find_model(name)
        if file is None:
            continue
        try:
            spec = load_spec(file)
        except InputError as error:
            _log.warning("%s", error)
            continue
        size = file.stat().st_size
        yield Listed(name, "network", spec.classes, size, spec.licence, spec.score, spec.summary)


def _methods() -> Iterator[Listed]:
    from streamseg.infer import classical

    for name, method in classical.METHODS.items():
        names = classical.load(name, {}).classes.names
        yield Listed(name, "classical", names, 0, "Apache-2.0", "", method.summary)

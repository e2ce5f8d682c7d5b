"""What `streamseg tune` found quickest, kept in the user's cache folder; it holds for this model on this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from streamseg.errors import InputError
from streamseg.folders import needed, tuned_folder
from streamseg.infer.backends import BACKENDS, ON_REQUEST, openers
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.kept import Key, keep, short, untrusted
from streamseg.infer.model.onnxfile import model_sha256
from streamseg.machine import machine_key

_log = logging.getLogger(__name__)
_SCHEMA = 1
Goal = Literal["live", "file"]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to run a model."""

    backend: str
    """A name out of `BACKENDS` or `ON_REQUEST`."""
    workers: int
    threads: int
    """Of each worker."""
    file: str = ""
    """Another file with the same network in 8 bits, where that was quicker."""
    file_sha256: str = ""
    agreement: float
    """Share of the pixels, 0..1, that get the label that ONNX Runtime gives in fp32."""
    rate: float
    """Frames a second, network and drawing alone."""


class _Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    key: dict[str, str]
    choices: dict[Goal, Choice]


def remembered(file: Path) -> Mapping[Goal, Choice]:
    """What was found for `file` on this machine, by what it is wanted for; empty where nothing that is still true."""
    key, folder = _key(file), tuned_folder()
    if folder is None:
        return {}
    path = folder / _name(file, key)
    try:
        path.lstat()
    except OSError:  # nothing is there, or nothing that this user may see
        return {}
    reason = untrusted(path.parent) or untrusted(path)
    try:
        card = _Card(0, {}, {}) if reason else msgspec.json.decode(path.read_bytes(), type=_Card)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        card, reason = _Card(0, {}, {}), f"cannot be read: {' '.join(str(error).split())}"
    if card.schema != _SCHEMA or card.key != key:
        _log.debug("%s: not used: %s", path, reason or "written for something else")
        return {}
    found = {goal: choice for goal, choice in card.choices.items() if _holds(choice)}
    for goal, choice in found.items():
        _log.debug("%s: tuned for %s: %s", file.name, goal, in_words(choice))
    return found


def remember(file: Path, choices: Mapping[Goal, Choice]) -> Path:
    """Adds `choices` to what is remembered of `file` and gives the file that holds it: written whole or not at all.

    Raises:
        OutputError: the cache folder cannot be written.
    """
    key = _key(file)
    path = needed(tuned_folder(), "XDG_CACHE_HOME") / _name(file, key)
    card = _Card(_SCHEMA, key, {**remembered(file), **choices})
    keep(path, msgspec.json.format(msgspec.json.encode(card)))
    return path


def tuned_openers(
    file: Path, threads: int, choice: Choice, stopped: Stopped = lambda: False, gpu: int = 0
) -> dict[str, Callable[[], Backend]]:
    """What was chosen first, and what there is for `file` else."""
    chosen = openers(Path(choice.file or file), threads, choice.backend, stopped, gpu)
    others = openers(file, threads, None, stopped, gpu)
    return chosen | {name: opener for name, opener in others.items() if name not in chosen}


def in_words(choice: Choice) -> str:
    """For people."""
    of = f" of {Path(choice.file).name}" if choice.file else ""
    return f"{choice.backend}{of}, {choice.workers} x {choice.threads} threads"


def _holds(choice: Choice) -> bool:
    """Whether the backend is still known and the other file still the same."""
    if choice.backend not in BACKENDS | ON_REQUEST or choice.workers < 1 or choice.threads < 1:
        return False
    try:
        return not choice.file or model_sha256(Path(choice.file)) == choice.file_sha256
    except (OSError, InputError):
        return False


def _key(file: Path) -> dict[str, str]:
    try:
        return {"model": model_sha256(file)} | machine_key()
    except (OSError, InputError):
        return {"model": ""}  # the reader of the file says what is wrong with it


def _name(file: Path, key: Key) -> str:
    return f"{file.stem}-{short(key)}.json"

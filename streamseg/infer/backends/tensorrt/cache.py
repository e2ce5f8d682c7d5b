"""Engines on disk. An engine is a program: only one that this user built, unchanged, is ever loaded.

NVIDIA's own advice: a serialised engine of another maker is code of another maker.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from streamseg.errors import OutputError
from streamseg.infer.backends.kept import Key, keep, make_private, short, untrusted

_SCHEMA = 1
_MOST_BYTES = 4 << 30
_LOOK_UP_S = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """A plan out of the cache, or why there is none."""

    plan: bytes | None
    reason: str = ""


class _Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies beside a plan."""

    schema: int
    key: dict[str, str]
    sha256: str


def plan_path(folder: Path, name: str, key: Key) -> Path:
    """Where the plan of the model called `name` lies."""
    return folder / f"{name}-{short(key)}.plan"


def find_plan(path: Path, key: Key) -> Found:
    """The plan at `path`, if it is ours, whole and for `key`; nothing of it is loaded before that is known."""
    if not path.exists():
        return Found(None, _relative(path, key))
    for file in (path.parent, path, path.with_suffix(".json")):
        if reason := untrusted(file):
            return Found(None, reason)
    try:
        card = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Card)
        plan = path.read_bytes()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        return Found(None, f"{path.name}: cannot be read: {' '.join(str(error).split())}")
    if card.schema != _SCHEMA or card.key != dict(key):
        return Found(None, f"{path.name}: was built for something else")
    if hashlib.sha256(plan).hexdigest() != card.sha256:
        return Found(None, f"{path.name}: is not what was built: its checksum differs")
    with contextlib.suppress(OSError):  # on a disk that is read alone nothing has to go
        os.utime(path)  # the oldest by use are the first to go
    return Found(plan)


def keep_plan(path: Path, key: Key, plan: bytes, most_bytes: int = _MOST_BYTES) -> None:
    """Writes plan and card, each whole or not at all; the longest unused go where all together exceed `most_bytes`.

    Raises:
        OutputError: the folder cannot be written.
    """
    card = _Card(_SCHEMA, dict(key), hashlib.sha256(plan).hexdigest())
    keep(path.with_suffix(".json"), msgspec.json.encode(card))
    keep(path, plan)
    with contextlib.suppress(OSError):  # another process may do the same
        _make_room(path, most_bytes)


def cached(
    path: Path,
    key: Key,
    build: Callable[[str], bytes],
    refused: bytes | None = None,
    waits: Callable[[], object] = lambda: None,
) -> bytes:
    """The plan at `path`, or that which `build` makes; it is told why there is none. One builder at a time.

    A plan that was `refused`, because it did not load, is replaced when there is another, and not before. `waits` is
    called again and again while another process builds, and may raise.

    Raises:
        OutputError: the folder cannot be written.
    """
    found = _unless(refused, find_plan(path, key))
    if found.plan is not None:
        return found.plan
    with locked(path, waits):
        found = _unless(refused, find_plan(path, key))
        if found.plan is not None:  # another process built it while this one waited
            return found.plan
        plan = build(found.reason)
        keep_plan(path, key, plan)
        return plan


def _unless(refused: bytes | None, found: Found) -> Found:
    return Found(None, "the one there is does not load") if refused and found.plan == refused else found


@contextlib.contextmanager
def locked(path: Path, waits: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Holds the lock of one plan; the system lets go of it when the process dies.

    `waits` is called again and again until it is had.
    """
    with contextlib.ExitStack() as opened:
        try:
            make_private(path.parent)
            file = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            opened.callback(os.close, file)
            while not _taken(file):
                waits()
                time.sleep(_LOOK_UP_S)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}") from None
        yield


def _taken(file: int) -> bool:
    """Whether the lock was free; nobody is waited for, as nothing but a signal could end that."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _relative(path: Path, key: Key) -> str:
    """What differs from an engine of the same model that is there, if one is."""
    name = path.stem.rpartition("-")[0]
    for card_path in sorted(path.parent.glob(f"{name}-*.json")):
        with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
            card = msgspec.json.decode(card_path.read_bytes(), type=_Card)
            changed = [field for field in key if card.key.get(field) != key[field]]
            if changed:
                return f"the one there is for another {changed[0]}"
    return "there was none"


def _make_room(newest: Path, most_bytes: int) -> None:
    plans = sorted(newest.parent.glob("*.plan"), key=lambda plan: plan.lstat().st_mtime, reverse=True)
    total = 0
    for plan in plans:
        compiled = list(plan.parent.glob(f"{glob.escape(plan.stem)}.*.compiled"))
        total += sum(file.lstat().st_size for file in (plan, *compiled))
        if total > most_bytes and plan != newest:
            for file in (plan, plan.with_suffix(".json"), plan.with_suffix(".lock"), *compiled):
                file.unlink(missing_ok=True)

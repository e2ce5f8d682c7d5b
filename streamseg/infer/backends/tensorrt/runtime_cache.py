"""What TensorRT-RTX compiles when an engine is loaded, kept beside the engine for the next time.

It is code as an engine is, so the same is asked of it: this user's own, open to nobody else's writing, and unchanged.
Whatever fails here costs the time to compile, and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import msgspec

from streamseg.infer.backends.kept import Key, keep, untrusted

_log = logging.getLogger(__name__)


class _Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of the file; the rest is TensorRT-RTX's."""

    key: dict[str, str]
    sha256: str


class RuntimeCache:
    """That of one engine on one GPU, for all its execution contexts; used by one thread at a time."""

    def __init__(self, engine: Any, plan: Path, key: Key) -> None:
        """What lies beside `plan`, where it is of this `key`: `gpu`, and whatever else makes it useless elsewhere."""
        self._file, self._key = _file(plan, key), key
        self._size_bytes = 0
        try:
            self._cache: Any = self._opened(engine)
        except Exception as error:
            self._cache = None
            self._say(error)

    def use(self, config: Any) -> None:
        """For the execution context that is made with `config`."""
        if self._cache is not None:
            config.set_runtime_cache(self._cache)

    def keep(self) -> None:
        """Writes it down where it has grown."""
        try:
            if self._cache is not None:
                self._write(bytes(self._cache.serialize()))
        except Exception as error:
            self._say(error)

    def _opened(self, engine: Any) -> Any:
        cache = engine.create_runtime_config().create_runtime_cache()
        kept = _read(self._file, self._key)
        if kept is not None and not cache.deserialize(kept):
            _log.debug("%s: is of another driver or GPU", self._file.name)
        self._size_bytes = len(bytes(cache.serialize()))
        return cache

    def _write(self, held: bytes) -> None:
        if len(held) > self._size_bytes:
            card = msgspec.json.encode(_Card(dict(self._key), hashlib.sha256(held).hexdigest()))
            keep(self._file, card + b"\n" + held)
            self._size_bytes = len(held)

    def _say(self, error: Exception) -> None:
        """As text: the error itself holds the engine, for as long as a handler keeps what was logged."""
        _log.debug("%s: %s", self._file.name, f"{type(error).__name__}: {error}")


def _file(plan: Path, key: Key) -> Path:
    """An engine for an architecture runs on several kinds of GPU, each of which has its own."""
    short = hashlib.sha256(key["gpu"].encode()).hexdigest()[:16]
    return plan.with_suffix(f".{short}.compiled")


def _read(file: Path, key: Key) -> bytes | None:
    """The bytes in `file`, if they are ours, whole and for `key`."""
    if not file.exists():
        return None
    if reason := untrusted(file.parent) or untrusted(file):
        _log.info("%s; it is compiled again", reason)
        return None
    try:
        line, _, kept = file.read_bytes().partition(b"\n")
        card = msgspec.json.decode(line, type=_Card)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        _log.info("%s: cannot be read: %s; it is compiled again", file.name, " ".join(str(error).split()))
        return None
    if card.sha256 != hashlib.sha256(kept).hexdigest():
        _log.info("%s: is not what was written: its checksum differs; it is compiled again", file.name)
        return None
    return kept if card.key == dict(key) else None

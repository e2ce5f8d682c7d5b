"""The service's own file, as it was read last: replaced whole, with what it held before kept beside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

from streamseg.errors import InputError, OutputError
from streamseg.files import whole
from streamseg.yamlfile import read_raw

_MOST_VERSIONS = 50
_VERSION = re.compile(r"[0-9]{6,}-[0-9a-f]{16}\.yaml")  # anything else in their folder is the user's


class ConflictError(InputError):
    """A change that does not go with what is there: it is told, and nothing is overwritten."""


class SiteFile:
    """The file `path`; `read` notes what it holds, and it is replaced only as long as it still holds that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._versions = path.with_name(f"{path.name}.versions")
        self._noted = b""

    def read(self) -> bytes:
        """What it holds."""
        return read_raw(self.path)

    def note(self, raw: bytes) -> None:
        """Says that the service runs what `raw` says."""
        self._noted = raw

    def unchanged(self) -> bytes:
        """What it holds.

        Raises:
            ConflictError: it was edited since the service read it.
        """
        if (raw := self.read()) != self._noted:
            raise ConflictError(f"{self.path.name} was edited and not read since", "streamseg ctl reload")
        return raw

    def replace(self, old: bytes, new: bytes) -> None:
        """Writes `new`, with owner and mode as they are, and keeps `old` among the versions.

        Raises:
            ConflictError: it does not hold `old` any more.
            OutputError: it cannot be written; then nothing has changed.
        """
        kept = self._versions / f"{self._number():06}-{_digest(new)}.yaml"
        self._write(kept, old, onto=None)
        try:
            self._write(self.path.resolve(), new, onto=old)
        except BaseException:
            kept.unlink(missing_ok=True)
            raise
        for spent in self._kept()[:-_MOST_VERSIONS]:
            spent.unlink(missing_ok=True)

    def before(self) -> tuple[bytes, Path]:
        """What it held before the newest change that led to what it holds now, and where that is kept.

        Raises:
            ConflictError: no change over HTTP led to what it holds.
        """
        now = _digest(self.unchanged())
        for kept in reversed(self._kept()):
            if kept.stem.endswith(now):
                return read_raw(kept), kept
        raise ConflictError(f"nothing to undo: {self.path.name} is not what a change over HTTP made of it")

    def put_back(self, raw: bytes, kept: Path) -> None:
        """Writes `raw`, which `before` gave with `kept`; that and every later version are gone.

        Raises:
            ConflictError: it was edited meanwhile.
            OutputError: it cannot be written; then nothing has changed.
        """
        self._write(self.path.resolve(), raw, onto=self._noted)
        for spent in self._kept():
            if spent.name >= kept.name:
                spent.unlink(missing_ok=True)

    def _kept(self) -> list[Path]:
        return sorted(each for each in self._versions.glob("*.yaml") if _VERSION.fullmatch(each.name))

    def _number(self) -> int:
        kept = self._kept()
        return int(kept[-1].name.partition("-")[0]) + 1 if kept else 1

    def _write(self, path: Path, raw: bytes, *, onto: bytes | None) -> None:
        """Writes a whole file with the mode and owner of the service's own; it must hold `onto` until the last."""
        # Who owns the folder could put another file in its place all the same; its mode says that this is not wanted.
        if not os.access(self.path, os.W_OK, effective_ids=True):
            raise OutputError(f"{self.path}: not writable", "the service writes the file and its folder")
        try:
            if onto is None:
                self._versions.mkdir(mode=0o700, exist_ok=True)
            with whole(path, overwrite=True, private=True) as part:
                part.write_bytes(raw)
                shutil.copymode(self.path, part)
                status = self.path.stat()
                with contextlib.suppress(OSError):  # a file of another user, in a folder of this one
                    os.chown(part, status.st_uid, status.st_gid)
                if onto is not None and self.read() != onto:
                    raise ConflictError(f"{self.path.name} was edited meanwhile", "streamseg ctl reload")
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from None


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]

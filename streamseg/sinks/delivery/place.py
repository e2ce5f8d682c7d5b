"""Where the messages of a stream for one receiver are kept: a file of their own, found again by the next run."""

from __future__ import annotations

import hashlib
import logging
import re
import sqlite3
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.files import make_folder, numbered
from streamseg.folders import messages_folder
from streamseg.sinks.delivery.journal import ForeignError, InUseError, Journal

_log = logging.getLogger(__name__)
_MOST_NAMES = 100


def open_journal(name: str, receiver: str, stream: str, asked: str | None) -> Journal | None:
    """The file `asked`, or that of `stream` for `receiver` in the user's own folder.

    None where nothing can be kept there, a read-only disk say; then a line says so.

    Args:
        name: of the output, for people.
        receiver: its address, without user and password; what is secret in its path is in no name of a file.

    Raises:
        OutputError: the file `asked` is something else, or another run has it.
    """
    try:
        return _asked(Path(asked)) if asked else _own(name, receiver, stream)
    except (sqlite3.Error, OSError, OutputError) as error:
        if asked and isinstance(error, OutputError):
            raise
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        _log.warning("%s: messages wait in memory alone, and are lost with the run: %s", name, reason)
        return None


def _asked(path: Path) -> Journal:
    try:
        return _whole(path)
    except ForeignError:
        raise OutputError(f"{path}: exists, and holds no messages", "?queue=FILE names another") from None
    except InUseError:
        raise OutputError(f"{path}: another run has it", "?queue=FILE names another") from None


def _own(name: str, receiver: str, stream: str) -> Journal | None:
    folder = messages_folder()
    if folder is None:
        raise OSError("this user has no home folder; ?queue=FILE or STREAMSEG_STATE names a place")
    make_folder(folder)
    digest = hashlib.sha256(f"{receiver}\n{stream}".encode(errors="surrogateescape")).hexdigest()[:12]
    stem = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")[:60]
    for number, path in enumerate(numbered(folder / f"{stem}-{digest}.queue")):
        try:
            return _whole(path)
        except (InUseError, ForeignError):  # another run sends to the same receiver
            if number > _MOST_NAMES:
                raise OSError(f"{path}: taken") from None
    raise AssertionError("there is always another name")


def _whole(path: Path) -> Journal:
    """The file; a damaged one is kept under another name, and begun again."""
    try:
        return Journal(path)
    except sqlite3.DatabaseError as error:
        if "malformed" not in str(error):
            raise
        kept = next(each for each in numbered(path.with_name(f"{path.name}.damaged")) if not each.exists())
        path.rename(kept)
        for behind in ("-wal", "-shm"):
            path.with_name(path.name + behind).unlink(missing_ok=True)
        _log.warning("%s: damaged, and kept as %s", path, kept.name)
        return Journal(path)

"""What one run keeps for the next, in folders of this user alone; what another may have changed is not taken back."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from streamseg.files import whole, writing

Key = Mapping[str, str]
"""Everything that makes what is kept of no use elsewhere, by the names that messages use."""


def short(key: Key) -> str:
    """For the name of a file: other keys have other files."""
    return hashlib.sha256(msgspec.json.encode(dict(sorted(key.items())))).hexdigest()[:16]


def keep(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, for this user alone, all of it or nothing.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(path):
        make_private(path.parent)
    with whole(path, overwrite=True, private=True) as part:
        part.write_bytes(data)


def make_private(folder: Path) -> None:
    """Makes the folder for this user alone; raises OSError where that cannot be had."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid == os.getuid() and stat.S_IMODE(folder.stat().st_mode) & 0o022:
        folder.chmod(0o700)


def untrusted(file: Path) -> str:
    """Why `file` may have been put there or changed by another user; empty where it cannot."""
    try:
        status = file.lstat()
    except OSError as error:
        return f"{file.name}: {error.strerror}"
    if stat.S_ISLNK(status.st_mode):
        return f"{file.name}: is a link"
    if status.st_uid != os.getuid():
        return f"{file.name}: belongs to another user"
    if stat.S_IMODE(status.st_mode) & 0o022:
        return f"{file.name}: others may write to it"
    return ""

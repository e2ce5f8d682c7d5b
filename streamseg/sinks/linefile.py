"""A file of lines: under a `.part` name until all are there, and never with half a line in it."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from streamseg.files import Folder
from streamseg.sinks.part import give_name, in_use, locked, part_of, recovered_name, taken

_log = logging.getLogger(__name__)
_BLOCK = 1 << 16


class LineFile:
    """Begun by its first line; a line that cannot be written whole is taken back.

    Lines may belong under a head, such as the names of columns: where it becomes another one, the file is finished and
    a further one begun.
    """

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        """Raises OutputError where nothing can be written.

        Args:
            replace: at the end it takes the place of a file that has its name, instead of a name beside it.
        """
        self._path, self._part, self._replace = path, part_of(path), replace
        self._folder = Folder(path.parent)
        self._file: FileIO | None = None
        self._head: bytes | None = None  # what stands first in the file; None: nothing yet
        self._failed = False

    def write(self, line: bytes, head: bytes = b"") -> None:
        """Adds a line, or several, to a file that begins with `head`.

        OSError or OutputError where it cannot be written, or the file is no longer where it was.
        """
        if self._head not in (None, head):
            self.close()
        self._failed = True
        if self._file is None:
            self._folder.make()
            self._recover()
            self._file = _begin(self._part)
        if os.fstat(self._file.fileno()).st_nlink == 0:
            self._file.close()
            self._file = self._head = None
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        before = self._file.tell()
        try:
            write_all(self._file, head + line if self._head is None else line)
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(before)
                self._file.seek(before)
            raise
        self._head, self._failed = head, False

    def close(self) -> None:
        """Makes sure all of it is on the disk, and gives the file its name; after an error it stays a part."""
        file, self._file, self._head = self._file, None, None
        if file is None:
            return
        with file:  # and with it the lock
            if self._failed:
                _log.info("%s holds what was written until now", self._part)
                return
            os.fsync(file.fileno())
            self._finish(self._part)
            self._replace = False  # by a further file

    def _finish(self, whole: Path) -> None:
        """Gives the file `whole` its name."""
        give_name(whole, self._path, replace=self._replace)

    def _recover(self) -> None:
        """Looks after what a killed run left."""
        keep(self._part)


class Device:
    """A pipe, a terminal or the like, which has its name already and keeps nothing.

    OSError where it cannot be opened; waits for a reader.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def write(self, line: bytes) -> None:
        """Adds a line; OSError where it cannot be written."""
        write_all(self._file, line)

    def close(self) -> None:
        """Lets go of it."""
        self._file.close()


def is_device(path: Path) -> bool:
    """Whether something is there that is no file to be replaced: a pipe, a terminal, /dev/full."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_all(file: FileIO, line: bytes) -> None:
    """Adds all of `line`, however little the system takes at once; OSError where it cannot."""
    rest = memoryview(line)
    while rest:
        rest = rest[file.write(rest) :]


def _begin(part: Path) -> FileIO:
    file = part.open("xb", buffering=0)
    locked(file)
    return file


def keep(part: Path) -> None:
    """What a killed run left gets a name of its own, without the line that it was writing; nothing is left of none.

    OSError where it cannot have one, or a run that is alive writes it.
    """
    if trimmed(part):
        kept = recovered_name(part)
        part.rename(kept)
        _log.warning("%s was cut short: kept as %s", part.name, kept.name)


def trimmed(part: Path) -> bool:
    """Takes the line that was being written out of what a killed run left; whether there is anything left.

    OSError where that cannot be done, or a run that is alive writes it.
    """
    if in_use(part):
        raise taken()
    if not part.exists():
        return False
    with part.open("rb+") as file:
        file.truncate(_end_of_lines(file))
    if not part.stat().st_size:
        part.unlink()
        return False
    return True


def _end_of_lines(file: BinaryIO) -> int:
    """Where the last whole line ends, in bytes; found from the end, for the file may be large."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

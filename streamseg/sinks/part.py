"""Files under a `.part` name until they are whole: locked against other runs meanwhile, and named at the end."""

from __future__ import annotations

import errno
import fcntl
import logging
from pathlib import Path
from typing import IO

from streamseg.files import free_behind, name_new

_log = logging.getLogger(__name__)


def part_of(path: Path) -> Path:
    """The name that the file at `path` has while it is written."""
    return path.with_name(path.name + ".part")


def locked(file: IO[bytes] | int) -> bool:
    """Locks an open file, or a descriptor, until it is closed; False where another process has it.

    Some network disks have no locks: True there as well.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def in_use(part: Path) -> bool:
    """Whether it is there, and a process that is alive holds its lock."""
    if not part.exists():
        return False
    with part.open("rb") as file:
        return not locked(file)


def taken() -> BlockingIOError:
    """For a part that another run writes."""
    return BlockingIOError(errno.EBUSY, "another run is writing it")


def give_name(part: Path, path: Path, *, replace: bool) -> Path:
    """Names what is whole `path`, or where it may not `replace` what is there a name beside it; gives the name."""
    if replace:
        return part.replace(path)
    name = name_new(part, path)
    if name != path:
        _log.info("%s exists: written as %s", path, name)
    return name


def recovered_name(part: Path) -> Path:
    """The first free of `NAME-recovered-1`, `NAME-recovered-2` and so on for what is in `part`."""
    path = part.with_suffix("")
    return free_behind(path.with_suffix(""), "-recovered-", path.suffix)


def reason(error: Exception) -> str:
    """What the system says, without the name of the file."""
    return getattr(error, "strerror", None) or str(error)

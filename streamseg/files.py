"""Files that appear whole, under names that no other file has, in folders that are made where they are missing."""

from __future__ import annotations

import contextlib
import difflib
import errno
import itertools
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from streamseg.errors import InputError, OutputError

_log = logging.getLogger(__name__)
_HINT = "--overwrite replaces it"
_numbers = itertools.count()
_LONGEST_NAME = 255  # bytes
_MOST_BYTES = 200  # of them, with room for what stands around it


def missing(name: object, hint: str = "") -> InputError:
    """For a file that is to be read and is not there; the hint is a name beside it that is nearly the same."""
    path = Path(str(name))
    if path.is_dir():
        return InputError(f"{name}: a folder, not a file", hint)
    with contextlib.suppress(OSError):
        near = difflib.get_close_matches(
            path.name, [each.name for each in path.parent.iterdir() if each.exists()], n=1, cutoff=0.75
        )
        hint = f"did you mean {path.parent / near[0]}?" if near else hint
    return InputError(f"{name}: no such file", hint)


def text_lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8, without the mark that some editors put in front.

    Raises:
        InputError: it cannot be read, or is not in UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:  # UTF-16 without a mark in front is UTF-8, too, with every second letter a NUL
            raise UnicodeError
        return text.splitlines()
    except UnicodeError:
        raise InputError(f"{path}: not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def as_argument(name: object) -> str:
    """How a shell is given `name`: quoted, and not to be taken for a flag."""
    word = str(name)
    return shlex.quote(f"./{word}" if word.startswith("-") else word)


class Folder:
    """A folder that files will go into; made with those above it, which is said, when the first of them is there.

    Only once: one that is taken away later, as a disk that is unplugged, is waited for.
    """

    def __init__(self, path: Path) -> None:
        """Raises OutputError where it can be told that nothing can be written there."""
        self.path = path
        self._there = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where nobody may look
        self.above = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
        """Itself, or the nearest above it that is there."""
        if not self.above.is_dir():
            raise OutputError(f"{path}: cannot be made: {self.above} is no folder")
        if not os.access(self.above, os.W_OK):
            raise OutputError(f"{self.above}: not writable")

    def make(self) -> None:
        """Raises OutputError where it cannot be made."""
        if not self._there and not self.path.is_dir():  # another output may have made it
            make_folder(self.path)
            _log.info("%s: folder made", self.path)
        self._there = True


def make_folder(path: Path) -> None:
    """Makes the folder `path` and those above it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: the folder cannot be made: {error.strerror}") from None


def same_file(path: Path, other: Path) -> bool:
    """Whether both are there and one; False where that cannot be seen."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def refuse_existing(path: Path, *, overwrite: bool, read: Iterable[Path] = ()) -> None:
    """For a file that is to be written, before any time is spent.

    Raises:
        InputError: it is one of the files that are `read`, or of the folders, even where it may be overwritten.
        OutputError: something has the name `path`, a folder even where it may be overwritten.
    """
    with contextlib.suppress(PermissionError):  # in a folder of another user: writing there tells
        if path.is_file() and any(_is_part(path, each) for each in read):
            raise InputError(f"{path}: would write over what is read", "name another file")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder")
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{path}: exists", _HINT)


def _is_part(path: Path, other: Path) -> bool:
    return same_file(path, other) or any(same_file(each, other) for each in path.resolve().parents)


def natural(path: PurePath) -> tuple[list[tuple[int, int, str]], str]:
    """To sort files as people count: 2 before 10, and NAME before NAME-2, which was written after it."""
    parts = re.split(r"(\d+)", str(path.with_suffix("")))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.lower()) for part in parts], path.suffix.lower()


def free_name(path: Path) -> Path:
    """`path`, or where it is taken the first free of `NAME-2`, `NAME-3` and so on."""
    return next(each for each in numbered(path) if not os.path.lexists(each))


def numbered(path: Path) -> Iterator[Path]:
    """`path`, then `NAME-2`, `NAME-3` and so on."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def free_behind(path: Path, behind: str, ends: str = "") -> Path:
    """`path`, cut where that is too long, with `behind`, the first number from 1 that no file has, and `ends`."""
    name = path.name
    for end in (f"{behind}{number}{ends}" for number in itertools.count(1)):
        while len(os.fsencode(name + end)) > _LONGEST_NAME:
            name = name[:-1]
        if not os.path.lexists(free := path.with_name(name + end)):
            break
    return free


@contextlib.contextmanager
def writing(name: object) -> Iterator[None]:
    """What the system refuses in the block becomes an OutputError about `name`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror or error}") from None


@contextlib.contextmanager
def whole(path: Path, *, overwrite: bool, private: bool = False) -> Iterator[Path]:
    """Gives an empty file to write to, and that file its name `path` at the end of the block.

    After an error nothing is left of it. What is there is on the disk itself, whatever happens to the power.

    Args:
        private: only this user may read it.

    Raises:
        OutputError: `path` exists, told before the block begins; or it cannot be written.
    """
    refuse_existing(path, overwrite=overwrite)
    make_folder(path.parent)
    part = temporary_name(path)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666))
        try:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            if overwrite:
                part.replace(path)
            else:
                _link(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise OutputError(f"{path}: exists", _HINT) from None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from None


def write_whole(path: Path, data: bytes, *, replace: bool = True) -> Path:
    """Writes `data` so that `path` is never half there; gives its name, another where it may not `replace` a file.

    Quick, for many files a second: what a power cut leaves of it is the disk's affair.

    Raises:
        OutputError: it cannot be written.
    """
    part = temporary_name(path)
    try:
        with part.open("xb") as file:
            file.write(data)
        if not replace:
            return name_new(part, path)
        os.replace(part, path)  # noqa: PTH105 - the same call, without building a third path for every frame
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}") from None
    return path


def name_new(part: Path, path: Path) -> Path:
    """Gives the file `part` the name `path`, or where that is taken `NAME-2` and so on.

    Raises:
        OSError: it cannot be had.
    """
    while True:
        name = free_name(path)
        try:
            _link(part, name)
        except FileExistsError:  # another process was quicker
            continue
        return name


def _link(part: Path, path: Path) -> None:
    """Renames `part`; FileExistsError where `path` exists, which a plain renaming would replace."""
    try:
        os.link(part, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        path.open("xb").close()  # a disk without hard links: the name is taken first, then filled
        part.replace(path)
    else:
        part.unlink()


def temporary_name(path: Path) -> Path:
    """A name beside `path` that nobody else writes under, and that fits wherever `path` does."""
    begins = os.fsencode(path.name)[:_MOST_BYTES].decode(sys.getfilesystemencoding(), errors="ignore")
    return path.with_name(f".{begins}.{os.getpid()}-{next(_numbers)}.part")

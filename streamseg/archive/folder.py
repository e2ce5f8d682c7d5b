"""The folder of an archive's results: what is finished, and what is under way.

    FOLDER/day 2/a.jsonl           results, named as they were asked for
    FOLDER/summary.csv             a row a film
    FOLDER/minutes.csv             a row a minute of each
    FOLDER/.batch/options.json     what was asked for
    FOLDER/.batch/rows/day 2/a.json  a film that is done, or failed
    FOLDER/.batch/files/day 2/a.json  names of its results
    FOLDER/.batch/part/            results of films under way
    FOLDER/.batch/pieces/          what networks found in pieces of films that are not done

A film's results are written below `part`, moved to their places once all are complete, and then its row is written:
what has no row is done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from streamseg.archive.row import Row
from streamseg.archive.task import Job
from streamseg.errors import InputError, OutputError
from streamseg.files import make_folder, write_whole

_numbers = itertools.count()
_DAMAGED = (OSError, UnicodeDecodeError, msgspec.MsgspecError)  # what reading JSON raises that a disk spoiled
_MOST_BYTES = 240  # of 255


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """A folder on a disk, one that is shared by several machines too."""

    path: Path

    def check(self) -> None:
        """Raises OutputError where there are files in it that no batch made."""
        if self.path.is_dir() and not self._own.is_dir() and any(self.path.iterdir()):
            raise OutputError(f"{self.path}: holds files, and no batch made them", "name a new folder")

    @contextlib.contextmanager
    def held(self, asked: Mapping[str, object]) -> Iterator[None]:
        """Nobody else runs a batch into it until the end of the block; what was cut off earlier is removed.

        Raises:
            InputError: what is there was made of other options than `asked`.
            OutputError: another batch runs, it cannot be written, or it holds files that no batch made.
        """
        self.check()
        make_folder(self._own)
        with contextlib.ExitStack() as held:
            try:
                lock = held.enter_context((self._own / "lock").open("ab"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"{self.path}: another batch is writing into it") from None
            except OSError as error:  # another user's folder, or a disk without locks, as Lustre may be
                raise OutputError(f"{self._own / 'lock'}: cannot be held: {error.strerror}") from None
            self._compare(asked)
            shutil.rmtree(self._own / "part", ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._own / "part", ignore_errors=True)  # of machines that died meanwhile

    def rows(self) -> dict[str, Row]:
        """What is known of films, by the name of their results; a row that cannot be read is none."""
        found = {}
        for path in sorted((self._own / "rows").rglob("*.json")):
            with contextlib.suppress(*_DAMAGED):
                row = msgspec.json.decode(path.read_bytes(), type=Row)
                found[row.results] = row
        return found

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """An empty folder for the results of one film; gone at the end of the block."""
        path = self._own / "part" / f"{os.uname().nodename}-{os.getpid()}-{next(_numbers)}"
        make_folder(path)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def keep(self, stage: Path, row: Row) -> None:
        """Moves what is in `stage` to its places, over what an earlier try left there, and writes the row.

        What the same film had before it was changed, and has no more, is removed: pictures behind its end say.

        Raises:
            OutputError: it cannot be written.
        """
        now = [path.relative_to(stage).as_posix() for path in sorted(stage.rglob("*")) if path.is_file()]
        gone = sorted(set(self._results(row.results)).difference(now))
        self._note_results(row.results, [*now, *gone])
        try:
            for name in now:
                target = self.path / name
                make_folder(target.parent)
                (stage / name).replace(target)
            for name in gone:
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename}: {error.strerror}") from None
        if gone:
            self._note_results(row.results, now)
        self.keep_row(row)
        self._forget_pieces(row.results)

    def _results(self, stem: str) -> list[str]:
        """The files that a film has, below the folder."""
        with contextlib.suppress(*_DAMAGED):
            known = msgspec.json.decode(self._list_of(stem).read_bytes(), type=list[str])
            return [
                name for name in known if ".." not in (path := PurePosixPath(name)).parts and not path.is_absolute()
            ]
        return []

    def _note_results(self, stem: str, names: list[str]) -> None:
        path = self._list_of(stem)
        make_folder(path.parent)
        write_whole(path, msgspec.json.encode(names))

    def _list_of(self, stem: str) -> Path:
        return self._own / "files" / f"{_short(stem)}.json"

    def masks(self, job: Job) -> list[Path]:
        """What networks found in each of the job's pieces, whether that is there yet or not."""
        pieces = (job.piece,) if job.piece else job.pieces
        folder = self._pieces(job.stem) / job.version
        return [folder / f"{piece.start}-{piece.end}-{piece.step}" for piece in pieces]

    def _forget_pieces(self, stem: str) -> None:
        folder = self._pieces(stem)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # the first that holds another film's
            while (folder := folder.parent) != self._own:
                folder.rmdir()

    def _pieces(self, stem: str) -> Path:
        return self._own / "pieces" / f"{_short(stem)}.masks"

    def keep_row(self, row: Row) -> None:
        """Writes what is known of a film.

        Raises:
            OutputError: it cannot be written.
        """
        path = self._own / "rows" / f"{_short(row.results)}.json"
        make_folder(path.parent)
        write_whole(path, msgspec.json.encode(row))

    def write(self, name: str, data: bytes) -> str:
        """Writes a file of the whole archive, and gives its name for people.

        Raises:
            OutputError: it cannot be written.
        """
        return str(write_whole(self.path / name, data))

    @property
    def _own(self) -> Path:
        return self.path / ".batch"

    def _compare(self, asked: Mapping[str, object]) -> None:
        """Raises InputError where what is there was made of other options."""
        file = self._own / "options.json"
        now = msgspec.json.decode(msgspec.json.encode(asked))
        before = now
        with contextlib.suppress(*_DAMAGED):
            before = msgspec.json.decode(file.read_bytes(), type=dict[str, typing.Any])
        changed = sorted(key for key in {**before, **now} if before.get(key) != now.get(key))
        if changed:
            key = changed[0]
            raise InputError(
                f"{self.path}: was made with {key} {before.get(key)}, not {now.get(key)}",
                "the same options continue it; others want another folder",
            )
        write_whole(file, msgspec.json.encode(now))


def _short(stem: str) -> str:
    """`stem`, whose last part is a checksum where it leaves no room for an ending."""
    path, last = PurePosixPath(stem), os.fsencode(PurePosixPath(stem).name)
    return stem if len(last) <= _MOST_BYTES else str(path.with_name(hashlib.sha256(last).hexdigest()))

"""The films of an archive: in folders and those below, by patterns, and in lists."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from streamseg.archive.store import is_stored, stored_jobs
from streamseg.archive.task import TABLES, Job
from streamseg.capture.camera import CAMERA
from streamseg.capture.kind import scheme_of
from streamseg.capture.media import FILMS, IMAGES, ending_in, files_of, folder_of, is_many, name_below
from streamseg.capture.scene import SCENE
from streamseg.errors import InputError, printable
from streamseg.files import text_lines
from streamseg.provenance import by_others
from streamseg.redaction import redact

_log = logging.getLogger(__name__)
_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp")
_LISTS = (".txt", ".lst", ".csv")


def find(words: Sequence[str], out: Path) -> list[Job]:
    """The films that `words` name, each once, in natural order: files, folders, patterns, and `@FILE` with such a line.

    Those in `out` are left out; so are, of folders and patterns, those that streamseg made.

    Raises:
        InputError: nothing is found, or two would be called the same.
    """
    if "" in words:
        raise InputError("the name of a film is empty", "'.' is this folder")
    jobs: dict[object, Job] = {}
    called: dict[str, Job] = {}
    for word in words:
        for film, below in _films(word, out):
            key, job = (film.file, film) if isinstance(film, Job) else _job(film, below)
            if not _is_text(job.file):
                _log.warning("%s: left out, its name is not UTF-8 (rename it)", printable(job.file))
                continue
            if key in jobs:
                continue
            if (other := called.setdefault(job.stem, job)) is not job:
                raise InputError(
                    f"{other.name} and {job.name} would both be called {job.stem}",
                    "name the folder above both, or take them in two commands, each with a folder of its own",
                )
            jobs[key] = job
    if tables := [name for name in TABLES if name in called]:
        raise InputError(
            f"{called[tables[0]].name}: called as {tables[0]}.csv is", "name the folder above, or rename it"
        )
    return list(jobs.values())


def _job(path: Path, below: Path) -> tuple[object, Job]:
    """A film on a disk, and what is the same for all of its names."""
    state = path.stat()
    stem = PurePosixPath(name_below(path, below)).with_suffix("").as_posix()
    return (state.st_dev, state.st_ino), Job(str(path), stem, state.st_size, f"{state.st_size}-{state.st_mtime_ns}")


def _is_text(name: str) -> bool:
    """Whether a table can hold it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _outside(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Those not in `folder`; of several names of one file, as a folder with a link to itself gives, the shortest."""
    found: dict[Path, Path] = {}
    for path in paths:
        place = path.resolve()
        if folder not in place.parents and (place not in found or len(path.parts) < len(found[place].parts)):
            found[place] = path
    return list(found.values())


def _films(word: str, out: Path) -> Iterator[tuple[Path | Job, Path]]:
    """Each film and the folder below which its name is taken; of one in a store that is known already."""
    if word.startswith("@"):
        yield from _listed(Path(word[1:]), out)
        return
    if SCENE.means(word) or CAMERA.means(word) or scheme_of(word).lower() in _LIVE:
        raise InputError(f"{redact(word)}: is no film, and a batch runs films", f"streamseg run {redact(word)}")
    if is_stored(word):
        yield from ((job, Path()) for job in stored_jobs(word))
        return
    if not is_many(word):
        (path,) = files_of(word)
        if path.suffix.lower() in IMAGES:
            raise InputError(f"{word}: is a picture, and a batch runs films", f"streamseg run {word}")
        if path.suffix.lower() in _LISTS:
            raise InputError(f"{word}: is no film", f"of a list of films: @{word}")
        yield path, path.parent
        return
    folder, pattern = folder_of(word), word
    if Path(word).is_dir():
        pattern = f"{glob.escape(word)}/**/*"
    found = _outside(ending_in(FILMS, files_of(pattern)), out.resolve())
    kept = by_others(found)
    if len(kept) < len(found):
        _log.info("%s: %d left out, as streamseg made them", word, len(found) - len(kept))
    if not kept:
        raise InputError(f"{word}: no films are there", "pictures in a folder are one source: streamseg run")
    yield from ((path, folder) for path in kept)


def _listed(file: Path, out: Path) -> Iterator[tuple[Path | Job, Path]]:
    """Those on the lines of a text file; named below the folder that all have in common."""
    lines = [line.strip() for line in text_lines(file)]
    if lists := [line for line in lines if line.startswith("@")]:
        raise InputError(f"@{file}: names another list, {lists[0]}", "name each list on the command line")
    found = [each for line in lines if line and not line.startswith("#") for each in _films(line, out)]
    if not found:
        raise InputError(f"@{file}: no film is named there", "a file, folder or pattern on each line")
    single = [film.absolute().parent for film, below in found if isinstance(film, Path) and below == film.parent]
    common = _common(single)
    yield from ((film, common if isinstance(film, Path) and below == film.parent else below) for film, below in found)


def _common(folders: Sequence[Path]) -> Path:
    if not folders:
        return Path()
    shared = {folders[0], *folders[0].parents}.intersection(*({each, *each.parents} for each in folders))
    return max(shared, key=lambda each: len(each.parts))

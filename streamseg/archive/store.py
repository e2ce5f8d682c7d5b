"""Films in object stores and on web servers: whatever fsspec knows, fetched one at a time by who runs them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from streamseg.archive.task import Job
from streamseg.capture.media import FILMS
from streamseg.errors import InputError, SourceError, printable
from streamseg.files import natural
from streamseg.installing import extra
from streamseg.redaction import redact

_MAGIC = frozenset("*?[")
_PACKAGE = re.compile(r"(?:install|requires) (?:the )?(?!to )\W?(\w[\w-]+)", re.IGNORECASE)
"""In what a store's library says of one that is missing: `Install s3fs to access S3`."""
_CHANGES = ("ETag", "etag", "md5", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
"""What one store or another says of when a file changed, or of what is in it."""


def is_stored(word: str) -> bool:
    """Whether `word` is an address such as `s3://bucket/dash`, and no path."""
    return "://" in word


def stored_jobs(word: str) -> list[Job]:
    """The films at the address `word`: one, those below a folder, or what a pattern finds; hidden ones are left out.

    Raises:
        InputError: none is there, the store does not let us in, or the package that reads it is missing.
    """
    with _explained(word):
        store, path = _opened(word)
        magic = _MAGIC & {*path}
        if _plain(path) != path:  # an address that was signed: one film
            folder, found = PurePosixPath(_plain(path)).parent, {path: store.info(path)}
        elif magic:
            folder = PurePosixPath(path[: min(path.index(each) for each in magic)] + "x").parent
            found = store.glob(path, detail=True)
        elif store.isdir(path):
            folder, found = PurePosixPath(path), store.find(path, detail=True)
        else:
            folder, found = PurePosixPath(path).parent, {path: store.info(path)}
        jobs = [
            _job(store.unstrip_protocol(name), _below(name, folder), known)
            for name, known in sorted(found.items(), key=lambda each: natural(PurePosixPath(each[0])))
            if known.get("type") != "directory" and PurePosixPath(_plain(name)).suffix.lower() in FILMS
        ]
    jobs = [job for job in jobs if not any(part.startswith(".") for part in PurePosixPath(job.stem).parts)]
    if not jobs:
        raise InputError(f"{redact(word)}: no films are there")
    return jobs


@contextlib.contextmanager
def at_hand(file: str, place: Callable[[], AbstractContextManager[Path]]) -> Iterator[str]:
    """The path of `file`; of one in a store that of a copy in `place`, until the end of the block.

    Raises:
        SourceError: it cannot be fetched.
    """
    if not is_stored(file):
        yield file
        return
    with place() as folder:
        with _explained(file, SourceError):
            store, path = _opened(file)
            copy = folder / PurePosixPath(_plain(path)).name
            store.get_file(path, str(copy))
        yield str(copy)


def _opened(address: str) -> tuple[Any, str]:
    """The store, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise InputError(f"{redact(address)}: needs fsspec", extra("archive")) from None
    store, path = url_to_fs(address)
    return store, str(path)


def _job(file: str, stem: str, known: dict[str, Any]) -> Job:
    size = int(known.get("size") or 0)
    changed = next((known[key] for key in _CHANGES if known.get(key)), "")
    return Job(file, stem, size, f"{size}-{changed}")


def _below(name: str, folder: PurePosixPath) -> str:
    return PurePosixPath(_plain(name)).relative_to(folder).with_suffix("").as_posix()


def _plain(path: str) -> str:
    """`path` without what is asked of a web server behind it, such as a signature."""
    return path.partition("?")[0] if path.startswith(("http://", "https://")) else path


@contextlib.contextmanager
def _explained(word: str, kind: type[InputError | SourceError] = InputError) -> Iterator[None]:
    """Each store's library has errors of its own."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        package = _PACKAGE.search(str(error))
        hint = f"pip install {package[1]}" if package else ""
        raise InputError(f"{redact(word)}: {error}", hint) from None
    except Exception as error:
        said = "not there" if isinstance(error, FileNotFoundError) else next(iter(str(error).splitlines()), "")
        raise kind(f"{redact(word)}: {printable(redact(said or type(error).__name__))}") from None

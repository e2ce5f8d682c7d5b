"""The files behind the name of a source: told apart by what their names end in, before any is opened."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from streamseg.errors import InputError
from streamseg.files import missing, natural

IMAGES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".jp2"),
    *(".avif", ".heic", ".heif", ".hif"),
)
FILMS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".m2v", ".vob", ".flv",
    ".wmv", ".asf", ".ogv", ".3gp", ".3g2", ".gif", ".apng", ".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265",
    ".hevc", ".obu", ".ivf", ".y4m", ".nut", ".mxf", ".vc1", ".wtv", ".dv",
)  # fmt: skip

Uri = str | tuple[str, ...]
"""The name of a source, or those of several files."""


def is_many(name: str) -> bool:
    """Whether it is the name of a folder, or a pattern."""
    return Path(name).is_dir() or (glob.has_magic(name) and not Path(name).exists())


def files_of(name: str) -> list[Path]:
    """The one file called `name`, or those in a folder or of a pattern, in natural order, without hidden ones.

    Raises:
        InputError: there is no such file, or no file matches.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [each for each in path.iterdir() if each.is_file() and not each.name.startswith(".")]
    elif glob.has_magic(name):
        matches = glob.glob(name, recursive=True)  # noqa: PTH207 - unlike Path's own, it takes absolute patterns
        found = [each for each in map(Path, matches) if each.is_file()]
        if not found:
            raise InputError(f"{name}: no file matches")
    else:
        raise InputError(f"{name}: neither a file nor a folder") if path.exists() else missing(name)
    return sorted(found, key=natural)


def ending_in(suffixes: Sequence[str], paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` whose names end so, in whatever letters."""
    return [path for path in paths if path.suffix.lower() in suffixes]


def visible_images(paths: Iterable[Path]) -> list[Path]:
    """Pictures among `paths`, in the order of their names; not `._NAME`, which a Mac leaves beside NAME elsewhere."""
    return sorted(path for path in ending_in(IMAGES, paths) if not path.name.startswith("."))


def images_of(uri: Uri) -> list[Path]:
    """The pictures that `uri` names, in natural order; those named one by one in their own.

    Raises:
        InputError: there are none.
    """
    if not isinstance(uri, str):
        paths = list(map(Path, uri))
        if film := next(iter(ending_in(FILMS, paths)), None):
            raise InputError(f"{film}: is a film", "several pictures can be one source, films are a source each")
        return paths
    files = files_of(uri)
    films, images = ending_in(FILMS, files), ending_in(IMAGES, files)
    if is_many(uri) and films and not images:
        raise InputError(f"{uri}: holds films, no pictures", f"films are a source each, such as {films[0]}")
    if Path(uri).is_dir() and not images:
        raise InputError(f"{uri}: no pictures in this folder", f"it may hold {', '.join(IMAGES[:4])} and the like")
    return images if Path(uri).is_dir() else [path for path in files if path not in films or not is_many(uri)]


def folder_of(uri: Uri) -> Path:
    """The folder whose files `uri` names; of a pattern the one before its first wildcard."""
    if not isinstance(uri, str):
        return Path(os.path.commonpath([Path(name).absolute().parent for name in uri]))
    if Path(uri).is_dir():
        return Path(uri)
    folder = Path(uri).parent
    while glob.has_magic(str(folder)) and not folder.exists():
        folder = folder.parent
    return folder


def name_below(path: Path, folder: Path) -> str:
    """`path` as seen from `folder`, never with `..` in it."""
    below = os.path.relpath(path, folder)
    return path.name if below.startswith("..") else Path(below).as_posix()

"""Names of the files that an output writes: one file, or as many as the fields in its name have values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.sinks.query import without_query

STEM = "{stem}"
_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3, "y": 2}
_FIELD = re.compile(r"(\{stem\}|%\d*.?)")
_FOLDERS = ("masks:", "hls:", "events:", "yolo:", "dataset:")  # whose last part is a folder as well
_TIME_OR_NUMBER = re.compile(r"%(?=\d*[YmdHMSyj])")
_OPTION = re.compile(r"\?(?=\w+=)")  # a question mark that would be taken for the beginning of options
_MOST_DIGITS = 18  # a name may have 255 signs, and nobody counts further
_NUMBER_DIGITS = 6  # of `%d`, so that files sort as they came


class Names:
    """A path whose last part may hold fields; those in its folder are names as they stand.

    `{stem}` is the name of the picture file that a frame came from, without its suffix; `%06d` a number, `%d` one of
    six digits; `%Y %m %d %H %M %S %y %j` the time in the machine's own zone. `%d` is the day where any other part of
    the time stands beside it, or where there are no `numbers`. `%%` is a `%`.
    """

    def __init__(self, path: str, *, numbers: bool = True) -> None:
        """Raises InputError for anything else behind a `%`, a second number, and fields in a folder's name."""
        self.folder, self._name = Path(path).parent, Path(path).name
        if _TIME_OR_NUMBER.search(str(self.folder)) and not self.folder.is_dir():
            raise InputError(f"{path}: times and numbers may stand in the name of a file, not of its folder")
        texts = _FIELD.split(self._name)  # by turns a text and a field, a text first and last
        written, self._end = texts[1::2], texts[-1]
        times = {field[1] for field in written if field[1:] in _DIGITS}
        self.timed = bool(times - {"d"}) or ("d" in times and not numbers)
        parts = [_field(each, timed=self.timed) if at % 2 else _text(each) for at, each in enumerate(texts)]
        self._parts = [part for part in parts if part]
        numbers_in_it = sum(part.is_number for part in self._parts)
        self.stemmed, self.numbered = STEM in written, bool(numbers_in_it)
        if None in parts or numbers_in_it > numbers:
            also = "one number such as %06d, " if numbers else ""
            raise InputError(
                f"{path}: a name may hold {also}{STEM}, and a time in a name is made of "
                f"{' '.join(f'%{letter}' for letter in _DIGITS)}",
                "%% stands for a single %",
            )

    @property
    def single(self) -> bool:
        """Whether this is the name of one file."""
        return not (self.timed or self.numbered or self.stemmed)

    def path(self, *, number: int = 0, file: str = "", page: int | None = None, at: datetime | None = None) -> Path:
        """The name for this number, source file (below the folder that was named, and kept below it) and time.

        Of a file that holds several pictures each `page` gets its number behind the stem, or behind the one name.
        """
        source, behind, at = PurePosixPath(file), "" if page is None else f"-{page:03d}", at or datetime.now()
        name = "".join(part.value(number, source.stem + behind, at) for part in self._parts)
        if self.single and behind:
            name = f"{Path(name).stem}{behind}{Path(name).suffix}"
        return self.folder / source.parent / name if self.stemmed else self.folder / name

    def path_of(self, frame: Frame, number: int, at: datetime | None = None) -> Path:
        """The name for what is shown of `frame`."""
        return self.path(number=number, file=frame.file, page=frame.page, at=at)

    def own(self) -> re.Pattern[str]:
        """What the last parts of these names look like, those of doubles and of what was cut short too."""
        stem, dot, suffix = self._end.rpartition(".")
        body = "".join(part.pattern for part in self._parts[:-1]) + re.escape(stem)
        return re.compile(body + r"(-\d+)?(-recovered-\d+)?" + re.escape(dot + suffix) + r"(\.unplayable-\d+)?")


class _Part(NamedTuple):
    """A text in a name, or what stands there for something else."""

    value: Callable[[int, str, datetime], str]
    """What it is for a number, the name of a picture file, and a time."""
    pattern: str
    """What its values look like."""
    is_number: bool = False


def _text(text: str) -> _Part:
    return _Part(lambda number, stem, at: text, re.escape(text))


def _field(text: str, *, timed: bool) -> _Part | None:
    """That of `text`, in a name that is `timed` or not; None where it is none."""
    if text == STEM:
        return _Part(lambda number, stem, at: stem, ".*")
    if text == "%%":
        return _text("%")
    if text == "%d" and not timed:
        text = f"%{_NUMBER_DIGITS}d"
    if re.fullmatch(r"%\d{1,9}d", text) and (digits := int(text[1:-1]) or _NUMBER_DIGITS) <= _MOST_DIGITS:
        return _Part(lambda number, stem, at: f"{number:0{digits}d}", rf"(?P<number>\d{{{digits},}})", is_number=True)
    if text[1:] in _DIGITS:
        return _Part(lambda number, stem, at: at.strftime(text), rf"\d{{{_DIGITS[text[1:]]}}}")
    return None


def literal(path: str) -> Names:
    """`path` as it stands, whatever is in it."""
    folder, slash, name = path.rpartition("/")
    return Names(f"{folder}{slash}{name.replace('%', '%%')}")


def for_source(output: str, stem: str, *, escaped: bool = False, kept: bool = False) -> str:
    """`output` with `{stem}` replaced by `stem`, the name of the source; everywhere, or not in its last part.

    The folders in a `stem` go before the last part, unless there is a `{stem}` before it already. A sign that has a
    meaning where it would come to stand becomes a `_`.

    Args:
        escaped: the last part may hold fields, so that a `%` in `stem` has to be told from them.
        kept: in the last part it is left for the name of each picture, see `Names`.
    """
    scheme, folder, name, query = _parts(output)
    path = PurePosixPath(_OPTION.sub("_", stem.replace("%", "_") if scheme == "hls:" else stem))
    if not kept and STEM in name:
        own = path.name.replace("%", "%%") if escaped else path.name
        name = name.replace(STEM, _as_folder(path.name) if scheme in _FOLDERS else own)
        if STEM not in folder and len(path.parts) > 1:
            name = f"{_as_folder(path.parent)}/{name}"
    return f"{scheme}{folder.replace(STEM, _as_folder(path))}{name}{query}"


def _as_folder(path: object) -> str:
    return _TIME_OR_NUMBER.sub("_", str(path))


def with_stem(output: str) -> str:
    """`output` with `{stem}` put into its name."""
    scheme, folder, name, query = _parts(output)
    if scheme in _FOLDERS:
        return f"{scheme}{folder}{name}/{STEM}{query}"
    head, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    return f"{scheme}{folder}{head}-{STEM}{dot}{suffix}{query}"


def _parts(output: str) -> tuple[str, str, str, str]:
    """Scheme, folder with its slash, last part, and options."""
    body = without_query(output)
    scheme = body[: body.find(":") + 1] if "/" not in body.partition(":")[0] else ""
    folder, slash, name = body[len(scheme) :].rpartition("/")
    return scheme, folder + slash, name, output[len(body) :]


def image_name(frame: Frame) -> str:
    """What a frame is called as a picture: its own file, with the number of the page; of a film NAME-000012.jpg."""
    path = PurePosixPath(frame.file)
    if frame.file and frame.page is None:
        return frame.file
    if frame.file:
        return str(path.with_name(f"{path.stem}-{frame.page:03d}.png"))
    return f"{safe(PurePosixPath(frame.stream).stem) or 'frame'}-{frame.index:06d}.jpg"


def safe(name: str) -> str:
    """`name` with a `_` for each sign that has a meaning to shells, addresses or file systems."""
    return re.sub(r"[^\w.-]", "_", name)

"""One picture, a folder of pictures, or a glob; each looked at before it is decoded."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.capture.media import IMAGES as SUFFIXES
from streamseg.capture.media import Uri, folder_of, images_of, is_many, name_below
from streamseg.contracts import Inputs
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.imagefile import FileImage, ImageFile, open_images
from streamseg.imagefile.depth import SPAN_SAID
from streamseg.options import SourceOptions

_log = logging.getLogger(__name__)


class _Found(NamedTuple):
    """A picture, the file that it came from, and its number there where that holds several."""

    image: FileImage
    file: str
    page: int | None


class ImagesSource:
    """Pictures in natural order (2 before 10), all of those that a file holds; what cannot be read is counted.

    Each is shown for `1 / options.fps` seconds, one by default; those of an animation for as long as it says itself.
    """

    def __init__(self, uri: Uri, options: SourceOptions) -> None:
        self.counters = {"unreadable": 0}
        self._max_megapixels = options.max_megapixels
        self._fps = options.fps
        self._name = (Path(uri).name or uri) if isinstance(uri, str) else f"{len(uri)} pictures"
        self._paths, self._folder = images_of(uri), folder_of(uri)
        self._told = self._closed = False
        self._file: ImageFile | None = None
        self._reason: InputError | None = None
        """Why the first of those that cannot be read cannot."""
        self._images = self._read()
        self._first = next(self._images, None)  # what cannot be read before it is given up here: its size is needed
        if self._first is None:
            raise self._none()
        self.info = self._describe(self._first.image.image)

    def __iter__(self) -> Iterator[Frame]:
        time_s = 0.0
        try:
            for index, found in enumerate(itertools.chain([self._first], self._images)):
                if self._closed or found is None:
                    return
                image, lasts_s = found.image
                yield Frame(image, index, time_s, time.monotonic(), self.info.name, found.file, found.page)
                time_s += (self._fps is None and lasts_s) or 1 / (self._fps or 1.0)
        finally:
            self._images.close()

    def close(self) -> None:
        """Ends the iteration before the next picture."""
        self._closed = True

    def _read(self) -> Generator[_Found, None, None]:
        for path in self._paths:
            try:
                self._file = open_images(path, self._max_megapixels)
            except InputError as error:
                self._pass_over(error, alone=len(self._paths) == 1)
                continue
            try:
                yield from self._pages(self._file, name_below(path, self._folder))
            finally:
                self._file.close()

    def _pages(self, file: ImageFile, name: str) -> Iterator[_Found]:
        self._tell(file)
        for number in range(file.count):
            try:
                image = file.image(number)
            except InputError as error:
                self._pass_over(error, alone=len(self._paths) == file.count == 1)
                continue
            yield _Found(image, name, number if file.count > 1 else None)

    def _describe(self, first: Image) -> StreamInfo:
        alone = self._file if len(self._paths) == 1 else None
        moving, count = (alone.moving, alone.count) if alone else (False, len(self._paths))
        height, width = first.shape[:2]
        return StreamInfo(self._name, width, height, self._fps, live=False, moving=moving, frames=count)

    def _pass_over(self, error: InputError, *, alone: bool) -> None:
        if alone:
            raise error
        self.counters["unreadable"] += 1
        self._reason = self._reason or error
        _log.warning("%s: passed over", error)

    def _none(self) -> InputError:
        first = f"; {self._reason.message}" if self._reason else ""
        problem = f"{self._name}: none of the {self.counters['unreadable']} pictures can be read{first}"
        return InputError(problem, self._reason.hint if self._reason else "")

    def _tell(self, file: ImageFile) -> None:
        """Once: which values are shown as black and as white."""
        if file.span is not None and not self._told:
            self._told = True
            _log.warning(SPAN_SAID, self._name, *file.span)


def _inputs(uri: Uri) -> Inputs:
    """The files that `uri` names; what is wrong with it opening it tells."""
    try:
        paths, folder = images_of(uri), folder_of(uri)
    except InputError:
        paths, folder = [], folder_of(uri)
    names = tuple(name_below(path, folder) for path in paths)
    if isinstance(uri, str) and Path(uri).is_file():
        return Inputs(Path(uri).stem, tuple(paths), names)
    whole = Path(uri) if isinstance(uri, str) and Path(uri).is_dir() else None
    return Inputs(folder.resolve().name, tuple(paths), names, whole, many=True)


def _means(uri: Uri) -> bool:
    if not isinstance(uri, str):
        return True
    return not scheme_of(uri) and (Path(uri).suffix.lower() in SUFFIXES or is_many(uri))


IMAGES = SourceKind(
    forms="PICTURE …, FOLDER, 'GLOB'",
    means=_means,
    open=ImagesSource,
    check=lambda uri: isinstance(uri, str) or images_of(uri),
    inputs=_inputs,
    in_turn=True,
)

"""What every kind of picture file offers."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.hostsettings import pillow_silent
from streamseg.imagefile.depth import Span
from streamseg.options import MAX_MEGAPIXELS, MOST_MEGAPIXELS

_MOST_BYTES_A_PIXEL = 16  # four floating point values
_MOST_BYTES_BESIDE = 1 << 28  # a preview, a film of the moment before


class FileImage(NamedTuple):
    """One picture of a file."""

    image: Image
    """(H, W, 3) u8 BGR, upright."""
    lasts_s: float | None = None
    """How long it is shown in an animation."""


class ImageFile(Protocol):
    """A file of one or more pictures, open until it is closed."""

    @property
    def count(self) -> int:
        """How many there are, 1 at the least."""

    @property
    def moving(self) -> bool:
        """Whether they are one scene, and not pages."""

    @property
    def span(self) -> Span | None:
        """The values that are shown as black and as white, where they have more than 8 bits; one for all pictures."""

    def image(self, number: int) -> FileImage:
        """The picture `number`, from 0; quickest in their order.

        Raises:
            InputError: it cannot be read, or is larger than allowed.
        """

    def close(self) -> None:
        """Closes the file."""


def check_size(width: int, height: int, name: str, max_megapixels: float | None = None) -> None:
    """Refuses pictures that would fill the memory; without `max_megapixels` by a limit that no option changes.

    Raises:
        InputError: too large; the hint is the option that lets it in.
    """
    most, megapixels = max_megapixels or MAX_MEGAPIXELS, width * height / 1e6
    if megapixels > most:
        problem = f"{name}: {width}x{height} is more than {most:g} megapixels"
        raise InputError(problem, _way_in(megapixels, max_megapixels))


def check_bytes(path: Path, max_megapixels: float | None = None) -> None:
    """Refuses files that would fill the memory when they are read whole.

    Raises:
        InputError: too large; the hint is the option that lets it in.
    """
    size, most = path.stat().st_size, max_megapixels or MAX_MEGAPIXELS
    megapixels = (size - _MOST_BYTES_BESIDE) / _MOST_BYTES_A_PIXEL / 1e6
    if megapixels > most:
        problem = f"{path}: {size:,} bytes are more than a picture of {most:g} megapixels has"
        raise InputError(problem, _way_in(megapixels, max_megapixels))


def _way_in(megapixels: float, max_megapixels: float | None) -> str:
    """The option that lets such a picture in, where there is one."""
    if max_megapixels is None:
        return ""
    least = math.ceil(megapixels)
    return f"--max-megapixels {least}" if least <= MOST_MEGAPIXELS else f"at most {MOST_MEGAPIXELS:g} can be let in"


def unreadable(name: object) -> InputError:
    """For whatever a library says."""
    return InputError(f"{name}: not a picture that can be read")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Pillow from warning: sizes are checked here, and what is wrong with a file is told in one line."""
    with pillow_silent, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

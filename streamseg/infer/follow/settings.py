"""What the model `follow` is told before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from streamseg.infer.follow.network import inspect_pair
from streamseg.infer.model.palette import default_colours
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes

_Place = Annotated[float, Meta(ge=0, le=16384)]


class Follow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objects that are pointed at, carried along their motion and fitted to the picture; more by clicks in a window."""

    box: tuple[_Place, ...] = ()
    """Left, top, right, bottom around an object of the first frame, as shares of width and height, or where one is
    above 1 in pixels of the frame; four more for another object."""
    click: tuple[_Place, ...] = ()
    """x, y on an object, in the same units; two more for another object, or for more of the same where it is near."""
    mask: str = ""
    """A picture of one channel: each number above 0 is an object."""
    network: tuple[str, ...] | str = ()
    """An encoder and a decoder that are asked instead of cutting along edges: `encoder.onnx,decoder.onnx`."""
    renew: Annotated[int, Meta(ge=0)] = 25
    """After so many frames the network looks again at what motion has carried; 0: never."""

    def __post_init__(self) -> None:
        if isinstance(self.network, str) or len(self.network) not in (0, 2):
            raise ValueError("`network` is two files: encoder.onnx,decoder.onnx, in YAML [encoder.onnx, decoder.onnx]")
        if len(self.box) % 4:
            raise ValueError("`box` is left, top, right, bottom for each object")
        if len(self.click) % 2:
            raise ValueError("`click` needs an x and a y for each")
        for left, top, right, bottom in groups(self.box, 4):
            if left >= right or top >= bottom:
                raise ValueError("`box` is left, top, right, bottom, with left < right and top < bottom")


def follow_classes(settings: Follow) -> Classes:
    """Background and what is followed."""
    return Classes(("background", "object"), default_colours(2, 0), background=0)


def check_files(settings: Follow) -> None:
    """Reads the files that `settings` name, and runs nothing.

    Raises:
        InputError: the mask cannot be read, or the network is none that can be asked.
    """
    if settings.mask:
        read_mask(Path(settings.mask))
    if settings.network:
        inspect_pair(settings.network)


def groups(numbers: Sequence[float], size: int) -> list[tuple[float, ...]]:
    """`numbers` in groups of `size`."""
    return [tuple(numbers[start : start + size]) for start in range(0, len(numbers), size)]

"""Which way up a video is to be seen: its display matrix, as the filters that FFmpeg's own programs would insert."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import av

Chain: TypeAlias = tuple[tuple[str, str], ...]
"""FFmpeg filters, one behind another: name and arguments of each."""
Matrix: TypeAlias = tuple[int, ...]
"""Nine numbers, row by row, of ISO/IEC 14496-12's track header; the left four columns turn, mirror and stretch."""

_QUARTER = 90
_NEARLY = 1.0  # degrees: less is a quarter turn that was computed


def orientation(key_frame: av.VideoFrame) -> Chain:
    """The filters that bring it, and what follows up to the next key frame, upright; none for most.

    A container's matrix is with every frame. A message in H.264 or HEVC holds for all that follows as well, although
    FFmpeg hands it out with the first frame alone.
    """
    from av.sidedata.sidedata import SideDataContainer

    # As `key_frame.side_data` the frame would hold it, and it holds the frame: until a garbage collector comes.
    found: Any = SideDataContainer(key_frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # the stub lacks it
    return () if found is None else upright(struct.unpack("=9i", bytes(found)))


def upright(matrix: Matrix) -> Chain:
    """The filters for a display matrix, by the rules of FFmpeg's programs: whole degrees, quarter turns exactly."""
    across, down = math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4])
    if not across or not down:
        return ()  # squeezed to nothing: not meant
    degrees = round(math.degrees(math.atan2(matrix[1] / down, matrix[0] / across))) % 360
    quarters = round(degrees / _QUARTER)
    if abs(degrees - quarters * _QUARTER) >= _NEARLY:
        return (("rotate", f"{degrees}*PI/180"),)
    mirrored = matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0
    return _QUARTERS[quarters % 4, mirrored]


def turns(chain: Chain) -> bool:
    """Whether width and height change places."""
    return any(name == "transpose" for name, _ in chain)


_COPY = ("copy", "")  # vflip alone would only say that the rows lie bottom up
_QUARTERS: dict[tuple[int, bool], Chain] = {
    (0, False): (),
    (0, True): (("vflip", ""), _COPY),
    (1, False): (("transpose", "clock"),),
    (1, True): (("transpose", "cclock_flip"),),
    (2, False): (("hflip", ""), ("vflip", ""), _COPY),
    (2, True): (("hflip", ""),),
    (3, False): (("transpose", "cclock"),),
    (3, True): (("transpose", "clock_flip"),),
}

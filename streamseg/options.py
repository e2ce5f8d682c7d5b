"""What a person may ask of a source and of what is drawn: each option once, with its range and its help."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from streamseg.moment import Moment

MAX_MEGAPIXELS = 64.0
"""The largest picture that is let in, unless an option says otherwise."""
MOST_MEGAPIXELS = 1000.0
"""The largest that an option can let in: OpenCV reads up to 2^30 pixels."""

VIEW_NAMES = ("overlay", "mask", "side-by-side", "blur", "replace", "matte", "objects", "boxes", "source")
"""Those of `streamseg.render`, which `--help` does not import; packages add more."""

Decoder = Literal["cpu", "cuda", "vaapi"]
Codec = Literal["h264", "hevc"]
Effort = Literal["quick", "usual", "fine"]
"""How much is spent on carrying and steadying masks."""


def option(
    group: str, about: str, value: str = "", *, choices: tuple[str, ...] = (), default: str = "", rare: bool = False
) -> Meta:
    """What help says of an option.

    Args:
        group: under which title.
        about: what it is.
        value: what its value is called; empty where it is on or off.
        choices: names that are listed; packages may add others.
        default: in words, where no value says it.
        rare: by `--help-all` alone.
    """
    extra = {"group": group, "value": value, "choices": choices, "default": default, "rare": rare}
    return Meta(description=about, extra={key: each for key, each in extra.items() if each})


_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)


class Size(tuple[int, int]):
    """Width and height in pixels, out of a pair or of text such as `1280x720`.

    Raises:
        ValueError: it is neither.
    """

    __slots__ = ()

    def __new__(cls, asked: str | tuple[int, int]) -> Size:
        """`asked`: (1280, 720) or `1280x720`; each side is 1 to 99999."""
        found = _SIZE.fullmatch("x".join(map(str, asked)) if isinstance(asked, tuple | list) else str(asked))
        if found is None:
            raise ValueError("expected WIDTHxHEIGHT, such as 1280x720")
        return super().__new__(cls, map(int, found.groups()))


_LENGTHS_UM = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "mm": 1e3}
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(nm|um|µm|μm|mm)", re.ASCII)


class PixelSize(float):
    """Micrometres that a pixel's side stands for, out of text such as `0.325um`, `80nm`, `1.2mm`.

    Raises:
        ValueError: it is no length above 0 with its unit.
    """

    __slots__ = ()

    def __new__(cls, asked: str | float) -> PixelSize:
        """`asked`: a text with a unit, or micrometres."""
        found = _LENGTH.fullmatch(f"{asked}um" if isinstance(asked, int | float) else str(asked).strip())
        length_um = float(found[1]) * _LENGTHS_UM[found[2]] if found else 0.0
        if not length_um:
            raise ValueError("expected a length such as 0.325um")
        return super().__new__(cls, length_um)


_Rate = Annotated[float, Meta(gt=0, le=1000)]
_FourLetters = Annotated[str, Meta(pattern=r"^\w{4}$", title="four letters, such as MJPG")]
_Moment = Annotated[Moment, Meta(title="seconds, 1:30, 1:02:03.5 or 250f")]


class SourceOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be asked of a source; one that has no use for an option ignores it."""

    every: Annotated[int, Meta(ge=1), option("source", "take only every n-th frame of the source", "N")] = 1
    start: Annotated[
        _Moment | None, option("source", "where to begin: seconds, 1:30 or 1:02:03.5, or a frame as 250f", "TIME")
    ] = None
    end: Annotated[
        _Moment | None, option("source", "where to stop, in the same words; a camera stops after so much", "TIME")
    ] = None

    pixel_size: Annotated[
        Annotated[PixelSize, Meta(title="a length such as 0.325um")] | None,
        option(
            "source",
            "what the side of a pixel stands for, for tables in micrometres: 0.325um, 80nm, 1.2mm",
            "LENGTH",
            rare=True,
        ),
    ] = None

    size: Annotated[
        Annotated[Size, Meta(title="WIDTHxHEIGHT")] | None,
        option("source", "what to ask of a camera or scene, in pixels", "WIDTHxHEIGHT", default="its own"),
    ] = None
    fps: Annotated[
        _Rate | None, option("source", "frames a second to ask of a camera or scene", "RATE", default="its own")
    ] = None
    pixel_format: Annotated[
        _FourLetters | None,
        option("source", "four letters to ask of a camera: MJPG, YUYV, NV12", "CODE", default="its own", rare=True),
    ] = None
    transport: Annotated[Literal["tcp", "udp"], option("source", "how RTSP packets travel", "NAME", rare=True)] = "tcp"
    decode: Annotated[
        Decoder, option("source", "what decodes videos and streams: the CPU, or a GPU where it can", "NAME", rare=True)
    ] = "cpu"
    gpu: Annotated[
        Annotated[int, Meta(ge=0, le=63)] | None,
        option(
            "speed",
            "which NVIDIA GPU runs the network, and decodes: its number in `streamseg doctor`",
            "N",
            default="the first; a service takes them in turn",
            rare=True,
        ),
    ] = None
    wait: Annotated[bool, option("source", "wait for a live source that is away at the start", rare=True)] = False
    stall_timeout_s: Annotated[
        float,
        Meta(gt=0, le=3600),
        option("source", "seconds of silence before a live source is reopened", "SECONDS", rare=True),
    ] = field(default=5.0, name="stall_timeout")
    max_megapixels: Annotated[
        float,
        Meta(gt=0, le=MOST_MEGAPIXELS),
        option(
            "source",
            "refuse larger pictures and videos before they are decoded: millions of pixels, up to 1000",
            "NUMBER",
            rare=True,
        ),
    ] = MAX_MEGAPIXELS

    def __post_init__(self) -> None:
        start = self.start or Moment("0")
        if self.end is not None and not start.before(self.end):
            raise ValueError(f"the end, {self.end}, is not behind the start, {start}")


class RenderOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is drawn."""

    view: Annotated[str, option("picture", "what is shown", "NAME", choices=VIEW_NAMES)] = "overlay"
    opacity: Annotated[float, Meta(ge=0, le=1), option("picture", "of the colours over the picture", "0..1")] = 0.5
    background: Annotated[
        str | None,
        option("picture", "of the view `replace`: a picture, or a colour", "FILE|COLOUR", default="dark grey"),
    ] = None
    outline: Annotated[bool, option("picture", "draw the edges of the masks")] = False
    boxes: Annotated[bool, option("picture", "draw the boxes of instances", rare=True)] = True
    legend: Annotated[bool, option("picture", "draw the classes with their share of the picture")] = False
    hud: Annotated[bool | None, option("picture", "draw frames a second, latency and drops", default="in a window")] = (
        None
    )


_Classes = str | tuple[str, ...]


class PrivacyOptions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must not be seen: it is covered before anything is drawn, shown, sent or written."""

    hide: Annotated[
        _Classes, option("picture", "cover these classes before anything shows or writes them", "CLASS,…")
    ] = ()
    hide_all_but: Annotated[
        _Classes, option("picture", "cover everything but these classes", "CLASS,…", rare=True)
    ] = ()
    hide_with: Annotated[
        str,
        option("picture", "what lies over what is hidden: pixels, blur, or a colour", "pixels|blur|COLOUR", rare=True),
    ] = "pixels"

    def __post_init__(self) -> None:
        if self.hide and self.hide_all_but:
            raise ValueError("what is hidden is named by hide or by hide_all_but, not by both")
        if "" in (self.hide, self.hide_all_but, *self.classes):
            raise ValueError("a class to hide has no name")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in `hide`, or in `hide_all_but`."""
        named = self.hide or self.hide_all_but
        return tuple(name.strip() for name in named.split(",")) if isinstance(named, str) else named

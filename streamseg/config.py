"""What a person can ask of a run: one table behind the command line, the YAML file and `streamseg.open`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streamseg.errors import InputError
from streamseg.pace import Target
from streamseg.yamlfile import read_yaml

DEFAULT_MODEL = "person"

_Count = Annotated[int, Meta(ge=1, le=256)]
_Rate = Annotated[float, Meta(gt=0, le=1000)]
_Size = Annotated[str, Meta(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_FourLetters = Annotated[str, Meta(pattern=r"^\w{4}$")]
_Seconds = Annotated[float, Meta(gt=0, le=3600)]


class RunOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every option of `run`; its name with dashes is the flag, its name as it stands the key in YAML."""

    source: Annotated[str | int, Meta(description="where frames come from")]
    outputs: Annotated[tuple[str, ...], Meta(description="where the result goes")] = ()
    model: Annotated[str, Meta(description="a name from `streamseg models`, or a file MODEL.onnx")] = DEFAULT_MODEL
    settings: Annotated[
        dict[str, Any], Meta(description="a setting of the model as KEY=VALUE, such as value=128; may be repeated")
    ] = {}
    backend: Annotated[str | None, Meta(description="insist on this backend instead of the best one present")] = None
    target: Annotated[
        Target | None,
        Meta(description="what matters most: fps (live), latency, quality (files) or power"),
    ] = None
    steady: Annotated[bool, Meta(description="take the flicker out of masks, along the picture's motion")] = True
    workers: Annotated[
        _Count | None, Meta(description="networks side by side on a file; as many as there are cores")
    ] = None
    threads: Annotated[_Count | None, Meta(description="threads of each network")] = None

    view: Annotated[str, Meta(description="overlay, mask, side-by-side, blur, replace, objects, boxes or source")] = (
        "overlay"
    )
    opacity: Annotated[_Fraction, Meta(description="of the colours over the picture, 0 to 1")] = 0.5
    background: Annotated[
        str | None, Meta(description="for the view `replace`: a picture, or a colour as '#rrggbb'")
    ] = None
    outline: Annotated[bool, Meta(description="draw the edges of the masks")] = False
    boxes: Annotated[bool, Meta(description="draw the boxes of instances")] = True
    legend: Annotated[bool, Meta(description="draw the classes with their share of the picture")] = False
    hud: Annotated[bool | None, Meta(description="draw frames a second, latency and drops; by default in a window")] = (
        None
    )

    size: Annotated[_Size | None, Meta(description="WIDTHxHEIGHT to ask of a camera or scene")] = None
    fps: Annotated[_Rate | None, Meta(description="frames a second to ask of a camera or scene")] = None
    pixel_format: Annotated[
        _FourLetters | None, Meta(description="four letters to ask of a camera: MJPG, YUYV, NV12")
    ] = None
    transport: Annotated[Literal["tcp", "udp"], Meta(description="how RTSP packets travel")] = "tcp"
    stall_timeout: Annotated[_Seconds, Meta(description="seconds of silence before a live source is opened anew")] = 5.0

    def __post_init__(self) -> None:
        if any("\0" in text for text in (str(self.source), *self.outputs, self.model, self.background or "")):
            raise ValueError("a name holds a NUL, which no file can")


def read_config(path: Path, overrides: Mapping[str, object]) -> RunOptions:
    """The options in the YAML file `path`, with those in `overrides` put over them.

    Raises:
        InputError: the file cannot be read or does not fit; the message names the line.
    """
    if "source" in overrides:
        base = read_yaml(path, AnySource)
        return make_options({**{k: getattr(base, k) for k in base.__struct_fields__}, **overrides})
    options = read_yaml(path, RunOptions)
    return make_options({**msgspec.structs.asdict(options), **overrides})


def make_options(values: Mapping[str, object]) -> RunOptions:
    """Options from names and values; text is read as the number or truth value that is wanted.

    Raises:
        InputError: one does not fit; the message names it.
    """
    try:
        return msgspec.convert(dict(values), RunOptions, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(_plain(str(error))) from None


class AnySource(RunOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same where the source is named elsewhere."""

    source: str | int = ""


def _plain(message: str) -> str:
    """Turns `Expected ... - at `$.opacity`` into `opacity: expected ...`."""
    text, _, where = message.partition(" - at `$.")
    text = text.replace("Object contains unknown field", "there is no option")
    text = text.replace("Object missing required field `source`", "no source is named")
    key = where.rstrip("`")
    return f"{key}: {text[0].lower()}{text[1:]}" if key else text

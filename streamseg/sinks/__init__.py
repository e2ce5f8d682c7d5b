"""Where the result goes: one name each, recognised from the string alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamseg.contracts import Controls, Sink
from streamseg.errors import InputError
from streamseg.sinks.jsonl import JsonlSink
from streamseg.sinks.null import NullSink
from streamseg.sinks.pictures import MasksSink, PicturesSink
from streamseg.sinks.video import FORMATS, VideoSink
from streamseg.sinks.window import WindowSink

SINKS: dict[str, Callable[[str, Controls], Sink]] = {
    "window": lambda uri, controls: WindowSink(controls),
    "video": lambda uri, controls: VideoSink(uri),
    "pictures": lambda uri, controls: PicturesSink(uri),
    "masks": lambda uri, controls: MasksSink(uri),
    "jsonl": JsonlSink,
    "null": lambda uri, controls: NullSink(),
}

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tiff")


def sink_kind(uri: str) -> str:
    """The key of `SINKS` that `uri` asks for.

    Raises:
        InputError: none of them.
    """
    suffix = Path(uri).suffix.lower()
    if uri in ("window", "null"):
        return uri
    if uri.startswith("masks:"):
        return "masks"
    if uri == "-" or uri.startswith("jsonl:") or suffix == ".jsonl":
        return "jsonl"
    if suffix in FORMATS:
        return "video"
    if suffix in _PICTURES:
        return "pictures"
    raise InputError(
        f"output '{uri}': not known", "window, FILE.mp4|mkv|mov|ts, FILE.png|jpg, masks:FOLDER, FILE.jsonl, - or null"
    )


def open_sink(uri: str, controls: Controls) -> Sink:
    """Opens the output that `uri` names.

    Raises:
        InputError: there is no such kind of output.
        OutputError: it cannot be opened here.
    """
    return SINKS[sink_kind(uri)](uri, controls)

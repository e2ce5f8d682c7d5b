"""Where the result goes: one name each, recognised from the string alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamseg.contracts import Controls, Sink
from streamseg.errors import InputError
from streamseg.sinks.events import EventsSink
from streamseg.sinks.hls import HlsSink
from streamseg.sinks.jsonl import JsonlSink
from streamseg.sinks.null import NullSink
from streamseg.sinks.pictures import MasksSink, PicturesSink
from streamseg.sinks.publish import publish
from streamseg.sinks.retry import Retrying
from streamseg.sinks.segments import SegmentsSink
from streamseg.sinks.video import VideoSink
from streamseg.sinks.videofile import FORMATS
from streamseg.sinks.window import WindowSink

SINKS: dict[str, Callable[[str, Controls], Sink]] = {
    "window": lambda uri, controls: WindowSink(controls),
    "video": lambda uri, controls: VideoSink(uri),
    "segments": lambda uri, controls: SegmentsSink(uri),
    "pictures": lambda uri, controls: PicturesSink(uri),
    "masks": lambda uri, controls: MasksSink(uri),
    "jsonl": JsonlSink,
    "publish": publish,
    "hls": HlsSink,
    "events": lambda uri, controls: EventsSink(uri),
    "null": lambda uri, controls: NullSink(),
}

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tiff")


def sink_kind(uri: str) -> str:
    """The key of `SINKS` that `uri` asks for.

    Raises:
        InputError: none of them.
    """
    name = Path(uri.partition("?")[0]).name
    suffix = Path(name).suffix.lower()
    if uri in ("window", "null"):
        return uri
    if uri.lower().startswith("rtsp://"):
        return "publish"
    if uri.startswith(("masks:", "hls:", "events:")):
        return uri.partition(":")[0]
    if uri == "-" or uri.startswith("jsonl:") or suffix == ".jsonl":
        return "jsonl"
    if suffix in FORMATS:
        return "segments" if "%" in name or "?" in uri else "video"
    if suffix in _PICTURES:
        return "pictures"
    raise InputError(
        f"output '{uri}': not known",
        "window, FILE.mp4|mkv|mov|ts, NAME-%H%M%S.mp4, events:FOLDER, rtsp://…, hls:FOLDER, FILE.png|jpg, "
        "masks:FOLDER, FILE.jsonl, - or null",
    )


def open_sink(uri: str, controls: Controls, *, live: bool = False) -> Sink:
    """Opens the output that `uri` names; on a `live` stream one that fails later is tried again for ever.

    Raises:
        InputError: there is no such kind of output.
        OutputError: it cannot be opened here.
    """
    sink = SINKS[sink_kind(uri)](uri, controls)
    return Retrying(sink) if live and sink.blocking and not isinstance(sink, Retrying) else sink

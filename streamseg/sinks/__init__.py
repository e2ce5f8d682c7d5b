"""Where the result goes: one name each, recognised from the string alone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

from streamseg import entrypoints
from streamseg.contracts import Controls, Delivers, Existing, Inputs, Sink
from streamseg.errors import InputError
from streamseg.frame import StreamInfo
from streamseg.pyav import OF_FFMPEG_ALONE
from streamseg.segmentation import Classes, find_class
from streamseg.sinks.camera import CAMERA
from streamseg.sinks.cocofile import COCO
from streamseg.sinks.crash_safe_file import try_folder
from streamseg.sinks.csvfile import FRAMES, OBJECTS
from streamseg.sinks.cvat import CVAT
from streamseg.sinks.dataset import DATASET
from streamseg.sinks.events import EVENTS
from streamseg.sinks.function import own_sink
from streamseg.sinks.hls import HLS
from streamseg.sinks.images import IMAGES, MASKS
from streamseg.sinks.jsonl import JSONL
from streamseg.sinks.kafka import KAFKA
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.labels import LABELS
from streamseg.sinks.labelstudio import LABELSTUDIO
from streamseg.sinks.mqtt import MQTT
from streamseg.sinks.null import NULL
from streamseg.sinks.publish import PUBLISH
from streamseg.sinks.retry import Retrying
from streamseg.sinks.segments import SEGMENTS
from streamseg.sinks.sheet import SHEET
from streamseg.sinks.trace import TRACE
from streamseg.sinks.video import VIDEO
from streamseg.sinks.webhook import WEBHOOK
from streamseg.sinks.window import WINDOW
from streamseg.sinks.yolo import YOLO

_log = logging.getLogger(__name__)
_OTHER_VIDEOS = (".avi", ".webm", ".gif", ".wmv", ".m4v", ".mpg", ".mpeg", ".flv")
_SHEETS = (".xlsx", ".xls", ".ods", ".tsv")

SINKS: dict[str, OutputKind] = {
    "window": WINDOW,
    "camera": CAMERA,
    "video": VIDEO,
    "segments": SEGMENTS,
    "events": EVENTS,
    "publish": PUBLISH,
    "mqtt": MQTT,
    "webhook": WEBHOOK,
    "kafka": KAFKA,
    "trace": TRACE,
    "hls": HLS,
    "sheet": SHEET,
    "pictures": IMAGES,
    "masks": MASKS,
    "labels": LABELS,
    "jsonl": JSONL,
    "objects": OBJECTS,
    "csv": FRAMES,
    "coco": COCO,
    "yolo": YOLO,
    "cvat": CVAT,
    "labelstudio": LABELSTUDIO,
    "dataset": DATASET,
    "null": NULL,
}
"""Every kind of output; the one whose word stands in front of a name, else the first that it asks for, is taken."""


def sink_kind(uri: str) -> OutputKind:
    """The kind that `uri` asks for, of `SINKS` or of a package that adds it, which takes the whole of `uri`.

    Raises:
        InputError: none of them.
    """
    word, colon, _ = uri.partition(":")
    if colon and word in SINKS and SINKS[word].means(uri):
        return SINKS[word]  # masks:a.mp4 is a folder, not a video
    part = entrypoints.parts("outputs").get(word) if colon and word not in SINKS else None
    for kind in SINKS.values():
        if part is None and kind.means(uri):
            return kind
    if part is not None:
        return OutputKind(forms=f"{word}:…", means=lambda _: True, open=lambda uri, *_: own_sink(part.load()(uri)))
    raise InputError(f"output '{uri}': not known", _meant(uri) or ", ".join(kind.forms for kind in SINKS.values()))


def _meant(uri: str) -> str:
    """What to write instead, where that can be told."""
    path = Path(uri)
    if uri in SINKS and SINKS[uri].forms.startswith(f"{uri}:"):
        return SINKS[uri].forms
    if path.suffix.lower() in _OTHER_VIDEOS:
        return f"{path.with_suffix('.mp4')}"
    if path.suffix.lower() == ".json":
        return f"{path.with_suffix('.jsonl')} for a line a frame, coco:{path} for a data set"
    if path.suffix.lower() in _SHEETS:
        return f"{path.with_suffix('.csv')}"
    if uri.partition("://")[0].lower() in OF_FFMPEG_ALONE:
        return "rtsp://SERVER/PATH publishes at a server, from which FFmpeg passes it on"
    if uri and (uri.endswith("/") or path.is_dir()):
        return f"{path}/out.mp4 for a film, masks:{path} for class ids as pictures"
    return ""


def check_addresses(uris: Iterable[str]) -> None:
    """Looks at every address to publish at, and at the environment that it wants to be filled from; opens nothing.

    Raises:
        InputError: one is none.
    """
    for uri in uris:
        sink_kind(uri).check(uri)


def check_classes(uris: Iterable[str], classes: Classes) -> None:
    """Looks for every class that outputs name; opens nothing.

    Raises:
        InputError: the model has no such class.
    """
    for uri in uris:
        if name := sink_kind(uri).asked_class(uri):
            _check_class(uri, name, classes)


def check_rules(uris: Iterable[str], rules: Collection[str]) -> None:
    """Looks for every rule that outputs name; opens nothing.

    Raises:
        InputError: the run has no such rule.
    """
    for uri in uris:
        name = sink_kind(uri).asked_rule(uri)
        if name and name not in rules:
            raise InputError(f"{uri}: there is no rule '{name}'", ", ".join(rules) or "`rules:` in the configuration")


def compares(uris: Iterable[str]) -> bool:
    """Whether an output asks how far the network disagrees with its carried mask."""
    return any(sink_kind(uri).compares(uri) for uri in uris)


def _check_class(uri: str, name: str, classes: Classes) -> None:
    try:
        found = classes.names[find_class(classes, name)]
    except InputError as error:
        raise InputError(f"{uri}: {error.message}", error.hint) from None
    if found.casefold() != name.casefold():
        _log.info("%s: %s is what this model calls %s", uri, found, name)


def open_sink(uri: str, info: StreamInfo, controls: Controls, *, existing: Existing = "refuse") -> Sink:
    """Opens the output that `uri` names for the stream of `info`; on a live one it is tried again when it fails later.

    Whether its files are there already `streamseg.sinks.claims` tells before; what appears since is never replaced
    unless `existing` says so.

    Raises:
        InputError: there is no such kind of output.
        OutputError: it cannot be opened here.
    """
    return retrying(sink_kind(uri).open(uri, info, controls, existing), info)


def try_output(uri: str, inputs: Inputs) -> str:
    """Looks whether the output `uri` could be had now, and says in a few words what was tried.

    Connects to where it would send, and writes an unnamed file into its folder, or that in which it would be made;
    nothing stays of either.

    Args:
        inputs: the files of the source.

    Raises:
        InputError: there is no such kind of output, or it lacks a package.
        OutputError: it cannot be had.
    """
    kind, tried = sink_kind(uri), []
    if kind.reach is not None:
        kind.reach(uri)
        tried.append("answers")
    if names := kind.names(uri, inputs):
        folder, free_bytes = try_folder(names.folder)
        tried.append(f"{folder} takes files, {free_bytes / 1e9:.1f} GB free")
    return ", ".join(tried) or "nothing that can be tried"


def messages(sinks: Iterable[Sink]) -> tuple[int, int]:
    """How many messages wait for the receivers among `sinks`, and how many those will never have."""
    delivering = [sink for sink in sinks if isinstance(sink, Delivers)]
    return sum(sink.waiting for sink in delivering), sum(sink.lost for sink in delivering)


def retrying(sink: Sink, info: StreamInfo) -> Sink:
    """`sink`; on a live stream one that fails later is tried again, where it has a thread of its own to wait in."""
    by_itself = isinstance(sink, Retrying | Delivers)
    return Retrying(sink) if info.live and sink.blocking and not by_itself else sink

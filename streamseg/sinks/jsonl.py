"""One line of JSON a frame: to a file, which has its name once it is whole, a pipe or the standard output."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from streamseg.contracts import Controls, Existing, Shown
from streamseg.errors import OutputError, ReaderGoneError, printable
from streamseg.frame import Frame
from streamseg.segmentation import Instances, Segmentation
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.linefile import Device, LineFile, is_device
from streamseg.sinks.names import Names, literal
from streamseg.stdio import Rows


class JsonlSink:
    """Writes what was found in each frame; a reader that goes away ends the run as if it had asked to."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, controls: Controls, *, existing: Existing = "refuse") -> None:
        self._controls = controls
        self._name = uri.removeprefix("jsonl:")
        self._file = _open(self._name, existing)
        self._closed = False

    def write(self, shown: Shown) -> None:
        """Adds one line.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        if self._closed:
            return
        try:
            self._file.write(msgspec.json.encode(row(shown)) + b"\n")
            self._file.flush()
        except (BrokenPipeError, ReaderGoneError):
            self._controls.quit = self._closed = True
        except OSError as error:
            raise OutputError(f"{self._name}: {error.strerror}") from None

    def close(self) -> None:
        """Closes the file; the standard output stays open.

        Raises:
            OutputError: its end cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"{self._name}: {error.strerror}") from None


def row(shown: Shown) -> dict[str, object]:
    """What a line holds: shares of the picture in percent, times in milliseconds, boxes in pixels."""
    segmentation = shown.segmentation
    found: dict[str, object] = {
        "stream": shown.frame.stream,
        **_file(shown.frame),
        "index": shown.frame.index,
        "time_s": round(shown.frame.time_s, 6),
        "dropped": shown.dropped,
        "areas_percent": _areas(segmentation),
        "timings_ms": {stage: round(value, 3) for stage, value in shown.timings_ms.items()},
    }
    if segmentation.instances is not None:
        found["instances"] = _instances(segmentation.instances, segmentation.classes.names)
    return found


def _file(frame: Frame) -> dict[str, object]:
    """Of a picture the file that it came from, and which of several in it."""
    page = {} if frame.page is None else {"page": frame.page}
    return {"file": printable(frame.file), **page} if frame.file else {}


def _areas(segmentation: Segmentation) -> dict[str, float]:
    shares = segmentation.areas() * 100
    return {name: round(float(share), 3) for name, share in zip(segmentation.classes.names, shares, strict=True)}


def _instances(instances: Instances, names: tuple[str, ...]) -> list[dict[str, object]]:
    columns = zip(instances.class_ids, instances.scores, instances.boxes, instances.track_ids, strict=True)
    return [
        {
            "class": names[int(class_id)],
            "score": round(float(score), 4),
            "box": [round(float(value), 1) for value in box],
            **({"track": int(track)} if track >= 0 else {}),
        }
        for class_id, score, box, track in columns
    ]


class _Lines(Protocol):
    def write(self, line: bytes, /) -> object: ...

    def flush(self) -> object: ...

    def close(self) -> object: ...


def _open(name: str, existing: Existing) -> _Lines:
    if name == "-":
        return Rows()
    path = Path(name)
    if is_device(path):
        try:
            return Device(path)
        except OSError as error:
            raise OutputError(f"{name}: {error.strerror}") from None
    return LineFile(path, replace=existing == "replace")


def _names(uri: str) -> Names | None:
    name = uri.removeprefix("jsonl:")
    return None if name == "-" or is_device(Path(name)) else literal(name)


JSONL = OutputKind(
    forms="FILE.jsonl, -",
    means=lambda uri: uri == "-" or uri.startswith("jsonl:") or suffix_of(uri) == ".jsonl",
    open=lambda uri, info, controls, existing: JsonlSink(uri, controls, existing=existing),
    names=lambda uri, inputs: _names(uri),
)

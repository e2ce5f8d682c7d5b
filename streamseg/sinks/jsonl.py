"""One line of JSON a frame, to a file or the standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.segmentation import Instances, Segmentation


class JsonlSink:
    """Writes what was found in each frame; a reader that goes away ends the run as if it had asked to."""

    blocking = True
    needs_picture = False

    def __init__(self, uri: str, controls: Controls) -> None:
        self._controls = controls
        self._name = uri.removeprefix("jsonl:")
        self._file = _open(self._name)
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
        except BrokenPipeError:
            self._controls.quit = self._closed = True
        except OSError as error:
            raise OutputError(f"{self._name}: {error.strerror}") from None

    def close(self) -> None:
        """Closes the file; the standard output stays open."""
        if self._file is not sys.stdout.buffer:
            self._file.close()


def row(shown: Shown) -> dict[str, object]:
    """What a line holds: shares of the picture in percent, times in milliseconds, boxes in pixels."""
    segmentation = shown.segmentation
    found: dict[str, object] = {
        "stream": shown.frame.stream,
        "index": shown.frame.index,
        "time_s": round(shown.frame.time_s, 6),
        "dropped": shown.dropped,
        "areas_percent": _areas(segmentation),
        "timings_ms": {stage: round(value, 3) for stage, value in shown.timings_ms.items()},
    }
    if segmentation.instances is not None:
        found["instances"] = _instances(segmentation.instances, segmentation.classes.names)
    return found


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


def _open(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdout.buffer
    try:
        return Path(name).open("wb")
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror}") from None

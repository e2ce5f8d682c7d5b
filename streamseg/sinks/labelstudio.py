"""Tasks with predictions for Label Studio (https://labelstud.io/guide/predictions): brush masks, or polygons."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.coco import MaskFormat
from streamseg.contracts import Shown
from streamseg.errors import legible, printable
from streamseg.masks import Size
from streamseg.regions import Region, regions
from streamseg.sinks.cvat import row_runs
from streamseg.sinks.document import Record, Write, document_kind
from streamseg.sinks.names import image_name

_RUN_BITS = (3, 4, 8, 16)  # sizes that a run may have; only the last is used
_LONGEST = 1 << _RUN_BITS[-1]
_MODEL = "streamseg"


def brush_rle(mask: NDArray[np.bool_]) -> list[int]:
    """`mask`, (H, W) bool, as the bytes of an RGBA picture of 0 and 255, packed like @thi.ng/rle-pack does it.

    A head of 32 bits for the number of bytes, 5 for their width, four times 4 for the sizes of runs; then for each run
    a 1, which of the sizes, its length less 1 in so many bits, and the byte.
    """
    runs = np.array(row_runs(mask)) * 4
    values = np.arange(len(runs)) % 2 * 255
    whole, rest = np.divmod(runs, _LONGEST)
    parts = np.stack([whole, rest > 0], 1).reshape(-1).astype(int)
    lengths = np.repeat(np.stack([np.full_like(runs, _LONGEST), rest], 1).reshape(-1), parts)
    packed = (0b111 << 24) | (lengths - 1) << 8 | np.repeat(np.repeat(values, 2), parts)
    head = f"{mask.size * 4:032b}{7:05b}" + "".join(f"{bits - 1:04b}" for bits in _RUN_BITS)
    body = np.unpackbits(packed.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)[:, 5:]
    bits = np.concatenate([np.frombuffer(head.encode(), np.uint8) - ord("0"), body.reshape(-1)])
    packed_bytes: list[int] = np.packbits(bits).tolist()
    return packed_bytes


def _record(shown: Shown, masks: MaskFormat) -> Record:
    frame, names = shown.frame, shown.segmentation.classes.names
    size = (frame.height, frame.width)
    found = [region for region in regions(shown.segmentation, size) if region.area]
    shapes = _polygons if masks == "polygon" else _brush
    result = [
        {
            "id": uuid.uuid4().hex[:10],
            "from_name": "label",
            "to_name": "image",
            "original_width": frame.width,
            "original_height": frame.height,
            "image_rotation": 0,
            "score": round(region.score, 4),
            **shape,
        }
        for region in found
        for shape in shapes(region, size, printable(names[region.class_id]))
    ]
    score = min((region.score for region in found), default=0.0)
    return {
        "data": {"image": str(legible(image_name(frame)))},
        "predictions": [{"model_version": _MODEL, "score": round(score, 4), "result": result}],
    }


def _brush(region: Region, size: Size, name: str) -> list[Record]:
    value = {"format": "rle", "rle": brush_rle(region.plane(size)), "brushlabels": [name]}
    return [{"type": "brushlabels", "value": value}]


def _polygons(region: Region, size: Size, name: str) -> list[Record]:
    """In percent of the picture."""
    percent = 100 / np.array([size[1], size[0]], np.float64)
    found = (np.array(outline).reshape(-1, 2) * percent for outline in region.outlines())
    return [
        {
            "type": "polygonlabels",
            "value": {"points": outline.round(4).tolist(), "closed": True, "polygonlabels": [name]},
        }
        for outline in found
    ]


def compose(names: list[str], records: Callable[[], Iterator[Record]], write: Write) -> None:
    """The file: a list of tasks."""
    write(b"[")
    for number, record in enumerate(records()):
        write(b",\n" if number else b"\n")
        write(msgspec.json.encode(record))
    write(b"\n]\n")


LABELSTUDIO = document_kind("labelstudio", ".json", compose, _record)

"""Annotations for CVAT: its own XML for images, version 1.1 (https://docs.cvat.ai/docs/other/xml_format)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from streamseg.coco import MaskFormat
from streamseg.contracts import Shown
from streamseg.errors import printable
from streamseg.regions import Region, regions
from streamseg.sinks.document import Record, Write, document_kind
from streamseg.sinks.names import image_name


def row_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of `mask`, (H, W) bool, row by row, from one of False, which may be 0."""
    flat = np.concatenate([[False], mask.reshape(-1), [not mask[-1, -1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    runs: list[int] = np.diff(np.concatenate([[0], ends])).tolist()
    return runs


def _record(shown: Shown, masks: MaskFormat) -> Record:
    frame = shown.frame
    found = (region for region in regions(shown.segmentation, (frame.height, frame.width)) if region.area)
    shape = _outlines if masks == "polygon" else _mask
    return {
        "id": frame.index,
        "name": printable(image_name(frame)),
        "width": frame.width,
        "height": frame.height,
        "shapes": [each for region in found for each in shape(region)],
    }


def _mask(region: Region) -> list[Record]:
    window = region.window
    height, width = window.mask.shape
    return [
        {
            "class": region.class_id,
            "rle": ", ".join(map(str, row_runs(window.mask))),
            "left": window.left,
            "top": window.top,
            "width": width,
            "height": height,
        }
    ]


def _outlines(region: Region) -> list[Record]:
    corners = (zip(outline[::2], outline[1::2], strict=True) for outline in region.outlines())
    return [
        {"class": region.class_id, "points": ";".join(f"{x:.2f},{y:.2f}" for x, y in outline)} for outline in corners
    ]


def compose(names: list[str], records: Callable[[], Iterator[Record]], write: Write) -> None:
    """The file: the labels, then each image by the number of its frame."""
    labels = "".join(f"<label><name>{_text(name)}</name><attributes></attributes></label>" for name in names)
    count = sum(1 for _ in records())
    write(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
        f"<name>streamseg</name><size>{count}</size><mode>annotation</mode><labels>{labels}</labels>"
        "</task></meta>\n".encode()
    )
    for record in records():
        head = {key: record[key] for key in ("id", "name", "width", "height")}
        write(f"<image{_attributes(head)}>\n".encode())
        for shape in record["shapes"]:
            known = {"label": names[shape.pop("class")], "source": "auto", "occluded": 0, "z_order": 0}
            tag = "mask" if "rle" in shape else "polygon"
            write(f"<{tag}{_attributes({**known, **shape})}></{tag}>\n".encode())
        write(b"</image>\n")
    write(b"</annotations>\n")


def _attributes(values: Record) -> str:
    from xml.sax.saxutils import quoteattr  # brings Python's whole TLS

    return "".join(f" {key}={quoteattr(printable(str(value)))}" for key, value in values.items())


def _text(name: str) -> str:
    from xml.sax.saxutils import escape

    return escape(printable(name))


CVAT = document_kind("cvat", ".xml", compose, _record)

"""A data set of COCO: the masks of all frames in one JSON file (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from streamseg.coco import MaskFormat
from streamseg.contracts import Shown
from streamseg.errors import legible
from streamseg.regions import coco_annotations, regions
from streamseg.sinks.document import Record, Write, document_kind
from streamseg.sinks.names import image_name

_FIRST = 1  # of images, annotations and categories: COCO's own count from one, and some readers skip a zero


def _record(shown: Shown, masks: MaskFormat) -> Record:
    frame = shown.frame
    size = (frame.height, frame.width)
    found = [region for region in regions(shown.segmentation, size) if region.area]
    annotations: list[Record] = [
        {**annotation, **({"track_id": region.track_id} if region.track_id >= 0 else {})}
        for region, annotation in zip(found, coco_annotations(found, size, 0, masks), strict=True)
    ]
    return {
        "image": {
            "width": frame.width,
            "height": frame.height,
            "file_name": str(legible(image_name(frame))),
            "video": str(legible(frame.stream)),
            "frame_index": frame.index,
            "time_s": round(frame.time_s, 6),
        },
        "annotations": annotations,
    }


def compose(names: list[str], records: Callable[[], Iterator[Record]], write: Write) -> None:
    """The file: categories by the model's classes from 1, images in the order of the frames, annotations."""
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, _FIRST)]
    write(b'{"info": {"description": "found by streamseg"}, "licenses": [],\n"categories": ')
    write(msgspec.json.encode(categories))
    write(b',\n"images": [')
    for number, record in enumerate(records(), _FIRST):
        write(b"\n" if number == _FIRST else b",\n")
        write(msgspec.json.encode({"id": number, **record["image"]}))
    write(b'],\n"annotations": [')
    count = 0
    for number, record in enumerate(records(), _FIRST):
        for annotation in record["annotations"]:
            write(b",\n" if count else b"\n")
            count += 1
            own = {"id": count, "image_id": number, "category_id": annotation["category_id"] + _FIRST}
            write(msgspec.json.encode({**annotation, **own}))
    write(b"]}\n")


COCO = document_kind("coco", ".json", compose, _record)

"""A data set of COCO: the masks of all frames in one JSON file (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from streamseg.coco import MaskFormat
from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, legible
from streamseg.regions import coco_annotations, regions
from streamseg.sinks.document import DocumentSink, Record, Write
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import Names, image_name, literal
from streamseg.sinks.query import split_query

_FIRST = 1  # of images, annotations and categories: COCO's own count from one, and some readers skip a zero


def _open(uri: str, existing: Existing) -> DocumentSink:
    name, masks = file_and_masks(uri, "coco:")
    return DocumentSink(Path(name), compose, lambda shown: _record(shown, masks), existing)


def file_and_masks(uri: str, scheme: str) -> tuple[str, MaskFormat]:
    """The file that `uri` names, and the form of its masks.

    Raises:
        InputError: there is no file, or no such form.
    """
    name, asked = split_query(uri.removeprefix(scheme), ("masks",))
    forms: dict[str, MaskFormat] = {"rle": "rle", "polygon": "polygon"}
    masks = forms.get(asked.get("masks", "rle"))
    if not name or masks is None:
        raise InputError(f"{uri}: needs a file, and masks as rle or polygon", f"{scheme}FILE?masks=polygon")
    return name, masks


def _names(uri: str) -> Names:
    return literal(file_and_masks(uri, "coco:")[0])


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


COCO = OutputKind(
    forms="coco:FILE.json",
    means=lambda uri: uri.startswith("coco:"),
    open=lambda uri, info, controls, existing: _open(uri, existing),
    names=lambda uri, inputs: _names(uri),
)

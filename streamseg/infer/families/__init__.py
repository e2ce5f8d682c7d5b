"""Families of networks that find objects: one file each, and one line in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Mapping

from streamseg.infer.families.contract import Defaults as Defaults
from streamseg.infer.families.contract import Family as Family
from streamseg.infer.families.contract import Limits as Limits
from streamseg.infer.families.contract import Objects as Objects
from streamseg.infer.families.contract import Recognised as Recognised
from streamseg.infer.families.contract import Seen as Seen
from streamseg.infer.families.queries import Detr, Queries, RfDetr
from streamseg.infer.families.torchvision import Torchvision
from streamseg.infer.families.yolo import RawYolo, Yolo5, YoloRows

FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (RawYolo(), Yolo5(), YoloRows(), Detr(), RfDetr(), Queries(), Torchvision())
}
"""Name to family; the first that recognises a graph has it."""


def recognise(seen: Seen, wanted: str | None = None) -> Recognised | None:
    """The family that a graph is of, or whether it is of `wanted`; None where it is of none."""
    families = FAMILIES.values() if wanted is None else [FAMILIES[wanted]]
    return next((found for family in families if (found := family.recognise(seen)) is not None), None)

"""Families of networks that find objects: one file each, and one line in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamseg.infer.families.contract import Defaults as Defaults
from streamseg.infer.families.contract import Family as Family
from streamseg.infer.families.contract import Limits as Limits
from streamseg.infer.families.contract import Objects as Objects
from streamseg.infer.families.contract import Recognised as Recognised
from streamseg.infer.families.contract import Seen as Seen
from streamseg.infer.families.d_fine import DFineRows
from streamseg.infer.families.mask_queries import MaskQueries
from streamseg.infer.families.queries import Detr, Queries, RfDetr
from streamseg.infer.families.torchvision import Torchvision
from streamseg.infer.families.watershed import Watershed
from streamseg.infer.families.yolo import RawYolo, RtDetrRows, Yolo5, YoloRows

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        RawYolo(),
        Yolo5(),
        YoloRows(),
        RtDetrRows(),
        Detr(),
        RfDetr(),
        Queries(),
        DFineRows(),
        Torchvision(),
        MaskQueries("maskformer", "MaskFormer"),
        MaskQueries("mask2former", "Mask2Former", judged_at=(384, 384)),
        MaskQueries("eomt", "EoMT", judged_at="input", one_class=True, least_score=0.8),
        Watershed(),
    )
}
"""Name to family; the first that recognises a graph has it."""


def recognise(seen: Seen, wanted: str | None = None) -> Recognised | None:
    """The family that a graph is of, or whether it is of `wanted`; None where it is of none."""
    seen = replace(seen, wanted=wanted)
    families = FAMILIES.values() if wanted is None else [FAMILIES[wanted]]
    return next((found for family in families if (found := family.recognise(seen)) is not None), None)

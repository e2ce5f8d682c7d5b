"""torchvision's detectors: a row an object, as many as there are.

He et al., "Mask R-CNN", ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen, given_roles
from streamseg.infer.model.tensors import Tensor


class Torchvision:
    """Boxes, classes, scores, and for masks a plane of 0..1 each, over the whole picture."""

    name = "torchvision"
    title = "a detector of torchvision, a row for each object"
    roles: tuple[str, ...] = ("boxes", "class_ids", "scores")
    least: Mapping[str, tuple[int, int]] = {}
    defaults = Defaults("0..1", least_score=0.5, most=100, by_category=True, background_first=True)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By lists without a first axis for pictures."""
        boxes = [name for name, shape in seen.outputs.items() if len(shape) == 2 and shape[1] == 4]
        flat = [name for name, shape in seen.outputs.items() if len(shape) == 1]
        planes = [name for name, shape in seen.outputs.items() if len(shape) == 4 and shape[1] == 1]
        if (len(boxes), len(flat)) != (1, 2) or len(planes) > 1 or 3 + len(planes) != len(seen.outputs):
            return None
        # Faster R-CNN gives labels, then scores, RetinaNet and SSD scores, then labels.
        named = [name for name in flat if "label" in name or "class" in name]
        ids = ([name for name in flat if name in seen.whole] or named or flat)[0]
        (scores,) = (name for name in flat if name != ids)
        roles = given_roles(boxes=boxes[0], class_ids=ids, scores=scores, planes=planes[0] if planes else None)
        return Recognised(self.name, roles, None, batched=False)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Those that score enough, each plane cut to what is in it."""
        scores = outputs["scores"].astype(np.float32, copy=False)
        kept = limits.best(scores)
        planes = outputs.get("planes")
        return Objects(
            outputs["boxes"][kept].astype(np.float32, copy=False),
            scores[kept],
            outputs["class_ids"][kept].astype(np.int32),
            None if planes is None else planes[kept].astype(np.float32, copy=False),
            threshold=0.5,
            cropped=False,
        )

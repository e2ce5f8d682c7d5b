"""D-FINE-seg as its own package exports it: the best pairs of a query and a class are chosen in the graph.

https://pypi.org/project/dfine-seg; Peng et al., "D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution
Refinement", ICLR 2025.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen, given_roles
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.suppress import keep_best


class DFineRows:
    """Boxes in pixels, classes, scores, and for masks a plane of 0..1 each, over the whole picture."""

    name = "d-fine"
    title = "D-FINE or D-FINE-seg (dfine-seg), a row for each object"
    roles: tuple[str, ...] = ("boxes", "class_ids", "scores")
    least: Mapping[str, tuple[int, int]] = {}
    defaults = Defaults("0..1", least_score=0.5, most=300, overlap=0.7)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By rows for each picture: of a box, of a whole number, of a score."""
        boxes = [name for name, shape in seen.outputs.items() if len(shape) == 3 and shape[2] == 4]
        flat = [name for name, shape in seen.outputs.items() if len(shape) == 2]
        planes = [name for name, shape in seen.outputs.items() if len(shape) == 4]
        if (len(boxes), len(flat)) != (1, 2) or len(planes) > 1 or 3 + len(planes) != len(seen.outputs):
            return None
        whole = [name for name in flat if name in seen.whole]
        if len(whole) != 1 or len({seen.outputs[name][:2] for name in (*boxes, *flat, *planes)}) != 1:
            return None
        (scores,) = (name for name in flat if name not in whole)
        roles = given_roles(boxes=boxes[0], class_ids=whole[0], scores=scores, planes=planes[0] if planes else None)
        return Recognised(self.name, roles, None)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Those that score enough; of two that overlap the worse one goes whatever its class, as in that package."""
        scores = outputs["scores"].astype(np.float32, copy=False)
        kept = np.flatnonzero(scores >= limits.least_score)
        boxes = outputs["boxes"][kept].astype(np.float32, copy=False)
        if limits.overlap is not None:
            best = keep_best(boxes, scores[kept], np.zeros(len(kept), np.int32), limits.overlap, limits.most)
        else:
            best = np.argsort(-scores[kept], kind="stable")[: limits.most]
        rows = kept[best]
        planes = outputs.get("planes")
        return Objects(
            boxes[best],
            scores[rows],
            outputs["class_ids"][rows].astype(np.int32),
            None if planes is None else planes[rows].astype(np.float32, copy=False),
            threshold=0.5,
        )

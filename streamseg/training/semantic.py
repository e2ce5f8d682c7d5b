"""Learning a class for every pixel."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from streamseg.capture.scene import SceneSource
from streamseg.contracts import SourceOptions
from streamseg.errors import InputError
from streamseg.training.augment import augment
from streamseg.training.data import Pair, Pairs, find_pairs, split
from streamseg.training.losses import balanced_weights, segmentation_loss
from streamseg.training.network import as_input
from streamseg.training.plan import Folder, Plan
from streamseg.training.scores import score

_COARSE = 16  # px: the second loss looks at labels this far apart


class Semantic:
    """Pictures with masks of class ids."""

    def __init__(self, plan: Plan) -> None:
        """Reads every picture once.

        Raises:
            InputError: pictures, masks or plan are wrong.
        """
        self._plan = plan
        data, n = plan.data, len(plan.classes)
        scene = tempfile.mkdtemp(prefix="streamseg-")
        weakref.finalize(self, shutil.rmtree, scene, ignore_errors=True)
        learnt, held = split(_find(data.root, data.train, scene), data.hold_out, lambda pair: pair.picture)
        sets = {"held out": held} if held else {}
        if data.validation:
            sets["validation"] = _find(data.root, data.validation, scene)
        self._pairs = Pairs(learnt, data, n)
        self._checked = {name: Pairs(pairs, data, n) for name, pairs in sets.items()}
        self._weights = balanced_weights(self._pairs.pixels) if plan.loss.class_weights == "balanced" else None

    @property
    def checks(self) -> list[str]:
        """What is held out first."""
        return list(self._checked)

    def __len__(self) -> int:
        return len(self._pairs)

    def loss(self, network: nn.Module, views: Sequence[tuple[int, np.random.Generator]], epoch: int) -> Tensor:
        """Cross-entropy of the hardest pixels, and what else the plan adds."""
        plan, loss = self._plan, self._plan.loss
        seen = [augment(*self._pairs[index], plan.augment, random) for index, random in views]
        pictures, labels = zip(*seen, strict=True)
        truth = torch.from_numpy(np.stack(labels)).long()
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.schedule.precision == "bf16"):
            outputs = network(as_input(np.stack(pictures), plan))
        hard = loss.hard_fraction if epoch >= loss.hard_from_epoch else 1.0
        total = segmentation_loss(outputs[0].float(), truth, self._weights, hard_fraction=hard, dice=loss.dice)
        coarse = truth[:, _COARSE // 2 :: _COARSE, _COARSE // 2 :: _COARSE]
        for output in outputs[1:]:
            total = total + loss.coarse * segmentation_loss(output.float(), coarse, self._weights)
        return total

    def score(self, network: nn.Module, check: str) -> dict[str, float]:
        """mIoU, accuracy, and the IoU of each class by its name."""
        found = score(network, self._checked[check], self._plan)
        if found.confusion.sum() == 0:
            raise InputError(f"{check}: nothing but void in its masks")
        by_class = zip((entry.name for entry in self._plan.classes), found.iou, strict=True)
        return {"miou": found.miou, "accuracy": found.accuracy, **{name: float(iou) for name, iou in by_class}}


def _find(root: str, folder: Folder, scratch: str) -> list[Pair]:
    """The pairs of a folder, or of a generated scene (`test://?frames=100`), which is drawn into `scratch`."""
    if not folder.pictures.startswith("test://"):
        return find_pairs(root, folder)
    scene = SceneSource(folder.pictures, SourceOptions())
    if scene.info.frames is None:
        raise InputError(f"{folder.pictures}: a scene to learn from has an end", "test://?frames=100")
    place = Path(tempfile.mkdtemp(dir=scratch))
    pairs = [Pair(place / f"{i:06d}.png", place / f"{i:06d}-labels.png") for i in range(scene.info.frames)]
    for index, pair in enumerate(pairs):
        cv2.imwrite(str(pair.picture), scene.image(index))
        cv2.imwrite(str(pair.mask), scene.labels(index))
    return pairs

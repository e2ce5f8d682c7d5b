"""Learning a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.segmentation import distinct
from streamseg.training.augment import Random, augment, degrade, paste
from streamseg.training.data import Labels
from streamseg.training.losses import balanced_weights, doubt, segmentation_loss
from streamseg.training.network import as_input, run_size
from streamseg.training.plan import Augment, Paste, Plan
from streamseg.training.scores import Judged
from streamseg.training.sets import SEALED, Sets

_COARSE = 16  # px: the second loss looks at labels this far apart
_LEAST_PIXELS = 50  # of a class to paste from a picture


class Semantic:
    """Pictures with masks of class ids."""

    def __init__(self, plan: Plan) -> None:
        """Reads every picture once.

        Raises:
            InputError: pictures, masks or plan are wrong.
        """
        self._plan = plan
        self._sets = Sets(plan)
        pixels = self._sets.learnt[0].pairs.pixels
        self._weights = balanced_weights(pixels) if plan.loss.class_weights == "balanced" else None
        self._total = sum(len(each.pairs) for each in self._sets.learnt)
        self._donors = self._find_donors()

    @property
    def checks(self) -> list[str]:
        """What is held out first."""
        return list(self._sets.judged)

    def __len__(self) -> int:
        return len(self._sets)

    def order(self, random: Random) -> NDArray[np.int64]:
        """Which pictures an epoch shows, one after the other."""
        return self._sets.order(random)

    def loss(self, network: nn.Module, views: Sequence[tuple[int, Random]], epoch: int) -> Tensor:
        """Cross-entropy of the hardest pixels, and what else the plan adds."""
        plan, loss, groups = self._plan, self._plan.loss, self._sets.groups
        images, labels = zip(*(self._view(index, random) for index, random in views), strict=True)
        truth = torch.from_numpy(np.stack(labels)).long()
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.schedule.precision == "bf16"):
            outputs = network(as_input(np.stack(images), plan))
        if epoch >= loss.hard_from_epoch:
            truth = self._doubted(truth, outputs[0].float(), [index for index, _ in views])
        hard = loss.hard_fraction if epoch >= loss.hard_from_epoch else 1.0
        total = segmentation_loss(
            outputs[0].float(), truth, self._weights, hard_fraction=hard, dice=loss.dice, groups=groups
        )
        coarse = truth[:, _COARSE // 2 :: _COARSE, _COARSE // 2 :: _COARSE]
        for output in outputs[1:]:
            total = total + loss.coarse * segmentation_loss(output.float(), coarse, self._weights, groups=groups)
        return total

    def score(self, network: nn.Module, check: str) -> dict[str, float]:
        """mIoU, accuracy, and the IoU of each class by its name."""
        return self._score(network, self._sets.judged[check], check)

    def score_sealed(self, network: nn.Module) -> dict[str, float]:
        """The same on what was neither learnt from nor chosen by; empty where there is nothing."""
        return self._score(network, self._sets.sealed, SEALED) if self._sets.sealed else {}

    def _score(self, network: nn.Module, judged: Judged, check: str) -> dict[str, float]:
        found = judged.score(network, self._plan)
        if np.isnan(found.accuracy):
            raise InputError(f"{check}: nothing but void in its masks")
        names = distinct(["miou", "accuracy", *judged.names])  # a class may be called as a score is
        return dict(zip(names, [found.miou, found.accuracy, *found.iou], strict=True))

    def _view(self, index: int, random: Random) -> tuple[Image, Labels]:
        """A picture and its labels as they are seen this time."""
        how = self._plan.augment
        image, labels = self._seen(index, random, how)
        if how.paste:
            image, labels = self._pasted(image, labels, how.paste, random)
        return degrade(image, how, random), labels

    def _pasted(self, image: Image, labels: Labels, wanted: Paste, random: Random) -> tuple[Image, Labels]:
        """With cut-outs and decoys over it, in any order."""
        how = msgspec.structs.replace(self._plan.augment, scale=wanted.scale or self._plan.augment.scale)
        people, decoys = random.integers(wanted.most + 1), random.integers(wanted.decoys + 1)
        for number in random.permutation(people + decoys):
            chosen, class_id = self._donors[int(random.integers(len(self._donors)))]
            donor, theirs = self._seen(chosen, random, how)
            cut = theirs == class_id
            if number >= people:
                donor, theirs = self._seen(int(random.integers(self._total)), random, self._plan.augment)
            image, labels = paste(image, labels, donor, theirs, cut)
        return image, labels

    def _seen(self, index: int, random: Random, how: Augment) -> tuple[Image, Labels]:
        image, labels = self._sets[index]
        zoom = run_size(self._plan, image.shape)[1] / image.shape[1]
        return augment(image, labels, how, random, zoom=zoom)

    def _doubted(self, truth: Tensor, logits: Tensor, chosen: Sequence[int]) -> Tensor:
        """Void where the masks of a picture may have missed what the network finds."""
        missed = [self._sets.misses(index) for index in chosen]
        if not any(missed):
            return truth
        pairs = zip(logits.split(1), truth.split(1), missed, strict=True)
        return torch.cat([doubt(score, label, ids) if ids else label for score, label, ids in pairs])

    def _find_donors(self) -> list[tuple[int, int]]:
        """Pictures and the classes that may be cut out of them."""
        wanted = self._plan.augment.paste
        if wanted is None:
            return []
        names = [entry.name for entry in self._plan.classes]
        ids = [names.index(name) for name in wanted.classes if name in names]
        found = [
            (index, class_id)
            for index in range(self._total)
            for class_id in ids
            if np.count_nonzero(self._sets[index][1] == class_id) >= _LEAST_PIXELS
        ]
        if len(ids) < len(wanted.classes) or not found:
            raise InputError(f"augment.paste: {', '.join(wanted.classes)}: not in classes, or in no picture")
        return found

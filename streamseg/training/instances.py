"""Learning objects: pictures whose objects are numbered, and the network's answers judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from streamseg.errors import InputError
from streamseg.evaluation.evaluate import numbered
from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.objects import Labelled, Objects, find_labelled, read_objects
from streamseg.frame import Image
from streamseg.infer.instances import read_instances
from streamseg.infer.preprocess import PAD, make_fit
from streamseg.training.augment import augment
from streamseg.training.data import read_picture, split
from streamseg.training.instance_loss import Target, instance_loss
from streamseg.training.network import as_input
from streamseg.training.plan import Folder, Plan

_LEAST_PIXELS = 12
_LEAST_SCORE = 0.5


class InstanceTask:
    """Pictures at the size that the deployed network sees them, in memory, with their objects."""

    def __init__(self, plan: Plan) -> None:
        """Reads every picture once.

        Raises:
            InputError: pictures, objects or plan are wrong.
        """
        if plan.data.ids:
            raise InputError("data.ids: masks of objects hold numbers, not class ids", "leave it out")
        self._plan = plan
        data = plan.data
        learnt, held = split(_find(data.root, data.train), data.hold_out, lambda each: each.picture)
        sets = {"held out": held} if held else {}
        if data.validation:
            sets["validation"] = _find(data.root, data.validation)
        self._pictures = [self._load(each) for each in learnt]
        self._checked = sets

    @property
    def checks(self) -> list[str]:
        """What is held out first."""
        return list(self._checked)

    def __len__(self) -> int:
        return len(self._pictures)

    def loss(self, network: nn.Module, views: Sequence[tuple[int, np.random.Generator]], epoch: int) -> Tensor:
        """Both stages' losses on random views of some pictures."""
        pictures, targets = [], []
        for index, random in views:
            picture, objects = self._pictures[index]
            seen, numbers = augment(picture, objects.numbers, self._plan.augment, random, pad=True)
            pictures.append(seen)
            targets.append(make_target(Objects(numbers, objects.class_ids)))
        chance = torch.Generator().manual_seed(int(views[0][1].integers(1 << 62)))
        return instance_loss(network, as_input(np.stack(pictures), self._plan), targets, chance)  # type: ignore[arg-type]

    def score(self, network: nn.Module, check: str) -> dict[str, float]:
        """Shares of objects right and average precisions, judged at the pictures' own sizes."""
        classes = [entry.name for entry in self._plan.classes]
        count = InstanceCount(len(classes))
        for each in self._checked[check]:
            picture = read_picture(each.picture)
            count.add(read_objects(each, classes, picture.shape), find(network, picture, self._plan))
        scores = count.scores()
        return {"right": scores.right, "right50": scores.right50, "ap50": scores.ap50, "ap": scores.ap}

    def _load(self, each: Labelled) -> tuple[Image, Objects]:
        picture = read_picture(each.picture)
        objects = read_objects(each, [entry.name for entry in self._plan.classes], picture.shape)
        scale = _side(self._plan) / max(picture.shape[:2])
        size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
        small = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        numbers = cv2.resize(objects.numbers, size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(small, np.uint8), Objects(np.asarray(numbers, np.uint16), objects.class_ids)


def make_target(objects: Objects) -> Target:
    """Boxes and masks of the objects of a view; slivers at its edge are left out."""
    sizes = np.bincount(objects.numbers.reshape(-1), minlength=len(objects.class_ids))
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= _LEAST_PIXELS)
    masks = np.zeros((len(kept), *objects.numbers.shape), np.uint8)
    boxes = np.zeros((len(kept), 4), np.float32)
    for place, number in enumerate(kept):
        np.equal(objects.numbers, number, out=masks[place], casting="unsafe")
        x, y, width, height = cv2.boundingRect(masks[place])
        boxes[place] = x, y, x + width, y + height
    return Target(torch.from_numpy(objects.class_ids[kept]).long(), torch.from_numpy(boxes), torch.from_numpy(masks))


def find(network: nn.Module, picture: Image, plan: Plan) -> Found:
    """The objects of `picture` at its own size, as the program finds them with the deployed network."""
    side = _side(plan)
    fit = make_fit("letterbox", picture.shape[:2], (side, side))
    inside = np.full((side, side, 3), PAD, np.uint8)
    inside[fit.target.y : fit.target.y + fit.target.height, fit.target.x : fit.target.x + fit.target.width] = (
        cv2.resize(picture, (fit.target.width, fit.target.height), interpolation=cv2.INTER_LINEAR)
    )
    with torch.inference_mode():
        boxes, scores, ids, masks = (each[0].numpy() for each in network(as_input(inside[None], plan)))
    instances = read_instances(boxes, scores, ids, masks, fit, _LEAST_SCORE, len(plan.classes))
    return numbered(instances, picture.shape)


def _find(root: str, folder: Folder) -> list[Labelled]:
    return find_labelled(Path(root) / folder.pictures, Path(root) / folder.masks)


def _side(plan: Plan) -> int:
    if not plan.export.height or plan.export.height != plan.export.width:
        raise InputError("export: a network for objects has one fixed size", "give height and width, alike: 512")
    return plan.export.height

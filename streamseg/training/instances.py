"""Learning objects: pictures whose objects are numbered, and the network's answers judged."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamseg.errors import InputError
from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.judges import numbered
from streamseg.evaluation.objects import Labelled, Objects, find_labelled, read_objects
from streamseg.frame import Image
from streamseg.infer.families import Limits
from streamseg.infer.families.watershed import Watershed
from streamseg.infer.instances import place, read_instances
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import PAD
from streamseg.training.augment import augment, degrade
from streamseg.training.data import read_image
from streamseg.training.groups import divide
from streamseg.training.instance_loss import Target, instance_loss
from streamseg.training.network import architecture, as_input, as_run
from streamseg.training.plan import Folder, Plan
from streamseg.training.sets import drawn, whole_sum
from streamseg.training.watershed import watershed_loss

_LEAST_PIXELS = 12
_LEAST_SCORE = 0.5
_ALIKE = 48.0  # from one mean colour to another, of 0..255 in three channels: what looks alike


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
        if data.also or plan.augment.paste or data.thin:
            raise InputError("data.also, data.thin and augment.paste are for masks of class ids", "leave them out")
        parts = divide(_find(data.root, data.train), data, lambda each: each.image)
        sets = {"held out": parts.held} if parts.held else {}
        if data.validation:
            sets["validation"] = _find(data.root, data.validation)
        self._images = [self._load(each) for each in parts.learnt]
        self._checked, self._sealed = sets, parts.sealed
        for each in (*itertools.chain(*sets.values()), *parts.sealed):
            self._read(each)  # what is wrong with it is told now, not when it is scored, hours later
        self._often = whole_sum(
            plan.schedule.repeat * rare_looks([each for each, _ in self._images], plan.schedule.rare)
        )

    @property
    def checks(self) -> list[str]:
        """What is held out first."""
        return list(self._checked)

    def __len__(self) -> int:
        return round(self._often.sum())

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Which pictures an epoch shows, one after the other."""
        if not self._plan.schedule.rare:
            return random.permutation(len(self)) % len(self._images)
        return drawn(self._often, random)

    def loss(self, network: nn.Module, views: Sequence[tuple[int, np.random.Generator]], epoch: int) -> Tensor:
        """Both stages' losses, or that of the maps, on random views of some pictures."""
        images, seen_objects = [], []
        for index, random in views:
            image, objects = self._images[index]
            seen, numbers = augment(image, objects.numbers, self._plan.augment, random, pad=True)
            seen = degrade(seen, self._plan.augment, random)
            images.append(seen)
            seen_objects.append(Objects(numbers, objects.class_ids))
        x = as_input(np.stack(images), self._plan)
        if architecture(self._plan).gives == "maps":
            how = self._plan.loss
            with torch.autocast("cpu", torch.bfloat16, enabled=self._plan.schedule.precision == "bf16"):
                logits = network(x)
            return watershed_loss(logits, [each.numbers for each in seen_objects], dice=how.dice, coarse=how.coarse)
        targets = [make_target(each) for each in seen_objects]
        chance = torch.Generator().manual_seed(int(views[0][1].integers(1 << 62)))
        return instance_loss(network, x, targets, chance)  # type: ignore[arg-type]

    def score(self, network: nn.Module, check: str) -> dict[str, float]:
        """Shares of objects right and average precisions, judged at the pictures' own sizes."""
        return self._score(network, self._checked[check])

    def score_sealed(self, network: nn.Module) -> dict[str, float]:
        """The same on what was neither learnt from nor chosen by; empty where there is nothing."""
        return self._score(network, self._sealed) if self._sealed else {}

    def _score(self, network: nn.Module, labelled: Sequence[Labelled]) -> dict[str, float]:
        count = InstanceCount(len(self._plan.classes))
        for each in labelled:
            image, objects = self._read(each)
            count.add(objects, find(network, image, self._plan))
        scores = count.scores()
        return {"right": scores.right, "right50": scores.right50, "ap50": scores.ap50, "ap": scores.ap}

    def _read(self, each: Labelled) -> tuple[Image, Objects]:
        image = read_image(each.image)
        return image, read_objects(each, [entry.name for entry in self._plan.classes], image.shape)

    def _load(self, each: Labelled) -> tuple[Image, Objects]:
        image, objects = self._read(each)
        scale = _side(self._plan) / max(image.shape[:2])
        if architecture(self._plan).gives == "maps" and scale < 1:
            scale **= 0.5  # between a large picture as a whole and one of its tiles
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        numbers = cv2.resize(objects.numbers, size, interpolation=cv2.INTER_NEAREST_EXACT)  # where the picture's are
        return np.asarray(small, np.uint8), Objects(np.asarray(numbers, np.uint16), objects.class_ids)


def rare_looks(images: Sequence[Image], rare: float) -> NDArray[np.float64]:
    """(N,): how often each picture is shown, 1 or more; those of a mean colour that few have, the most often."""
    if not rare:
        return np.ones(len(images))
    colours = np.array([image.mean((0, 1)) for image in images])
    shares = np.array([np.mean(np.linalg.norm(colours - each, axis=1) < _ALIKE) for each in colours])
    return np.asarray(np.sqrt(np.maximum(1.0, rare / shares)), np.float64)


def make_target(objects: Objects) -> Target:
    """Boxes and masks of the objects of a view; slivers at its edge are left out."""
    sizes = np.bincount(objects.numbers.reshape(-1), minlength=len(objects.class_ids))
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= _LEAST_PIXELS)
    masks = np.zeros((len(kept), *objects.numbers.shape), np.uint8)
    boxes = np.zeros((len(kept), 4), np.float32)
    for index, number in enumerate(kept):
        np.equal(objects.numbers, number, out=masks[index], casting="unsafe")
        x, y, width, height = cv2.boundingRect(masks[index])
        boxes[index] = x, y, x + width, y + height
    return Target(torch.from_numpy(objects.class_ids[kept]).long(), torch.from_numpy(boxes), torch.from_numpy(masks))


def find(network: nn.Module, image: Image, plan: Plan) -> Found:
    """The objects of `image` at its own size, as the program finds them with the deployed network."""
    if architecture(plan).gives == "maps":
        return _find_in_maps(network, image, plan)
    side = _side(plan)
    fit = make_fit("letterbox", image.shape[:2], (side, side))
    inside = np.full((side, side, 3), PAD, np.uint8)
    inside[fit.target.y : fit.target.y + fit.target.height, fit.target.x : fit.target.x + fit.target.width] = (
        cv2.resize(image, (fit.target.width, fit.target.height), interpolation=cv2.INTER_LINEAR)
    )
    with torch.inference_mode():
        boxes, scores, ids, masks = (each[0].numpy() for each in network(as_input(inside[None], plan)))
    instances = read_instances(boxes, scores, ids, masks, fit, _LEAST_SCORE, len(plan.classes))
    return numbered(instances, image.shape)


def _find_in_maps(network: nn.Module, image: Image, plan: Plan) -> Found:
    inside = as_run(image, plan)
    fit = make_fit("stretch", image.shape[:2], inside.shape[:2])
    with torch.inference_mode():
        maps = torch.sigmoid(network(as_input(inside[None], plan))[0])[0].numpy()
    limits = Limits(_LEAST_SCORE, Watershed.defaults.most, None)
    objects = Watershed().decode({"maps": maps}, fit.size, limits)
    return numbered(place(objects, fit, len(plan.classes), 0), image.shape)


def _find(root: str, folder: Folder) -> list[Labelled]:
    return find_labelled(Path(root) / folder.pictures, Path(root) / folder.masks)


def _side(plan: Plan) -> int:
    if architecture(plan).gives == "maps":
        return plan.export.side
    if not plan.export.height or plan.export.height != plan.export.width:
        raise InputError("export: a network for objects has one fixed size", "give height and width, alike: 512")
    return plan.export.height

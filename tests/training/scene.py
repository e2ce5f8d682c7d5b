"""Tiny generated pictures with masks, and plans for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.training.plan import Plan

SIDE = 64


def draw_scene(seed: int, n_classes: int = 3) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture (64, 64, 3) with shapes of a colour a class on noise, and its mask."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    colours = ((40, 200, 40), (220, 60, 60))
    for class_id in range(1, n_classes):
        left, top = (int(value) for value in random.integers(2, 34, 2))
        corner, other = (left, top), (left + 24, top + 20)
        cv2.rectangle(picture, corner, other, colours[class_id - 1], -1)
        cv2.rectangle(mask, corner, other, (class_id,), -1)
    return picture, mask


def write_scene(root: Path, n: int = 2, n_classes: int = 3) -> None:
    for folder in ("pictures", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed in range(n):
        picture, mask = draw_scene(seed, n_classes)
        cv2.imwrite(str(root / "pictures" / f"{seed}.png"), picture)
        cv2.imwrite(str(root / "masks" / f"{seed}.png"), mask)


def make_plan(root: Path, n_classes: int = 3, **tables: dict[str, Any]) -> Plan:
    """A plan for the pictures in `root`; `tables` are laid over its own."""
    folder = {"pictures": "pictures", "masks": "masks"}
    plan: dict[str, Any] = {
        "name": "scene",
        "classes": [{"name": f"class {i}", "colour": f"{i * 40:02x}8040"} for i in range(n_classes)],
        "data": {"root": str(root), "train": folder},
        "network": {"architecture": "unet", "width": 4, "depth": 2, "encoder": "random"},
        "augment": {"crop": [SIDE, SIDE], "flip": "none"},
        "export": {"side": SIDE},
        "schedule": {"epochs": 2, "batch": 2, "ema": 0.9, "warm_up_steps": 2},
    }
    for name, table in tables.items():
        plan[name] = {**plan.get(name, {}), **table}
    return msgspec.convert(plan, Plan)


class Silent:
    """A watcher that only remembers."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def step(self, done: int, total: int, loss: float) -> None:
        assert 0 < done <= total
        self.losses.append(loss)

    def epoch(self, row: dict[str, float]) -> None:
        pass


class StopError(Exception):
    """What `StopsAfter` raises."""


class StopsAfter(Silent):
    """Ends a training once so many epochs are on disk."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def epoch(self, row: dict[str, float]) -> None:
        if row["epoch"] == self.epochs:
            raise StopError

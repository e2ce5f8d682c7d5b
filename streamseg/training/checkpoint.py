"""The state of a training on disk: written whole or not at all, read without running anything from the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamseg.errors import InputError, OutputError
from streamseg.files import whole
from streamseg.training.plan import Plan, parse_plan, plan_text

Row = dict[str, float]
"""One epoch's figures by name."""


def save_checkpoint(path: Path, plan: Plan, state: Mapping[str, Any]) -> None:
    """Raises OutputError where `path` cannot be written."""
    with whole(path, overwrite=True) as part:
        try:
            torch.save({"plan": plan_text(plan), **state}, part)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OutputError(f"{path}: {error}") from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Raises InputError where `path` is no checkpoint of ours."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch names no class for a broken file
        raise InputError(f"{path}: not a checkpoint, or a damaged one") from None
    if not isinstance(state, dict) or "plan" not in state or "average" not in state:
        raise InputError(f"{path}: not a checkpoint of a streamseg training")
    return state


def checkpoint_plan(state: Mapping[str, Any]) -> Plan:
    """The plan that the checkpoint was trained by."""
    return parse_plan(state["plan"])


def start_from(network: nn.Module, path: Path) -> list[str]:
    """Takes over what fits from another training's checkpoint; gives the names of what did not (other classes)."""
    theirs: dict[str, Tensor] = load_checkpoint(path)["average"]
    ours = network.state_dict()
    fitting = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    if not fitting:
        raise InputError(f"{path}: no layer of it fits this architecture")
    network.load_state_dict(fitting, strict=False)
    return [name for name in ours if name not in fitting]

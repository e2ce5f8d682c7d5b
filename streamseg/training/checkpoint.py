"""The state of a training on disk: written whole or not at all, read without running anything from the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from streamseg.errors import InputError, OutputError
from streamseg.files import whole
from streamseg.training.plan import Plan, parse_plan, plan_text

Row = dict[str, float]
"""One epoch's figures by name."""


def save_checkpoint(path: Path, plan: Plan, state: Mapping[str, Any]) -> None:
    """Raises OutputError where `path` cannot be written."""
    with whole(path, overwrite=True) as part, part.open("wb") as file:
        try:
            torch.save({"plan": plan_text(plan), **state}, file)
        except RuntimeError as error:  # what torch makes of a full disk, which says no word of that
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise OutputError(f"{path}: {error}") from None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Raises InputError where `path` is no checkpoint of ours."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch names no class for a broken file
        raise InputError(f"{path}: not a checkpoint, or a damaged one") from None
    if not isinstance(state, dict) or not isinstance(state.get("plan"), str) or not _are_weights(state.get("average")):
        raise InputError(f"{path}: not a checkpoint of a streamseg training")
    return state


def _are_weights(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, Tensor) for each in value.values())


def checkpoint_plan(state: Mapping[str, Any], path: Path) -> Plan:
    """The plan that the checkpoint in `path` was trained by.

    Raises:
        InputError: this version knows no such plans.
    """
    try:
        return parse_plan(state["plan"])
    except msgspec.DecodeError:
        raise InputError(
            f"{path}: its plan is none of this version's", "continue with the version that trained it"
        ) from None


def fill(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Gives `network` all of its `weights`; raises InputError where those of `path` are of another network."""
    try:
        network.load_state_dict(weights)
    except RuntimeError:
        raise InputError(
            f"{path}: its weights are not those of the network in its plan", "was it trained by another version?"
        ) from None


def start_from(network: nn.Module, path: Path) -> list[str]:
    """Takes over what fits from another training's checkpoint; gives the names of what did not (other classes)."""
    theirs: dict[str, Tensor] = load_checkpoint(path)["average"]
    ours = network.state_dict()
    fitting = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
    if not fitting:
        raise InputError(f"{path}: no layer of it fits this architecture")
    network.load_state_dict(fitting, strict=False)
    return [name for name in ours if name not in fitting]

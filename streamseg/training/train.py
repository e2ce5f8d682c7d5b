"""From a plan to weights: the loop, and nothing that it can leave to others."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import torch
from torch import nn

from streamseg.errors import InputError, OutputError
from streamseg.files import whole
from streamseg.infer import unknown_model
from streamseg.infer.model.catalogue import IN_PACKAGES, find_added, find_model
from streamseg.training.checkpoint import Row, checkpoint_plan, fill, load_checkpoint, save_checkpoint, start_from
from streamseg.training.curves import draw_curves, write_table
from streamseg.training.ema import Average
from streamseg.training.export_wrapper import model_spec
from streamseg.training.instances import InstanceTask
from streamseg.training.network import architecture, build, refuse_impossible, without_pretraining
from streamseg.training.plan import Plan, same_training
from streamseg.training.reread import start_from_model
from streamseg.training.semantic import Semantic
from streamseg.training.task import Task

LAST, BEST, SEALED = "last.pt", "best.pt", "sealed.json"
TABLE, CURVES = "curves.csv", "curves.png"


class Watcher(Protocol):
    """Who wants to know how it goes."""

    def step(self, done: int, total: int, loss: float) -> None:
        """After every batch; steps are counted over the whole training."""

    def epoch(self, row: Row) -> None:
        """After every epoch, when its checkpoint is on disk."""


def train(plan: Plan, folder: Path, watcher: Watcher) -> list[Row]:
    """Trains as `plan` says, or continues where a training in `folder` was interrupted; gives a row an epoch.

    `folder` gets last.pt (everything, after every epoch), best.pt (the weights that scored best on the pictures held
    out, else on the validation set), curves.csv and curves.png. Same plan, seed and machine: same weights.

    Raises:
        InputError: pictures, masks or plan are wrong, or `folder` holds a training by another plan.
        OutputError: `folder` cannot be written, or holds files that a training would write over.
    """
    keep_freed_memory()
    torch.set_num_threads(plan.schedule.threads)
    torch.manual_seed(plan.schedule.seed)
    training = _Training(plan, folder)
    while training.epoch < plan.schedule.epochs:
        watcher.epoch(training.run_epoch(watcher))
    return training.history


def score_sealed(plan: Plan, folder: Path) -> dict[str, float]:
    """What the weights in `folder` score on the pictures that the plan seals, taken once and kept in sealed.json.

    Raises:
        InputError: the plan or the checkpoint is wrong.
        OutputError: `folder` cannot be written.
    """
    kept = folder / SEALED
    if kept.is_file():
        return _read_scores(kept)
    task = _make_task(plan)
    network = build(without_pretraining(plan)).train(False)
    best = folder / BEST if (folder / BEST).is_file() else folder / LAST
    fill(network, load_checkpoint(best)["average"], best)
    if found := task.score_sealed(network):
        with whole(kept, overwrite=True) as part:
            part.write_bytes(msgspec.json.encode(found))
    return found


def _read_scores(kept: Path) -> dict[str, float]:
    """What was written there; JSON has null for a class that neither occurs nor is found."""
    try:
        found = msgspec.json.decode(kept.read_bytes(), type=dict[str, float | None])
    except (UnicodeDecodeError, msgspec.DecodeError):
        raise InputError(f"{kept}: is damaged", "take it away, and the same command scores once more") from None
    return {name: math.nan if value is None else value for name, value in found.items()}


class _Training:
    """What changes from step to step."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        refuse_impossible(plan)
        model_spec(plan)  # what it will be exported with is wrong now, not after the hours that it takes
        self._task = _make_task(plan)
        self._steps = len(self._task) // plan.schedule.batch
        if not self._steps:
            raise InputError(
                f"{len(self._task)} pictures fill no batch of {plan.schedule.batch}",
                "lower schedule.batch or raise repeat",
            )
        self.epoch = 0
        self._network: nn.Module = build(plan).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if plan.network.start_from:
            self._start_from(plan.network.start_from)
        self._average = Average(self._network, plan.schedule.ema)
        self._optimiser = _optimiser(self._network, plan)
        self.history: list[Row] = []
        self._best = -1.0
        self._prepare_folder()

    def _start_from(self, named: str) -> None:
        """A checkpoint, or a model by file or name."""
        model = Path(named) if named.endswith(".onnx") else find_model(named) or find_added(named)
        if model is None and named in IN_PACKAGES:
            raise unknown_model(named)
        if model is None:
            start_from(self._network, Path(named))
            return
        order = self._task.order(np.random.default_rng(self._plan.schedule.seed))[: self._plan.schedule.batch].tolist()
        start_from_model(
            self._network, model, self._plan, lambda: self._task.loss(self._network, self._views(0, order), 0)
        )

    def run_epoch(self, watcher: Watcher) -> Row:
        """Learns from every picture once (or `repeat` times), scores where it is due, and writes the checkpoint."""
        schedule, started_s = self._plan.schedule, time.monotonic()
        self._thaw()
        order = self._task.order(np.random.default_rng((schedule.seed, self.epoch)))
        losses = []
        for index in range(self._steps):
            loss = self._step(index, order[index * schedule.batch : (index + 1) * schedule.batch].tolist())
            losses.append(loss)
            watcher.step(self._done(index) + 1, self._steps * schedule.epochs, loss)
        row: Row = {"epoch": self.epoch + 1, "loss": float(np.mean(losses)), "rate": self._rate(self._steps - 1)}
        row["seconds"] = time.monotonic() - started_s
        self.epoch += 1
        if self.epoch % schedule.validate_every == 0 or self.epoch == schedule.epochs:
            self._validate(row)
        self.history.append(row)
        self._save()
        return row

    def _step(self, index: int, chosen: list[int]) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate(index) * group["scale"]
        loss = self._task.loss(self._network, self._views(index, chosen), self.epoch)
        if not math.isfinite(value := loss.item()):
            raise InputError(f"epoch {self.epoch + 1}: the loss is no number any more", "lower schedule.rate")
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._average.add(self._network, self._done(index) + 1)
        return value

    def _views(self, index: int, chosen: list[int]) -> list[tuple[int, np.random.Generator]]:
        """Every picture's changes hang on seed, epoch and place alone, so that an interruption changes nothing."""
        seed, first = self._plan.schedule.seed, index * self._plan.schedule.batch
        return [(image, np.random.default_rng((seed, self.epoch, place))) for place, image in enumerate(chosen, first)]

    def _rate(self, index: int) -> float:
        """Up in a line, then down along a cosine."""
        schedule, done = self._plan.schedule, self._done(index)
        warm = min(1.0, (done + 1) / schedule.warm_up_steps) if schedule.warm_up_steps else 1.0
        return schedule.rate * warm * 0.5 * (1 + math.cos(math.pi * done / (self._steps * schedule.epochs)))

    def _done(self, index: int) -> int:
        return self.epoch * self._steps + index

    def _thaw(self) -> None:
        self._network.train()
        encoder = getattr(self._network, "encoder", None)
        if encoder is not None:
            frozen = self.epoch < self._plan.schedule.freeze_epochs
            encoder.requires_grad_(not frozen)
            encoder.train(not frozen)

    def _validate(self, row: Row) -> None:
        for index, check in enumerate(self._task.checks):
            found = self._task.score(self._average.network, check)
            row |= {f"{check} {name}": value for name, value in found.items()}
            if index == 0 and (score := next(iter(found.values()))) > self._best:
                self._best = score
                save_checkpoint(self._folder / BEST, self._plan, {**self._weights_now(), "row": dict(row)})

    def _save(self) -> None:
        state = {
            **self._weights_now(),
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "history": self.history,
            "best": self._best,
        }
        save_checkpoint(self._folder / LAST, self._plan, state)
        write_table(self.history, self._folder / TABLE)
        draw_curves(self.history, self._folder / CURVES)

    def _weights_now(self) -> dict[str, object]:
        return {"average": self._average.network.state_dict(), "epoch": self.epoch}

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: {error.strerror}") from None
        last = self._folder / LAST
        if not last.exists():
            for name in (BEST, SEALED, TABLE, CURVES, f"{self._plan.name}.onnx"):
                if os.path.lexists(self._folder / name) and not (name == BEST and self._stopped_in_first_epoch()):
                    raise OutputError(f"{self._folder / name}: exists, but no training does", "give another folder")
            return
        state = load_checkpoint(last)
        if not same_training(checkpoint_plan(state, last), self._plan):
            raise InputError(f"{self._folder}: holds a training by another plan", "give another folder")
        try:
            self._network.load_state_dict(state["network"])
            self._average.network.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.epoch, self.history, self._best = int(state["epoch"]), list(state["history"]), float(state["best"])
        except (KeyError, RuntimeError, TypeError, ValueError):
            raise InputError(
                f"{last}: no training can continue from it: is it another checkpoint, or another version's?",
                "give another folder",
            ) from None

    def _stopped_in_first_epoch(self) -> bool:
        """Whether the best weights are from there: they are written before the rest is."""
        try:
            state = load_checkpoint(self._folder / BEST)
            return state.get("epoch") == 1 and same_training(checkpoint_plan(state, self._folder / BEST), self._plan)
        except InputError:
            return False


def _make_task(plan: Plan) -> Task:
    return InstanceTask(plan) if architecture(plan).instances else Semantic(plan)


def _optimiser(network: nn.Module, plan: Plan) -> torch.optim.AdamW:
    """Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019; two groups, the encoder's being slower."""
    schedule = plan.schedule
    groups: dict[float, list[nn.Parameter]] = {schedule.encoder_rate: [], 1.0: []}
    for name, parameter in network.named_parameters():
        groups[schedule.encoder_rate if name.startswith("encoder.") else 1.0].append(parameter)
    named = [{"params": parameters, "scale": scale} for scale, parameters in groups.items() if parameters]
    return torch.optim.AdamW(named, lr=schedule.rate, weight_decay=schedule.weight_decay)


def keep_freed_memory() -> None:
    """Tells glibc to hand freed memory out again instead of giving it back to the system.

    Each step frees and takes the same gigabyte of activations; page faults were a quarter of a step's time.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_max = -1, -4
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, -1)

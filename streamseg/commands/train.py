"""`streamseg train`: from a plan and labelled pictures to a model that runs."""

from __future__ import annotations

import argparse
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from streamseg.training.checkpoint import Row
    from streamseg.training.plan import Plan


def add_flags(command: argparse.ArgumentParser) -> None:
    """The plan, and where things lie."""
    command.add_argument(
        "plan", type=Path, nargs="?", help="YAML file; see configs/train/ and docs/training.md. With --from a folder"
    )
    command.add_argument(
        "--from",
        dest="model",
        metavar="MODEL",
        help="train this model further, by name or file, on what a labelling tool exported, or `dataset:` wrote",
    )
    command.add_argument(
        "--new-classes", action="store_true", help="with --from: those that the folder names, instead of the model's"
    )
    command.add_argument("--epochs", type=int, metavar="N", help="with --from (default: 10; of new classes 30)")
    command.add_argument("--data", metavar="FOLDER", help="where the pictures lie, instead of the plan's data.root")
    command.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for checkpoints, curves and model (default: training/NAME)"
    )
    command.add_argument(
        "--folds", action="store_true", help="instead of a model: train once for each fold of the plan, give the spread"
    )
    command.add_argument("--list", action="store_true", help="name the architectures")


def run(arguments: argparse.Namespace) -> int:
    """Trains by a plan, makes the model and says how to run it."""
    from streamseg.training import need_torch

    need_torch()
    if arguments.list:
        return _print_architectures()
    if arguments.plan is None:
        missing = ("which pictures?", "--from MODEL FOLDER") if arguments.model else ("which plan?", "PLAN.yaml")
        raise InputError(missing[0], f"streamseg train {missing[1]}; see docs/training.md")
    if arguments.model:
        return _train_further(arguments)
    if arguments.epochs is not None:
        raise InputError("--epochs: a plan has its own", "schedule: {epochs: …}")
    if arguments.new_classes:
        raise InputError("--new-classes: a plan names its own", "streamseg train --from MODEL FOLDER --new-classes")
    from streamseg.training.plan import read_plan

    plan = read_plan(arguments.plan, arguments.data)
    folder = arguments.out or Path("training") / plan.name
    return _train_folds(plan, folder) if arguments.folds else _make_model(plan, folder)


def _train_further(arguments: argparse.Namespace) -> int:
    """From a model's own weights, on corrected pictures."""
    import tempfile

    from streamseg.evaluation.corrected import bring_in
    from streamseg.evaluation.objects import UnknownClassError
    from streamseg.infer import network_file
    from streamseg.infer.model.catalogue import load_spec
    from streamseg.infer.model.spec import spec_classes
    from streamseg.training.retrain import retraining

    epochs = arguments.epochs
    if (epochs is not None and epochs < 1) or arguments.folds or arguments.data:
        raise InputError("--from takes a folder, --out, and --epochs from 1 on", "streamseg train --from MODEL FOLDER")
    model = network_file(arguments.model)
    spec = load_spec(model)
    with tempfile.TemporaryDirectory(prefix="streamseg-") as scratch:
        classes = None if arguments.new_classes else spec_classes(spec)
        try:
            found = bring_in(arguments.plan, classes, Path(scratch), instances=spec.task == "instance")
        except UnknownClassError as error:
            hint = f"{error.hint}; or a model of what the folder names, with --new-classes"
            raise InputError(error.message, hint) from None
        name = arguments.plan.absolute().name if arguments.new_classes else ""
        plan = retraining(model, found, epochs, name)
        return _make_model(plan, arguments.out or Path("training") / plan.name)


def _make_model(plan: Plan, folder: Path) -> int:
    from streamseg.commands.export import CHECKED, print_exported
    from streamseg.training.data import some_images
    from streamseg.training.export import export
    from streamseg.training.train import score_sealed

    best, _ = _train(plan, folder)
    if sealed := score_sealed(plan, folder):
        scores = ", ".join(f"{name} {value:.1%}" for name, value in sealed.items() if not math.isnan(value))
        print(f"sealed, scored once: {scores}")
    images = some_images(Path(plan.data.root) / plan.data.train.pictures, CHECKED)
    print_exported(export(best, folder / f"{plan.name}.onnx", images, plan, overwrite=True))  # its own of before
    return 0


def _train(plan: Plan, folder: Path) -> tuple[Path, list[Row]]:
    """The best checkpoint, which is said, and every epoch's figures."""
    from streamseg.training.progress import watching
    from streamseg.training.train import BEST, LAST, train

    try:
        with watching(plan.schedule.epochs) as watcher:
            history = train(plan, folder, watcher)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues from the last epoch") from None
    best = folder / BEST if (folder / BEST).is_file() else folder / LAST
    print(f"{best}: {summary(history)}")
    return best, history


def _train_folds(plan: Plan, folder: Path) -> int:
    """One training for each fold, and how far their scores lie apart; no model is made."""
    import numpy as np

    from streamseg.training.plan import of_fold
    from streamseg.training.task import main_scores

    count = of_fold(plan, 0).data.hold_out_groups.folds  # type: ignore[union-attr]
    scores = []
    for fold in range(count):
        _, history = _train(of_fold(plan, fold), folder / f"fold-{fold}")
        scores.append(max(next(iter(found.values())) for row in history if (found := main_scores(row))))
    spread = np.std(scores, ddof=1)
    print(f"{count} folds: {np.mean(scores):.1%} ({min(scores):.1%} to {max(scores):.1%}, deviation {spread:.1%})")
    return 0


def summary(history: Sequence[Mapping[str, float]]) -> str:
    """The best score and its epoch, in words."""
    from streamseg.training.task import main_scores

    scored = [(main_scores(row), row["epoch"]) for row in history]
    name = next((name for scores, _ in scored for name in scores), None)
    if name is None:
        return f"{len(history)} epochs, nothing to validate on"
    best, epoch = max((scores[name], -epoch) for scores, epoch in scored if name in scores)
    return f"{name} {best:.1%} in epoch {-epoch:.0f}"


def _print_architectures() -> int:
    from streamseg.training.network import ARCHITECTURES

    for name, architecture in ARCHITECTURES.items():
        print(f"{name:12} {architecture.summary}")
    return 0

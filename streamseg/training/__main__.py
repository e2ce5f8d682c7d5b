"""`python -m streamseg.training`: trains, exports and lists architectures; says each mistake in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import InputError, StreamsegError

if TYPE_CHECKING:
    from streamseg.training.checkpoint import Row


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or that of the error."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except StreamsegError as error:
        print(f"streamseg: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("streamseg: interrupted; the same command goes on from the last epoch", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streamseg.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train by a plan, or go on with an interrupted training")
    train.add_argument("plan", type=Path, help="YAML file; see configs/train/")
    train.add_argument("--data", help="folder of the pictures, instead of the plan's data.root")
    train.add_argument("--out", type=Path, help="folder for checkpoints and curves (default: training/NAME)")
    train.set_defaults(command=_train)
    export = commands.add_parser("export", help="make an ONNX model of a checkpoint")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("target", type=Path)
    export.add_argument("--pictures", type=Path, help="folder of pictures to compare PyTorch and ONNX Runtime on")
    export.add_argument("--plan", type=Path, help="take size, licence and summary from this plan, not the checkpoint's")
    export.set_defaults(command=_export)
    commands.add_parser("list", help="the architectures").set_defaults(command=_list)
    return parser


def _train(options: argparse.Namespace) -> None:
    _need_torch()
    from streamseg.training.plan import read_plan
    from streamseg.training.progress import watching
    from streamseg.training.train import BEST, train

    plan = read_plan(options.plan, options.data)
    folder = options.out or Path("training") / plan.name
    with watching(plan.schedule.epochs) as watcher:
        history = train(plan, folder, watcher)
    print(f"{folder / BEST}: {summary(history)}")


def _export(options: argparse.Namespace) -> None:
    _need_torch()
    from streamseg.training.data import find_pictures, read_picture
    from streamseg.training.export import export
    from streamseg.training.plan import read_plan

    plan = read_plan(options.plan) if options.plan else None
    pictures = [read_picture(path) for path in find_pictures(options.pictures)] if options.pictures else []
    done = export(options.checkpoint, options.target, pictures, plan)
    print(f"{done.file}: {done.agreement:.4%} of the pixels as PyTorch has them")


def _list(options: argparse.Namespace) -> None:
    _need_torch()
    from streamseg.training.network import ARCHITECTURES

    for name, architecture in ARCHITECTURES.items():
        print(f"{name:12} {architecture.summary}")


def summary(history: Sequence[Row]) -> str:
    """The best score and its epoch, in words."""
    from streamseg.training.task import main_scores

    scored = [(main_scores(row), row["epoch"]) for row in history]
    name = next((name for scores, _ in scored for name in scores), None)
    if name is None:
        return f"{len(history)} epochs, nothing to validate on"
    best, epoch = max((scores[name], -epoch) for scores, epoch in scored if name in scores)
    return f"{name} {best:.1%} in epoch {-epoch:.0f}"


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise InputError("training needs PyTorch", "pip install 'streamseg[train]'") from None


if __name__ == "__main__":
    sys.exit(main())

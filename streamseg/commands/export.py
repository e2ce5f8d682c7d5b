"""`streamseg export`: a model of a training's checkpoint."""

from __future__ import annotations

import argparse
import shlex
import typing
from pathlib import Path

from streamseg.commands.flags import add_overwrite

if typing.TYPE_CHECKING:
    from streamseg.training.export import Exported

CHECKED = 24
"""Pictures that PyTorch and the exported model are compared on."""


def add_flags(command: argparse.ArgumentParser) -> None:
    """The checkpoint, and the model that it becomes."""
    command.add_argument("checkpoint", type=Path, help="best.pt or last.pt of a training")
    command.add_argument("target", type=Path, help="FILE.onnx")
    add_overwrite(command)
    command.add_argument("--pictures", type=Path, metavar="FOLDER", help="compare PyTorch and ONNX Runtime on these")
    command.add_argument("--plan", type=Path, help="size, licence and summary from this plan, not the checkpoint's")


def run(arguments: argparse.Namespace) -> int:
    """Makes a model of a checkpoint."""
    from streamseg.training import need_torch

    need_torch()
    from streamseg.files import refuse_existing
    from streamseg.training.data import some_images
    from streamseg.training.export import export
    from streamseg.training.plan import read_plan

    read = [each for each in (arguments.plan, arguments.pictures) if each]
    refuse_existing(arguments.target, overwrite=arguments.overwrite, read=read)
    plan = read_plan(arguments.plan) if arguments.plan else None
    images = some_images(arguments.pictures, CHECKED) if arguments.pictures else []
    print_exported(export(arguments.checkpoint, arguments.target, images, plan, overwrite=arguments.overwrite))
    return 0


def print_exported(done: Exported) -> None:
    """How well it agrees with PyTorch, and how to run it."""
    print(f"{done.file}: {done.agreement:.3%} of the pixels as PyTorch has them")
    print(f"run it:  streamseg run SOURCE --model {shlex.quote(str(done.file))}")

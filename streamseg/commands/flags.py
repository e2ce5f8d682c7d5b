"""Flags that several commands have, and what their values must be."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from streamseg.files import text_lines
from streamseg.moment import Moment

N = TypeVar("N", int, float)
MODEL = "a name from `streamseg models`, or a file MODEL.onnx"


class Known(tuple[str, ...]):
    """Choices that help and completion name; values are checked where they are used, which says more of a wrong one."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return True


def add_overwrite(command: argparse.ArgumentParser) -> None:
    """For a command that writes a file."""
    command.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def add_gpu(command: argparse.ArgumentParser) -> None:
    """For a command that runs a network; the number is checked by `streamseg.infer.check_gpu`."""
    text = "which NVIDIA GPU runs the network: its number in `streamseg doctor` (default: the first)"
    command.add_argument("--gpu", type=_gpu, metavar="N", help=text)


def add_json(command: argparse.ArgumentParser) -> None:
    """For a command that prints a table."""
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")


def warn_if_busy() -> None:
    """For a command that measures."""
    from streamseg.machine import available_cores

    load, cores = os.getloadavg()[0], available_cores()
    if load > cores / 2:
        print(f"the machine is busy, load {load:.1f} on {cores} cores: measure again when it is not", file=sys.stderr)


def number(kind: Callable[[str], N], fits: Callable[[N], bool], expected: str) -> Callable[[str], N]:
    """For argparse: what reads a number of that `kind` that `fits`; else it says what was `expected`."""

    def read(text: str) -> N:
        if not fits(kind(text)):
            raise argparse.ArgumentTypeError(f"{text}: expected {expected}")
        return kind(text)

    return read


share = number(float, lambda given: 0 <= given <= 1, "a number from 0 to 1")
seconds = number(float, lambda given: 0 < given <= 86_400, "seconds, more than 0 and at most a day")
count = number(int, lambda given: 1 <= given <= 256, "1 to 256")
rounds = number(int, lambda given: 1 <= given <= 1000, "1 to 1000")
_gpu = number(int, lambda given: 0 <= given <= 63, "a whole number from 0 to 63")


def moment(text: str) -> Moment:
    """For argparse: a time or a number of frames, above 0."""
    try:
        length = Moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not (length.seconds or length.frames):
        raise argparse.ArgumentTypeError(f"{text}: expected more than nothing")
    return length


def listed(text: str) -> list[str]:
    """Words between commas, or the lines of a text file."""
    path = Path(text)
    if path.suffix == ".txt" and path.is_file():
        return [line.strip() for line in text_lines(path) if line.strip()]
    return [word.strip() for word in text.split(",")]

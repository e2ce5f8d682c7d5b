"""Flags that several commands have, and what their values must be."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from streamseg.files import text_lines
from streamseg.moment import Moment

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
    command.add_argument("--gpu", type=gpu, metavar="N", help=text)


def add_json(command: argparse.ArgumentParser) -> None:
    """For a command that prints a table."""
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")


def warn_if_busy() -> None:
    """For a command that measures."""
    from streamseg.machine import available_cores

    load, cores = os.getloadavg()[0], available_cores()
    if load > cores / 2:
        print(f"the machine is busy, load {load:.1f} on {cores} cores: measure again when it is not", file=sys.stderr)


def share(text: str) -> float:
    """For argparse: 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 to 1")
    return float(text)


def moment(text: str) -> Moment:
    """For argparse: a time or a number of frames, above 0."""
    try:
        length = Moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not (length.seconds or length.frames):
        raise argparse.ArgumentTypeError(f"{text}: expected more than nothing")
    return length


def seconds(text: str) -> float:
    """For argparse: some time, a day at most."""
    if not 0 < float(text) <= 86_400:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds, more than 0 and at most a day")
    return float(text)


def gpu(text: str) -> int:
    """For argparse: 0 to 63, as the option `gpu` has it."""
    if not 0 <= int(text) <= 63:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 0 to 63")
    return int(text)


def count(text: str) -> int:
    """For argparse: 1 to 256."""
    if not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 256")
    return int(text)


def rounds(text: str) -> int:
    """For argparse: 1 to 1000."""
    if not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 1000")
    return int(text)


def listed(text: str) -> list[str]:
    """Words between commas, or the lines of a text file."""
    path = Path(text)
    if path.suffix == ".txt" and path.is_file():
        return [line.strip() for line in text_lines(path) if line.strip()]
    return [word.strip() for word in text.split(",")]

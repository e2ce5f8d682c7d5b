"""The commands of the command line, one file each: its flags, and what it does."""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    import argparse


class Action(typing.Protocol):
    """What the file of a command holds; it imports what takes time only once it runs."""

    def add_flags(self, command: argparse.ArgumentParser) -> None:
        """Adds the command's own arguments and flags."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Does it and gives the exit code.

        Raises:
            StreamsegError: what a user can mend; it becomes one line and its own exit code.
        """


class Command(typing.NamedTuple):
    """One line of the table."""

    module: str
    """The file in this folder."""
    summary: str
    endless: bool = False
    """Whether being asked to end is how it ends."""

    def load(self) -> Action:
        """Imports its file."""
        return typing.cast(Action, importlib.import_module(f"streamseg.commands.{self.module}"))


COMMANDS = {
    "run": Command("run", "segment a camera, stream, file or pictures", endless=True),
    "batch": Command("batch", "run an archive of films into one folder, by several processes"),
    "serve": Command("serve", "run many streams as a service, seen over HTTP", endless=True),
    "ctl": Command("ctl", "see and change a service that runs"),
    "models": Command("models", "list what --model can name"),
    "doctor": Command("doctor", "show what this machine has and what run would use"),
    "import": Command("import_model", "make a fast, self-describing model of any ONNX file"),
    "train": Command("train", "train a network on your pictures, or continue an interrupted training"),
    "export": Command("export", "make a model of a training's checkpoint"),
    "export-triton": Command("export_triton", "write what Triton or OpenVINO Model Server loads a model from"),
    "quantise": Command("quantise", "make a model of 8-bit integers: smaller, and often quicker"),
    "build": Command("build", "build a TensorRT engine, for a GPU that need not be here"),
    "tune": Command("tune", "find the quickest way to run a model here, and remember it"),
    "bench": Command("bench", "compare speeds: a loop as in tutorials, other programs, the upper bound"),
    "eval": Command("evaluate", "score a model on labelled pictures, as it will run"),
    "compare": Command("compare", "run a model on two backends, or two models, and compare"),
    "plan": Command("plan", "say how many boxes and servers so many cameras need"),
    "completion": Command("completion", "print the completion script of a shell"),
}
"""By the word that is typed. A further command is a file in this folder and a line here."""

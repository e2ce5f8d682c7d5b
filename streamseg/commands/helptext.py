"""How help is laid out: what is rarely needed is left to `--help-all`."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Sequence

_NAMES_WIDTH = 32  # of the column of flags: `--overwrite, --no-overwrite` fits


class Rare(str):
    """The help of a flag, or a paragraph, that only `--help-all` shows."""

    __slots__ = ()


class Formatter(argparse.RawDescriptionHelpFormatter):
    """For `--help`."""

    everything = False

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_NAMES_WIDTH)

    def add_argument(self, action: argparse.Action) -> None:
        """A flag or argument."""
        if self.everything or not isinstance(action.help, Rare):
            super().add_argument(action)

    def add_text(self, text: str | None) -> None:
        """A paragraph."""
        if self.everything or not isinstance(text, Rare):
            super().add_text(text)


class _Everything(Formatter):
    everything = True


class HelpAll(argparse.Action):
    """Prints the help with everything in it and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[typing.Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Called by argparse where the flag stands."""
        parser.formatter_class = _Everything
        parser.print_help()
        parser.exit()


def leaves_out(command: argparse.ArgumentParser) -> bool:
    """Whether `--help` of the command shows less than there is."""
    return any(isinstance(action.help, Rare) for action in command._actions)

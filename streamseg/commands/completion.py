"""`streamseg completion`: what makes a shell complete the words of the command line."""

from __future__ import annotations

import argparse


def add_flags(command: argparse.ArgumentParser) -> None:
    """The shell."""
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    import shtab

    from streamseg.commands.parser import parser

    print(shtab.complete(parser(), arguments.shell))
    return 0

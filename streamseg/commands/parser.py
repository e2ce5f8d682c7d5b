"""The words of the command line: commands, flags, and what help says about them."""

from __future__ import annotations

import argparse
import re
import sys
import typing
from collections.abc import Sequence

from streamseg import __version__
from streamseg.commands import COMMANDS, guidance, helptext
from streamseg.errors import printable
from streamseg.redaction import redact, shown

_NO_NUMBER = re.compile(r"invalid \w+ value: (?=')")  # argparse names the function that reads it
_WITHOUT_A_COMMAND = ("-h", "--help", "--version")


class _Parser(argparse.ArgumentParser):
    words: Sequence[str] = ()
    """All of the command line."""

    def error(self, message: str) -> typing.NoReturn:
        for word in self.words:  # one of which the message may repeat, perhaps a URL
            flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
            for said in (word, repr(word)[1:-1]):
                message = message.replace(said, f"{flag}{equals}{shown(value)}") if "://" in said else message
        told = printable(redact(_NO_NUMBER.sub("expected a number in plain digits, not ", message)))
        self.exit(2, f"streamseg: {told}\n" if told.endswith(")") else f"streamseg: {told} (see {self.prog} --help)\n")


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The command line: with the flags of all commands, or those of one alone, which is quicker."""
    top: argparse.ArgumentParser = _Parser(
        prog="streamseg", description="Live video segmentation: masks over every frame."
    )
    top.add_argument("--version", action="version", version=f"streamseg {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        made = commands.add_parser(
            name, help=command.summary, description=command.summary, add_help=False, allow_abbrev=False
        )
        made.set_defaults(command=name)
        if only in (name, None):
            command.load().add_flags(made)
        _add_help(made)
    return top


def _add_help(command: argparse.ArgumentParser) -> None:
    """What every command has, behind its own."""
    command.formatter_class = helptext.Formatter
    group = command.add_argument_group("help")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    if helptext.leaves_out(command):
        group.add_argument(
            "--help-all", action=helptext.HelpAll, nargs=0, dest=argparse.SUPPRESS, help="also what is rarely needed"
        )
    group.add_argument("--debug", action="store_true", help="show every log line, and where an error comes from")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The words as options, `command` among them.

    Like parse_args, but outputs and sources may also stand after flags: `run FILE --model NAME OUT`; and what stands
    behind `--` is a name wherever that stands, which argparse forgets in a command's own words.
    """
    _Parser.words = words = list(sys.argv[1:] if argv is None else argv)
    words = _with_a_command(words)
    line = parser(next((word for word in words if word in COMMANDS), ""))
    for word in words:
        if word.startswith("--") and word.endswith("=--"):  # argparse would give an empty list
            line.error(f"{word}: expected a value")
    arguments, rest = line.parse_known_args(_names_told(words))
    unknown = [word for word in rest if _is_flag(word)]
    names: list[str] | None = vars(arguments).get("outputs", vars(arguments).get("sources"))
    if unknown or (rest and names is None):
        hint = f" ({guidance.flags_meant(unknown, _flags(line, arguments.command))})" if unknown else ""
        line.error(f"unrecognised: {' '.join(unknown or rest)}{hint}")
    if names is not None:
        names += rest
    return arguments


def _with_a_command(words: list[str]) -> list[str]:
    """`words` with `run` before a source that stands alone; an error where the command is missing or unknown."""
    line = _Parser(prog="streamseg")
    if not words:
        line.exit(2, f"streamseg: {guidance.START}\n")
    if words[0].startswith("-") and words[0] != "-":
        if not any(flag.startswith(words[0]) for flag in _WITHOUT_A_COMMAND):
            line.error(f"{words[0]}: flags follow the command (streamseg run SOURCE {words[0]})")
        return words
    if words[0] in COMMANDS:
        return words
    if guidance.is_source(words[0]):
        return ["run", *words]
    line.error(f"'{words[0]}' is no command ({guidance.command_meant(words[0], COMMANDS)})")


def _flags(line: argparse.ArgumentParser, command: str) -> list[str]:
    (commands,) = (action.choices for action in line._actions if isinstance(action, argparse._SubParsersAction))
    return list(commands[command]._option_string_actions)


def _names_told(words: Sequence[str]) -> list[str]:
    """`words` with names that begin with a dash told from flags, as `./-name.mp4`; it is those behind `--`."""
    words = list(words)
    at = words.index("--") if "--" in words else len(words)
    return words[:at] + [f"./{word}" if _is_flag(word) else word for word in words[at + 1 :]]


def _is_flag(word: str) -> bool:
    """Whether it is none of `-` and `-?masks=none`, the standard input and output."""
    return word.startswith("-") and word != "-" and not word.startswith("-?")

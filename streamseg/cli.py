"""The command line: runs a command, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from streamseg.signals import SIGNALS, interrupted

# All else is imported where it is used: from its first moment on a request to end must be heard.


def program() -> None:
    """Entry point: like `main`, then leaves without waiting for a thread that a dead camera still holds."""
    with SIGNALS:
        try:
            from streamseg import stdio

            stdio.prepare()
            code = main()
            stdio.finish()
        except KeyboardInterrupt:  # before the words were read, or when all was said
            SIGNALS.heard()
            code = _asked_to_end(sys.argv[1:])
        os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        from streamseg.commands import COMMANDS
        from streamseg.commands.parser import parse

        arguments = parse(words)
        code = COMMANDS[arguments.command].load().run(arguments)
        sys.stdout.flush()
        return code
    except BaseException as error:
        from streamseg.commands.failure import say, told

        if isinstance(error, KeyboardInterrupt | RuntimeError) and interrupted(error):
            SIGNALS.heard()  # a RuntimeError is that of a lock in whose hands the interruption fell
            why = str(error) if isinstance(error, KeyboardInterrupt) else ""
            if code := _asked_to_end(words):
                say(f"interrupted ({why})" if why else "interrupted")
            return code
        return told(error, debug="--debug" in words)


def _asked_to_end(words: Sequence[str]) -> int:
    from streamseg.commands import COMMANDS

    command = COMMANDS.get(words[0], COMMANDS["run"]) if words else None  # a source alone is run
    return 0 if command and command.endless else 128 + (SIGNALS.number or signal.SIGINT)

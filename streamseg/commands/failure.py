"""A command that failed: one line on the standard error, and its exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path

from streamseg import entrypoints, installing
from streamseg.errors import BackendError, InputError, OutputError, ReaderGoneError, StreamsegError, printable
from streamseg.redaction import redact

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def told(error: BaseException, *, debug: bool) -> int:
    """The exit code of a command that ended in `error`, which is said in one line; with `debug` where it comes from."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):  # argparse has said why
        return error.code
    if isinstance(error, ReaderGoneError):
        return 0
    if isinstance(error, StreamsegError):
        say(str(error))
        return error.exit_code
    if not _has_folder():  # libraries fail in many ways there
        say("the working folder is gone")
        return InputError.exit_code
    if isinstance(error, ImportError) and "failed to map segment" not in str(error):
        say(f"a library cannot be loaded: {error}{_mended(error)}")
        return BackendError.exit_code
    if debug:
        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
    if isinstance(error, OSError | MemoryError | ImportError):
        return _refused(error)
    say(f"this is a defect in {_whose(error)}: {type(error).__name__}: {error} (--debug shows where)")
    return 1


def _mended(error: ImportError) -> str:
    if str(error.name).partition(".")[0] == "streamseg":
        return " (its files are of several versions: start it again, or install it again)"
    if not isinstance(error, ModuleNotFoundError):
        return " (on Debian `apt-get install libgl1 libglib2.0-0` mends OpenCV)"
    lacking = installing.lacking()
    return f" ({installing.package(*lacking)})" if lacking else ""


def _whose(error: BaseException) -> str:
    """Of streamseg and the packages that add parts to it, the one whose code failed: the error came through it last."""
    added = {each.entry.module: each.package for kind in entrypoints.KINDS for each in entrypoints.parts(kind).values()}
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__"))
        if module in added or module.partition(".")[0] == "streamseg":
            return added.get(module, "streamseg")
    return "streamseg"


def _refused(error: OSError | MemoryError | ImportError) -> int:
    """What the system refused where nobody had thought of it: a name that is too long, a folder of another user."""
    if not isinstance(error, OSError):  # a library that finds no room is an ImportError
        say("there is not enough memory for that")
        return BackendError.exit_code
    where = f"{error.filename}: " if error.filename else ""
    say(f"{where}{error.strerror or error}")
    return OutputError.exit_code if error.errno in _NO_ROOM else InputError.exit_code


def _has_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def say(line: str) -> None:
    """Prints one line for people, free of passwords and of what a terminal would obey."""
    print(f"streamseg: {printable(redact(' '.join(line.split())))}", file=sys.stderr)

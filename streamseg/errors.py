"""Errors a person can act on: what is wrong, what to do, and the exit code that says which kind.

Exit codes: 0 done or stopped on request, 1 a defect in streamseg itself, 2 bad usage, configuration,
file or model, 3 a source that cannot be reached, 4 an output that cannot be written, 5 a backend that
cannot run here. A command that makes something and was interrupted ends with 128 plus the signal's number.
"""

from __future__ import annotations

import re

from streamseg.redaction import redact


class StreamsegError(Exception):
    """Base of every error that a user can mend; prints as one line, `message (hint)`."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = printable(redact(message))
        self.hint = printable(redact(hint))
        super().__init__(f"{self.message} ({self.hint})" if hint else self.message)


class InputError(StreamsegError):
    """A file, model, configuration or option that is wrong in itself: trying again will not help."""

    exit_code = 2


class SourceError(StreamsegError):
    """A camera or stream that cannot be reached now.

    `retry_s` is the shortest sensible wait; `away` says that waiting helps: it is off, unplugged or not there yet.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "", *, retry_s: float = 0.5, away: bool = False) -> None:
        super().__init__(message, hint)
        self.retry_s, self.away = retry_s, away


class OutputError(StreamsegError):
    """An output that cannot be opened or written now; `retry_s` is the shortest sensible wait."""

    exit_code = 4

    def __init__(self, message: str, hint: str = "", *, retry_s: float = 0.5) -> None:
        super().__init__(message, hint)
        self.retry_s = retry_s


class BackendError(StreamsegError):
    """A model that is in order but cannot run on this machine; `reason` says why, without the names of both."""

    exit_code = 5

    def __init__(self, message: str, hint: str = "", *, reason: str = "") -> None:
        super().__init__(message, hint)
        self.reason = printable(redact(reason)) or self.message


class ReaderGoneError(Exception):
    """The reader of the standard output has left: nothing is wrong, and nothing more is to be done."""


# What a terminal would obey or cannot show: C0 and C1 controls, marks that turn the reading direction, half characters.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HALF = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # half characters that stand for no byte of a name


def printable(text: str) -> str:
    """`text` with whatever a terminal would obey written out, as `\\x1b`; for names that come from outside."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def legible(tree: object) -> object:
    """`tree` of lists and dictionaries with text that every writer of UTF-8 takes.

    What the locale could not read of a name is tried as UTF-8; what is no text at all becomes a mark.
    """
    if isinstance(tree, str):
        return _HALF.sub("\ufffd", tree).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(tree, dict):
        return {legible(key): legible(value) for key, value in tree.items()}
    return [legible(value) for value in tree] if isinstance(tree, list | tuple) else tree

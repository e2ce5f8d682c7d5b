"""Errors a person can act on: what is wrong, what to do, and the exit code that says which kind.

Exit codes: 0 done or stopped on request, 1 a defect in streamseg itself, 2 bad usage, configuration,
file or model, 3 a source that cannot be reached, 4 an output that cannot be written, 5 a backend that
cannot run here.
"""

from __future__ import annotations

import re


class StreamsegError(Exception):
    """Base of every error that is somebody's to mend; prints as one line, `message (hint)`."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = printable(redact(message))
        self.hint = printable(redact(hint))
        super().__init__(f"{self.message} ({self.hint})" if hint else self.message)


class InputError(StreamsegError):
    """A file, model, configuration or option that is wrong in itself: trying again will not help."""

    exit_code = 2


class SourceError(StreamsegError):
    """A camera or stream that cannot be reached now; `retry_s` is the shortest sensible wait."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "", *, retry_s: float = 0.5) -> None:
        super().__init__(message, hint)
        self.retry_s = retry_s


class OutputError(StreamsegError):
    """An output that cannot be opened or written now; `retry_s` is the shortest sensible wait."""

    exit_code = 4

    def __init__(self, message: str, hint: str = "", *, retry_s: float = 0.5) -> None:
        super().__init__(message, hint)
        self.retry_s = retry_s


class BackendError(StreamsegError):
    """A model that is in order but cannot run on this machine."""

    exit_code = 5


# To the last @, because a password may hold one; and where a colon begins no port, across the / that it may hold too.
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/\s]*|[^/\s:@\[]*:(?!\d+(?:[/?#\s]|$))\S*)@")
_SECRET_QUERY = re.compile(
    r"(?P<name>[?&;#][\w.%-]*(?:token|key|pass|pwd|pw|pas|secret|auth|sig|credential|session|jwt)[\w.%-]*=)[^&;\s'\"]*?(?=[:)]*(?:[&;\s'\"]|$))",
    re.IGNORECASE,
)
# What a terminal would obey or cannot show: C0 and C1 controls, marks that turn the reading direction, half characters.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(text: str) -> str:
    """`text` without the user, password or token of any URL in it; for everything that leaves the process."""
    text = _CREDENTIALS.sub(r"\g<scheme>***@", text)
    return _SECRET_QUERY.sub(r"\g<name>***", text)


def printable(text: str) -> str:
    """`text` with whatever a terminal would obey written out, as `\\x1b`; for names that come from outside."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

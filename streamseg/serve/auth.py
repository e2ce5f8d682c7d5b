"""The tokens that clients must send: to look, and to change."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamseg.errors import InputError, printable

TOKEN_VARIABLE = "STREAMSEG_TOKEN"
OPERATOR_VARIABLE = "STREAMSEG_OPERATOR_TOKEN"

_SHORTEST = 16


def read_token(file: Path | None) -> str | None:
    """The token out of `file`, else out of the environment; None where neither is given.

    Raises:
        InputError: the file cannot be read, or the token is too short to be one.
    """
    token = _text(file, TOKEN_VARIABLE)
    if token is not None:
        token = token.strip() if file else token
        _check_length(token, file or TOKEN_VARIABLE)
    return token


def read_operators(file: Path | None) -> dict[str, str]:
    """Name to token of everybody who may change something, out of `file` or the environment; none where neither is.

    The file has a token a line, with a name before it where there are several; one without is called `operator`.

    Raises:
        InputError: the file cannot be read, a token is too short to be one, or a name or token is there twice.
    """
    text = _text(file, OPERATOR_VARIABLE)
    found: dict[str, str] = {}
    for line in (text or "").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        *names, token = line.split()
        name = printable(" ".join(names)) or "operator"
        _check_length(token, file or OPERATOR_VARIABLE)
        if name in found or token in found.values():
            raise InputError(f"{file or OPERATOR_VARIABLE}: {name} is there twice, or has another's token")
        found[name] = token
    if text is not None and not found:
        raise InputError(f"{file or OPERATOR_VARIABLE}: holds no token", "openssl rand -hex 32 > operator-token")
    return found


def _text(file: Path | None, variable: str) -> str | None:
    try:
        return file.read_text() if file else os.environ.get(variable)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from None


def _check_length(token: str, place: Path | str) -> None:
    if len(token) < _SHORTEST:
        raise InputError(f"{place}: a token has {_SHORTEST} characters or more", "openssl rand -hex 32 > token")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What requests must carry: to look, where there is a `viewer` token; to change, one of the `operators`."""

    viewer: str | None = None
    operators: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.viewer is not None and self.viewer in self.operators.values():
            raise InputError("the token that looks cannot be one that changes", "openssl rand -hex 32 > operator-token")

    def may_look(self, presented: bytes) -> bool:
        """Whether that is the viewer's token, or none is needed."""
        return self.viewer is None or hmac.compare_digest(presented, as_bytes(self.viewer))

    def knows(self, presented: bytes) -> bool:
        """Whether that is one of them."""
        return bool(self.operator(presented)) or (self.viewer is not None and self.may_look(presented))

    def operator(self, presented: bytes) -> str:
        """Whose token that is; empty where it may change nothing."""
        found = [name for name, token in self.operators.items() if hmac.compare_digest(presented, as_bytes(token))]
        return found[0] if found else ""


def as_bytes(text: str) -> bytes:
    """`text` as it came, whether or not it is UTF-8."""
    return text.encode("utf-8", "surrogateescape")

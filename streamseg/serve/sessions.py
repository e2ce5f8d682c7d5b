"""Browsers that have signed in: a cookie stands for a token, which is looked up here and checked at every request."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

LIFE_S = 7 * 86400
"""Then a browser has to sign in again."""
IDLE_S = 12 * 3600
"""So it has after that long without a request."""
MOST_OF_A_TOKEN = 100
"""The session that was used least recently makes room for one more."""


class _Session(NamedTuple):
    token: bytes
    began_s: float
    used_s: float


class Sessions:
    """Those that last, in memory alone: a service that begins again knows none. Their number is bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, _Session] = {}  # by the cookie's digest; the least recently used first

    def begin(self, token: bytes) -> str:
        """The value of a new cookie, which stands for `token`."""
        now_s = self._clock()
        of_this_token = [key for key, session in self._open.items() if session.token == token]
        for key in of_this_token[: max(0, len(of_this_token) + 1 - MOST_OF_A_TOKEN)]:
            del self._open[key]
        cookie = secrets.token_urlsafe(32)
        self._open[_digest(cookie)] = _Session(token, now_s, now_s)
        return cookie

    def token(self, cookie: str) -> bytes:
        """The token that `cookie` stands for; empty where its session has ended."""
        session = self._open.pop(_digest(cookie), None)
        now_s = self._clock()
        if session is None or now_s - session.began_s > LIFE_S or now_s - session.used_s > IDLE_S:
            return b""
        self._open[_digest(cookie)] = session._replace(used_s=now_s)
        return session.token

    def end(self, cookie: str) -> None:
        """Ends that session, if there is one."""
        self._open.pop(_digest(cookie), None)

    def keep(self, known: Callable[[bytes], bool]) -> None:
        """Ends all but those whose tokens are still `known`."""
        self._open = {key: session for key, session in self._open.items() if known(session.token)}


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogateescape")).digest()

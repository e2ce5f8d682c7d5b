"""How a user shows that he knows a password, over HTTP and RTSP alike: Basic (RFC 7617) and Digest (RFC 2617, 7616).

Servers write challenges in every dialect: quoted or not, escaped or not, several in a line or one a line, with and
without `qop`, with a nonce for each request.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

LOGIN_HINT = "put user and password into the URL, or into STREAMSEG_USER and STREAMSEG_PASSWORD"
LOGIN_RETRY_S = 30.0
"""Cameras lock an account after a few wrong passwords."""
NO_STREAM, NO_STREAM_HINT = "the server has no such stream", "check the path in the URL"
_HASHES = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}
"""Digest's algorithms, the strongest first, under the names of RFC 7616 and of hashlib."""
# What may follow a value: a quotation mark ends one only there, for not every server escapes those inside.
_END = r"(?=\s*$|\s+[\w*-]+\s*=|\s*,\s*(?:$|[\w*-]+\s*=|[\w-]+\s+[\w*-]+\s*=|[\w-]+\s*(?:,|$)))"
_PARAMETER = re.compile(rf'[\s,]*([\w*-]+)\s*=\s*(?:"(.*?)"{_END}|([^,]*?){_END})', re.DOTALL)
_LONGEST = 2048  # of a challenge: more is nonsense, and looking through it would take its time
_SCHEME = re.compile(r"[\s,]*([\w-]+)(?=[\s,]|$)")


class Challenge(NamedTuple):
    """One way to log in that a server offers."""

    scheme: str
    """In small letters."""
    values: dict[str, str]
    """By names in small letters; as they stand between their quotation marks, escapes included."""


def read_challenges(lines: Sequence[str]) -> Iterator[Challenge]:
    """What the values of a `WWW-Authenticate` header offer, one value a line."""
    for line in (line[:_LONGEST] for line in lines):
        at, offered = 0, None
        while at < len(line):
            found = _PARAMETER.match(line, at) if offered else None
            if found and offered:
                offered.values.setdefault(found[1].lower(), found[2] if found[2] is not None else found[3])
            elif found := _SCHEME.match(line, at):
                if offered:
                    yield offered
                offered = Challenge(found[1].lower(), {})
            at = found.end() if found else at + 1
        if offered:
            yield offered


def basic(login: tuple[str, str]) -> str:
    """User and password as the Basic scheme writes them."""
    return f"Basic {base64.b64encode(_bytes(':'.join(login))).decode()}"


class Login:
    """A user and a password, and how one server wants to see them.

    `authorization` gives the header for a request. After a 401, `challenged` says whether to ask again, which
    never helps with a wrong password: many cameras lock an account after a few.
    """

    def __init__(self, login: tuple[str, str] | None) -> None:
        self._login = login
        self._challenge: Challenge | None = None
        self._escaped = True  # whether the server means its realm with the escapes taken out
        self._uses, self._own_nonce = 0, ""
        self._accepted = False
        self.unknown = ""
        """The ways to log in that the server offers, where none of them is known here."""

    def challenged(self, lines: Sequence[str]) -> bool:
        """Takes what a server offers in `WWW-Authenticate`; whether to send the request once more."""
        offered = sorted(read_challenges(lines), key=_rank)
        before, best = self._challenge, offered[0] if offered and _rank(offered[0]) < len(_HASHES) + 1 else None
        self.unknown = "" if best else ", ".join(each.scheme for each in offered)
        if best is None or self._login is None:
            return False
        self._challenge = best
        fresh = before is None or before.values.get("nonce") != best.values.get("nonce")
        if fresh:  # of both nonces the key of `…-sess` is made, for every request that follows (RFC 7616, 3.4.2)
            self._uses, self._own_nonce = 0, os.urandom(8).hex()
        if before is None or before.scheme != best.scheme:
            return True
        if fresh and (self._accepted or best.values.get("stale", "").lower() == "true"):
            return True
        if self._escaped and "\\" in best.values.get("realm", ""):
            self._escaped = False
            return True
        return False

    def accepted(self) -> None:
        """The server took the last answer: from now on a new nonce is no sign of a wrong password."""
        self._accepted = self._challenge is not None

    def authorization(self, method: str, uri: str, body: bytes = b"") -> str | None:
        """The `Authorization` header for a request; None as long as nobody asked for one."""
        if self._challenge is None or self._login is None:
            return None
        if self._challenge.scheme == "basic":
            return basic(self._login)
        self._uses += 1
        return self._digest(self._challenge.values, method, uri, body)

    def _digest(self, given: dict[str, str], method: str, uri: str, body: bytes) -> str:
        user, password = self._login or ("", "")
        algorithm = given.get("algorithm", "")
        digest, session = _hash(algorithm), algorithm.lower().endswith("-sess")
        raw_realm, nonce = given.get("realm", ""), given.get("nonce", "")
        realm = re.sub(r"\\(.)", r"\1", raw_realm) if self._escaped else raw_realm
        count, own_nonce = f"{self._uses:08x}", self._own_nonce
        offered = re.split(r"[,\s]+", given.get("qop", "").lower())
        kind = next((each for each in ("auth", "auth-int") if each in offered), "")
        known = digest(f"{user}:{realm}:{password}")
        if session:
            known = digest(f"{known}:{nonce}:{own_nonce}")
        asked = digest(f"{method}:{uri}" + (f":{digest(body)}" if kind == "auth-int" else ""))
        middle = f"{nonce}:{count}:{own_nonce}:{kind}" if kind else nonce
        hashed = given.get("userhash", "").lower() == "true"
        name = digest(f"{user}:{realm}") if hashed else re.sub(r'(["\\])', r"\\\1", user)
        parts = [f'username="{name}"', f'realm="{raw_realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
        parts += [f'response="{digest(f"{known}:{middle}:{asked}")}"']
        parts += [f'opaque="{given["opaque"]}"'] if "opaque" in given else []
        parts += [f"algorithm={algorithm}"] if algorithm else []
        parts += [f"qop={kind}", f"nc={count}"] if kind else []
        parts += [f'cnonce="{own_nonce}"'] if kind or session else []
        parts += ["userhash=true"] if hashed else []
        return "Digest " + ", ".join(parts)


def _rank(challenge: Challenge) -> int:
    """The smaller, the better it hides the password; Basic last, and behind it what is not known."""
    if challenge.scheme == "digest":
        name = re.sub("-sess$", "", challenge.values.get("algorithm", "md5").lower() or "md5")
        return list(_HASHES).index(name) if name in _HASHES else len(_HASHES) + 1
    return len(_HASHES) + (challenge.scheme != "basic")


def _hash(algorithm: str) -> Callable[[str | bytes], str]:
    name = _HASHES[re.sub("-sess$", "", algorithm.lower() or "md5")]

    def digest(text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else _bytes(text)
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()  # MD5 is what most servers ask for

    return digest


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")

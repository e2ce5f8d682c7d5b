"""The server's side of logging in, in every dialect that servers speak; written from RFC 2617 and RFC 7616 alone."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Authenticator:
    """Challenges every client that has not shown `password`, and counts wrong answers."""

    user: str = "admin"
    password: str = "my pass"
    basic: bool = False
    realm: str = "IP Camera(12345)"
    """As it counts in the digest."""
    written: str | None = None
    """As it stands in the header, where that differs."""
    algorithm: str = ""
    qop: str = ""
    new_nonce: bool = False
    """Whether a nonce is good for one request alone."""
    stale: str = ""
    """What a challenge says after a nonce that has run out; without it, nothing."""
    opaque: str = ""
    userhash: bool = False
    session: bool = False
    """Whether the key of `…-sess` is made once, of the first answer to a nonce, as RFC 7616 has it; else of each."""
    form: Callable[[str], Sequence[str]] = lambda challenge: [f"WWW-Authenticate: {challenge}"]
    """From a challenge to header lines."""
    wrong: int = 0
    refused: list[str] = field(default_factory=list)
    _nonces: list[str] = field(default_factory=list)
    _sessions: dict[str, str] = field(default_factory=dict)

    def challenge(self) -> list[str]:
        """Header lines that ask for a login."""
        realm = self.realm if self.written is None else self.written
        if self.basic:
            return list(self.form(f'Basic realm="{realm}"'))
        self._nonces.append(secrets.token_hex(8))
        parts = [f'realm="{realm}"', f'nonce="{self._nonces[-1]}"']
        parts += [f'opaque="{self.opaque}"'] if self.opaque else []
        parts += [f"algorithm={self.algorithm}"] if self.algorithm else []
        parts += [f'qop="{self.qop}"'] if self.qop else []
        parts += [f"stale={self.stale}"] if self.stale and self.wrong else []
        parts += ["userhash=true"] if self.userhash else []
        return list(self.form("Digest " + ", ".join(parts)))

    def admits(self, method: str, authorization: str, body: bytes = b"") -> bool:
        """Whether a request that bears this header may pass."""
        if not authorization:
            return False
        good = self._admits(method, authorization, body)
        if not good:
            self.wrong += 1
            self.refused.append(authorization)
        return good

    def expire(self) -> None:
        """From now on no nonce is good that was given so far."""
        self._nonces.clear()

    def _admits(self, method: str, authorization: str, body: bytes) -> bool:
        scheme, _, rest = authorization.partition(" ")
        if self.basic:
            login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return scheme == "Basic" and rest == login
        given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
        if scheme != "Digest" or given.get("nonce") not in self._nonces:
            return False
        if self.new_nonce:
            self._nonces.clear()
        user = re.sub(r"\\(.)", r"\1", given["username"])
        hashed = self._hash(f"{self.user}:{self.realm}")
        if user != (hashed if self.userhash else self.user) or given.get("opaque", "") != self.opaque:
            return False
        return bool(given["response"] == self.response(method, given, body))

    def response(self, method: str, given: dict[str, Any], body: bytes = b"") -> str:
        """What the right password gives, for a nonce and a URI."""
        known = self._hash(f"{self.user}:{self.realm}:{self.password}")
        if self.algorithm.lower().endswith("-sess"):
            first = self._sessions.setdefault(given["nonce"], given["cnonce"]) if self.session else given["cnonce"]
            known = self._hash(f"{known}:{given['nonce']}:{first}")
        asked = f"{method}:{given['uri']}"
        if given.get("qop") == "auth-int":
            asked += f":{self._hash(body)}"
        if "qop" in given:
            middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
        else:
            middle = given["nonce"]
        return self._hash(f"{known}:{middle}:{self._hash(asked)}")

    def _hash(self, text: str | bytes) -> str:
        name = {"SHA-256": "sha256", "SHA-512-256": "sha512_256"}.get(
            self.algorithm.upper().removesuffix("-SESS"), "md5"
        )
        return hashlib.new(name, text if isinstance(text, bytes) else text.encode()).hexdigest()


_PARAMETER = re.compile(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]*))')


_BASIC = 'Basic realm="x"'
_FOREIGN = ["NTLM", 'Digest realm="x", nonce="y", algorithm=FOO']


def _lines(*challenges: str) -> list[str]:
    return [f"WWW-Authenticate: {challenge}" for challenge in challenges]


DIALECTS: dict[str, dict[str, Any]] = {
    "basic": {"basic": True},
    "plain": {},
    "quotes in the realm": {"realm": 'the "front" door', "written": r"the \"front\" door"},
    "quotes in the realm, not escaped": {"realm": 'the "front", (1)'},
    "a backslash in the realm": {"realm": r"dom\cam", "written": r"dom\\cam"},
    "a backslash in the realm, not escaped": {"realm": r"dom\cam"},
    "commas and parentheses in the realm": {"realm": "cam, (2), Basic realm=x"},
    "an empty realm": {"realm": ""},
    "qop auth": {"qop": "auth"},
    "qop auth or auth-int": {"qop": "auth,auth-int"},
    "qop auth-int alone": {"qop": "auth-int"},
    "qop not quoted": {"qop": "auth", "form": lambda challenge: _lines(challenge.replace('"auth"', "auth"))},
    "MD5 by name": {"algorithm": "MD5"},
    "MD5 in quotes and small": {"algorithm": '"md5"', "qop": "auth"},
    "MD5-sess": {"algorithm": "MD5-sess", "qop": "auth"},
    "MD5-sess without qop": {"algorithm": "MD5-sess"},
    "SHA-256": {"algorithm": "SHA-256", "qop": "auth"},
    "SHA-256-sess": {"algorithm": "SHA-256-sess", "qop": "auth"},
    "SHA-512-256": {"algorithm": "SHA-512-256", "qop": "auth"},
    "the user hashed": {"algorithm": "SHA-256", "qop": "auth", "userhash": True},
    "opaque": {"opaque": "5ccc069c403ebaf9f0171e9517f40e41", "qop": "auth"},
    "Basic and Digest in a line": {"form": lambda challenge: _lines(f"{_BASIC}, {challenge}")},
    "Digest and Basic in a line": {"form": lambda challenge: _lines(f"{challenge}, {_BASIC}")},
    "Digest and Basic in lines": {"form": lambda challenge: _lines(challenge, _BASIC)},
    "NTLM, an unknown digest, Digest": {"form": lambda challenge: _lines(*_FOREIGN, challenge)},
    "a small header name": {"form": lambda challenge: [f"www-authenticate: {challenge}"]},
    "a small scheme": {"form": lambda challenge: _lines(challenge.replace("Digest", "digest"))},
    "values not quoted": {"form": lambda challenge: _lines(challenge.replace('"', "")), "qop": "auth"},
    "no space behind commas": {"form": lambda challenge: _lines(challenge.replace(", ", ","))},
    "a nonce for each request": {"new_nonce": True},
    "a nonce for each request, said to be stale": {"new_nonce": True, "stale": "TRUE"},
    "stale from the start": {"form": lambda challenge: _lines(f'{challenge}, stale="FALSE"')},
    "a user with a backslash": {"user": r"dom\me"},
    "a user with quotes": {"user": 'the "boss"'},
    "UTF-8": {"user": "Jürgen", "password": "pä ß→", "realm": "Tür"},
    "an empty password": {"password": ""},
    "an empty user": {"user": ""},
    "a colon in the password": {"password": "a:b:c"},
}  # fmt: skip
"""Name to the arguments of an `Authenticator`."""

"""What is secret in a URL, told by where it stands; and text from elsewhere without it.

A login stands between `scheme://` and the `@` before the host. People also type passwords that hold `/`, `?`, `#` or
`@`, which the syntax wants written as `%2F` and so on. `split_login` understands them where nothing else can be meant,
and says so where something else can.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMERIC_HOST = re.compile(r"localhost|\d{1,3}(\.\d{1,3}){3}", re.IGNORECASE)
_USUAL_PORTS = ("80", "443", "554", "8000", "8080", "8443", "8554")
_PERHAPS_A_PORT = re.compile(r"[^:]*:\d{1,5}")
# A password with a space in it, where the text before the space cannot be a host and its port.
_SPACED_LOGIN = re.compile(r"[^\s/?#:@\[]*:(?:(?!\d{0,5}(?:[/?#\s]|$))[^@\n]*|\d{1,5} [^\s@]*)@(?:\S*@)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# What a server says is looked through as well, and it says what it likes: no run of signs is begun on twice.
_URL_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.-])[0-9+.-]*(?P<url>[A-Za-z][A-Za-z0-9+.-]*://)")
_TOKEN = r"(?P<name>[?&;#](?=[\w.%-]*?(?:token|key|pass|pwd|pw|pas|secret|auth|sig|credential|session|jwt))[\w.%-]*=)"
_TOKEN_IN_TEXT = re.compile(_TOKEN + r"(?P<value>[^&;\s'\"]*)", re.IGNORECASE)
_TOKEN_IN_URL = re.compile(_TOKEN + r"[^&;]*", re.IGNORECASE)
_MASK = "***"
_HIDDEN = rf"\g<name>{_MASK}"


class Split(NamedTuple):
    """What stands behind the `scheme://` of a URL, cut in two."""

    login: str | None
    """What stands before the `@` of the host; None where there is no login."""
    rest: str
    """Host, port, path, query."""
    certain: bool
    """False where the text may also be a host whose path holds an `@`."""


def split_login(text: str) -> Split:
    """Cuts `text`, which stands behind `scheme://`, at the `@` that ends the login."""
    before, at, rest = text.rpartition("@")
    authority = _authority(before)
    if not at or authority == before:
        return Split(before if at else None, rest, True)
    login, inner_at, place = authority.rpartition("@")
    if inner_at and (login == _MASK or _is_host(place)):
        return Split(login, text[len(login) + 1 :], True)
    if not inner_at and (":" not in authority or _is_host(authority)):
        return Split(None, text, True)
    no_host = not inner_at and not _PERHAPS_A_PORT.fullmatch(authority)
    return Split(before, rest, no_host or _is_host(_authority(rest)))


def shown(uri: str) -> str:
    """`uri`, which is one name and nothing else, without its login and tokens; for people."""
    found = _URL.match(uri)
    if not found:
        return redact(uri)
    login, rest, _ = split_login(uri[found.end() :])
    return redact(f"{found[0]}{'' if login is None else f'{_MASK}@'}{_TOKEN_IN_URL.sub(_HIDDEN, rest)}")


def redact(text: str) -> str:
    """`text` without the login or token of any URL in it: the last line of defence, for words that are not ours."""
    begins = [found.start("url") for found in _URL_IN_TEXT.finditer(text)]
    pieces = (_begin_redacted(text[start:end]) for start, end in zip(begins, [*begins[1:], None], strict=True))
    return _TOKEN_IN_TEXT.sub(_hidden, text[: begins[0]] + "".join(pieces) if begins else text)


def _hidden(token: re.Match[str]) -> str:
    """A token in a sentence that may have more behind it: `?key=SECRET: refused`, `(…?key=SECRET)`."""
    value = token["value"]
    return f"{token['name']}{_MASK}{value[len(value.rstrip(':)')) :]}"


def _begin_redacted(text: str) -> str:
    """`text`, which begins with a URL and holds no other, without the login of that."""
    scheme, separator, after = text.partition("://")
    url = re.split(r"\s", after, maxsplit=1)[0]
    spaced = _SPACED_LOGIN.match(after) if "@" not in url else None
    login = spaced[0][:-1] if spaced else split_login(url).login
    return f"{scheme}{separator}{after}" if login is None else f"{scheme}{separator}{_MASK}{after[len(login) :]}"


def _authority(text: str) -> str:
    return re.split(r"[/?#]", text, maxsplit=1)[0]


def _is_host(place: str) -> bool:
    """Whether `place` can only be a host, with or without a port: `admin:12` may also begin `admin:12/34@`."""
    name, _, port = place.partition(":")
    return place.startswith("[") or bool(_NUMERIC_HOST.fullmatch(name)) or port in _USUAL_PORTS

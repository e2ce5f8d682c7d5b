"""URLs as a person writes them, taken apart once: what is secret never gets into anything that is shown."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urljoin, urlsplit

from streamseg.errors import InputError, printable
from streamseg.net.login import basic
from streamseg.redaction import shown, split_login

_PORTS = {
    "rtsp": 554,
    "rtsps": 322,
    "http": 80,
    "https": 443,
    "mqtt": 1883,
    "mqtts": 8883,
    "kafka": 9092,
    "kafkas": 9093,
    "grpc": 8001,
    "grpcs": 8001,
}
_ENCRYPTED = ("rtsps", "https", "mqtts", "kafkas", "grpcs")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LOGIN = ("STREAMSEG_USER", "STREAMSEG_PASSWORD")
_variables: ContextVar[Mapping[str, str]] = ContextVar("variables", default=os.environ)
_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_IN_PATH = "/?#%:&=~+!$,;'@()*[]"  # what stays as it was typed; all else is written as %XX
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]@/?#]+)(?::(?P<port>\d{0,5}))?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a stream is, in its parts."""

    scheme: str
    """In small letters."""
    host: str
    """As the network knows it, so a name in other letters as `xn--…`; an IPv6 address without its brackets."""
    port: int | None
    """None where none was named."""
    path: str
    """Path and query as they travel; empty, or begins with `/` or `?`."""
    login: tuple[str, str] | None = field(repr=False)
    """User and password as they are, not as a URL would write them; None where nobody is named."""
    name: str
    """For people: the URL without what is secret. A variable in the path stands there by its name."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port to connect to."""
        return self.host, self.port or _PORTS.get(self.scheme, 0)

    @property
    def server(self) -> tuple[str, int]:
        """The same in one spelling, to be compared: hosts have no capitals, and a dot at their end says nothing."""
        host, port = self.place
        return host.lower().rstrip("."), port

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken there."""
        return self.scheme in _ENCRYPTED

    @property
    def basic(self) -> str | None:
        """User and password as HTTP's Basic scheme writes them (RFC 7617); None where nobody is named."""
        return None if self.login is None else basic(self.login)

    @property
    def bare(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port as a URL writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def moved(self, location: str) -> Address | None:
        """Where a redirect to `location` leads; None where that is another server than this one.

        The same server is the same host and port, or its default port with TLS instead of that without.
        """
        try:
            joined = urljoin(f"http://{self.authority}{self.path}", location)
            if not _WITH_SCHEME.match(location):
                joined = f"{self.scheme}{joined[len('http') :]}"
            parts = urlsplit(joined)
            scheme, host = parts.scheme.lower(), _ascii(parts.hostname or "")
            port = parts.port or _PORTS.get(scheme)
        except ValueError:  # a host or port that is none
            return None
        same = (scheme, port) == (self.scheme, self.place[1])
        safer = (self.scheme, self.place[1], scheme, port) == ("http", 80, "https", 443)
        if host.rstrip(".") != self.server[0] or not (same or safer):
            return None
        path = _quoted(parts._replace(scheme="", netloc="", fragment="").geturl(), _IN_PATH)
        return replace(self, scheme=scheme, port=self.port if same else None, path=path)


def read_address(uri: str, environment: Mapping[str, str] | None = None) -> Address:
    """`uri` in its parts, every `${NAME}` in it filled from `environment`, by default the process's own, or what
    `filling_from` was given.

    For a URL that a server sent it must be empty: `${NAME}` would tell them what it holds.

    What stands in a variable is no part of the syntax: in the user and password it is taken as it is, in the path it is
    written as %XX but for `/`, in the host it may only be a host.

    Raises:
        InputError: it is not understood, or the environment lacks a name.
    """
    values = _variables.get() if environment is None else environment
    scheme, _, behind = uri.partition("://")
    login, rest, certain = split_login(behind)
    name = printable(shown(f"{scheme.lower()}://{behind}"))
    if not certain:
        hint = "write / and @ in a password as %2F and %40, @ in a path as %40; or give the password as ${NAME}"
        raise InputError(f"{name}: where the password ends cannot be told", hint)
    end = re.search(r"[/?#]", rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    authority = _filled(authority, name, values, str)
    found = _AUTHORITY.fullmatch(authority)
    port = int(found["port"]) if found and found["port"] else None
    if not found or port == 0 or (port or 0) > 65535:
        raise InputError(f"{name}: not understood", f"behind {scheme}:// comes USER:PASSWORD@HOST:PORT/PATH")
    try:
        host = _ascii(found["host"].strip("[]"))
    except UnicodeError:
        raise InputError(f"{name}: no host can have that name", "parts of 1 to 63 letters with a dot between") from None
    if scheme.lower().startswith("http"):
        path = path.partition("#")[0]
    name = printable(shown(f"{scheme.lower()}://{'' if login is None else '***@'}{authority}{path}"))
    path = _quoted(_filled(path, name, values, lambda value: _quoted(value, "/")), _IN_PATH)
    return Address(scheme.lower(), host, port, path, _read_login(login, name, values), name)


def read_addresses(uri: str) -> list[Address]:
    """One for each host of `uri`, which may name several with commas between them; else as `read_address`."""
    scheme, _, behind = uri.partition("://")
    login, rest, _ = split_login(behind)
    if re.search("@[^@,]*,[^@,:]*:", login or ""):  # else all hosts but the last would be taken for a password
        name = printable(shown(f"{scheme.lower()}://{behind}"))
        raise InputError(f"{name}: names a user for several hosts", "USER:PASSWORD@ goes before the first host alone")
    hosts, slash, path = rest.partition("/")
    front = "" if login is None else f"{login}@"
    return [read_address(f"{scheme}://{front}{host}{slash}{path}") for host in hosts.split(",")]


def filled(text: str, name: str) -> str:
    """`text` with each `${NAME}` in it from the environment; `name` is what it belongs to, for people.

    Raises:
        InputError: the environment lacks one.
    """
    return _filled(text, name, _variables.get(), str)


@contextlib.contextmanager
def filling_from(variables: Mapping[str, str]) -> Iterator[None]:
    """Inside, in this thread and those that copy its context, `${NAME}` is what `variables` says."""
    before = _variables.set(variables)
    try:
        yield
    finally:
        _variables.reset(before)


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """The variables that these addresses may be filled from, those of a login that they do not name included."""
    return frozenset(_VARIABLE.findall(" ".join(texts))).union(_LOGIN)


def with_login(address: Address) -> Address:
    """`address` with STREAMSEG_USER and STREAMSEG_PASSWORD where it names nobody itself."""
    user, password = (_variables.get().get(name, "") for name in _LOGIN)
    if address.login is not None or not user:
        return address
    return replace(address, login=(user, password))


def _ascii(host: str) -> str:
    """`host` as names travel (RFC 3490).

    Raises:
        UnicodeError: no host can have that name.
    """
    return host.encode("idna").decode()


def _quoted(text: str, safe: str) -> str:
    """`text` with %XX for all but letters, digits and `safe`; bytes that are no UTF-8 included."""
    return quote(text, safe=safe, errors="surrogateescape")


def _filled(text: str, name: str, values: Mapping[str, str], written: Callable[[str], str]) -> str:
    """`text` with each `${NAME}` in it replaced by its value, as `written` gives it."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            secrets = values is _variables.get() and values is not os.environ
            lacking = "neither environment nor secrets have" if secrets else "the environment has no"
            raise InputError(f"{name}: {lacking} {match[1]}")
        return written(values[match[1]])

    return _VARIABLE.sub(value, text)


def _read_login(text: str | None, name: str, values: Mapping[str, str]) -> tuple[str, str] | None:
    """User and password; bytes that are no UTF-8 stay what they are, as Python's surrogates."""
    if not text:
        return None
    user, _, password = text.partition(":")
    login = _decoded(user, name, values), _decoded(password, name, values)
    if any(character < " " for character in login[0]):
        raise InputError(f"{name}: the user name holds a control character")
    return login


def _decoded(text: str, name: str, values: Mapping[str, str]) -> str:
    """`text` with its %XX as characters; a value from the environment is none of its syntax."""
    pieces = _VARIABLE.split(text)
    literal = (unquote(piece, errors="surrogateescape") for piece in pieces[::2])
    filled = (_filled(f"${{{piece}}}", name, values, str) for piece in pieces[1::2])
    return "".join(part for pair in itertools.zip_longest(literal, filled, fillvalue="") for part in pair)

"""`kserve:grpc://HOST:PORT/MODEL`: where a served network is, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from streamseg.errors import InputError
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address, filled, read_addresses
from streamseg.redaction import shown

PREFIX = "kserve:"
FORM = "kserve:grpc://HOST:8001/MODEL or kserve:http://HOST:8000/MODEL"
_SCHEMES = ("grpc", "grpcs", "http", "https")
_OPTIONS = ("token", "ca", "timeout")
_TIMEOUT_S = 2.0
_LONGEST_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A served network on one server."""

    address: Address
    model: str
    authorization: str | None = field(repr=False)
    """What the header of that name says."""
    authority: str | None
    """A file of certificates to trust."""
    timeout_s: float
    """Of one request."""

    @property
    def name(self) -> str:
        """For people: without what is secret."""
        return f"{self.address.scheme}://{self.address.authority}/{self.model}"


def is_remote(backend: str | None) -> bool:
    """Whether `backend` names servers."""
    return backend is not None and backend.startswith(PREFIX)


def read_places(backend: str) -> tuple[Place, ...]:
    """One for each server in `kserve:SCHEME://HOST,HOST/MODEL?token=…&ca=FILE&timeout=SECONDS`.

    Raises:
        InputError: it is not understood, the environment lacks a name in it, or the file of certificates is wrong.
    """
    scheme, separator, behind = backend.removeprefix(PREFIX).partition("://")
    name = shown(f"{scheme}://{behind}")
    if not separator or scheme not in _SCHEMES:
        raise InputError(f"backend {PREFIX}{name}: not understood", FORM)
    url, _, query = behind.partition("?")
    asked = _options(query, name)
    addresses = read_addresses(f"{scheme}://{url}")
    model = unquote(addresses[0].path.strip("/"))
    if not re.fullmatch(r"[\w.-]{1,255}", model):
        raise InputError(f"backend {PREFIX}{name}: needs the name of a model behind the host", FORM)
    authority, timeout_s = asked.get("ca"), _seconds(asked.get("timeout"), name)
    if addresses[0].encrypted:
        checked_context(authority, name)
    token = filled(asked["token"], name) if "token" in asked else None
    if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InputError(f"backend {PREFIX}{name}: the token is empty or holds what no header can")
    bearer = None if token is None else f"Bearer {token}"
    return tuple(Place(each, model, bearer or each.basic, authority, timeout_s) for each in addresses)


def _options(query: str, name: str) -> dict[str, str]:
    asked = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    if unknown := sorted(asked.keys() - set(_OPTIONS)):
        raise InputError(f"backend {PREFIX}{name}: there is no option {unknown[0]} here", ", ".join(_OPTIONS))
    return asked


def _seconds(text: str | None, name: str) -> float:
    if text is None:
        return _TIMEOUT_S
    if not re.fullmatch(r"\d{1,2}(\.\d{1,3})?", text) or not 0 < float(text) <= _LONGEST_TIMEOUT_S:
        raise InputError(f"backend {PREFIX}{name}: timeout: expected seconds, up to {_LONGEST_TIMEOUT_S:g}")
    return float(text)

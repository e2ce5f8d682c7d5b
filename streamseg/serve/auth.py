"""Who may look: every request passes here, whatever it asks for."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from streamseg.errors import InputError

TOKEN_VARIABLE = "STREAMSEG_TOKEN"
_SHORTEST = 16
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "streamseg",
    "X-Content-Type-Options": "nosniff",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def read_token(file: Path | None) -> str | None:
    """The token out of `file`, else out of the environment; None where neither is given.

    Raises:
        InputError: the file cannot be read, or the token is too short to be one.
    """
    try:
        token = file.read_text().strip() if file else os.environ.get(TOKEN_VARIABLE)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if token is not None and len(token) < _SHORTEST:
        raise InputError(f"a token has {_SHORTEST} characters or more", "openssl rand -hex 32 > token")
    return token


def guard(token: str | None, more_hosts: tuple[str, ...] = ()) -> Middleware:
    """A middleware that lets a request through only if it is for this host, carries `token`, and only reads.

    The name in `Host` must be an address, this machine's own name, or one of `more_hosts`: a page of another site
    whose name was made to point here ("DNS rebinding") is none of them.
    """
    hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in more_hosts)}

    @web.middleware
    async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            refusal = _refusal(request, token, hosts)
            response = refusal or await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n")
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    return check


def _refusal(request: web.Request, token: str | None, hosts: set[str]) -> web.Response | None:
    host = request.headers.get("Host", "")
    if not _known(host, hosts):
        return web.Response(status=403, text="this is not the host's name; --allow-host makes it one\n")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != host:
        return web.Response(status=403, text="not for other sites\n")
    if token is not None and not hmac.compare_digest(_presented(request), _bytes(token)):
        challenge = {"WWW-Authenticate": 'Basic realm="streamseg", charset="UTF-8"'}
        return web.Response(status=401, text="a token is needed\n", headers=challenge)
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=405, text="this service is only looked at\n", headers={"Allow": "GET, HEAD"})
    return None


def _known(host: str, hosts: set[str]) -> bool:
    """Whether `host`, with or without a port, is an address or among `hosts`."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _presented(request: web.Request) -> bytes:
    """The token that a request carries: `Bearer TOKEN`, or as a browser sends it, the password of any user."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return _bytes(value.strip())
    if kind.lower() == "basic":
        try:
            return base64.b64decode(_bytes(value), validate=True).partition(b":")[2]
        except binascii.Error:
            pass
    return b""


def _bytes(text: str) -> bytes:
    """`text` as it came, whether or not it is UTF-8."""
    return text.encode("utf-8", "surrogateescape")

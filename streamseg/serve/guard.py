"""Every request passes here, whatever it asks for: who may look, and who may change."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
import socket
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streamseg.errors import InputError
from streamseg.serve.attempts import Address, Attempts, Network, client_address, is_encrypted
from streamseg.serve.auth import Tokens, as_bytes
from streamseg.serve.pagefiles import FILES
from streamseg.serve.sessions import Sessions

WHO = "who"
"""Under this key a request carries the name of the operator whose token it has; empty where it is none."""
SESSION = "/session"
"""Where browsers sign in and out."""
LASTS = "lasts"
"""Under this key a request carries a function that tells whether what let it in still would: pictures end with that."""

_READING = ("GET", "HEAD")
_WATCHING = re.compile(r"POST /streams/[^/]+/whep|(?:DELETE|PATCH) /streams/[^/]+/whep/[^/]+")
"""An offer to watch is posted, and the session ended: that is looking. It cannot be changed, which its 405 says."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "streamseg",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(slots=True)
class Access:
    """Who may do what at this moment, under which names of this machine."""

    tokens: Tokens
    hosts: tuple[str, ...] = ()
    """Names besides `localhost` and the machine's own."""
    proxies: tuple[Network, ...] = ()
    """What these say of where a request came from is believed."""
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)

    def change(self, tokens: Tokens) -> None:
        """From now on these are the tokens; sessions of others end."""
        self.tokens = tokens
        self.sessions.keep(tokens.knows)

    def lasts(self, presented: bytes, cookie: str) -> bool:
        """Whether that token, or else the session of that cookie, lets one look at this moment."""
        presented = self.sessions.token(cookie) if cookie else presented
        return bool(self.tokens.operator(presented)) or self.tokens.may_look(presented)

    def accepts(self, presented: bytes, address: Address | None) -> bool:
        """Whether that is one of the tokens; wrong ones are counted, and none looked at while `address` has to wait."""
        if self.attempts.wait_s(address):
            return False
        if not (known := self.tokens.knows(presented)):
            self.attempts.wrong(address)
        return known


def guard(access: Access) -> Middleware:
    """A middleware that lets a request through only if it is for this host and carries the token for what it wants.

    The name in `Host` must be an address, this machine's own name, or one of `access.hosts`: a page of another site
    whose name was made to point here ("DNS rebinding") is none of them. Whatever may change something must come as
    JSON, which no page of another site can send, and with a cookie from a page of this service.
    """
    hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in access.hosts)}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refusal = _elsewhere(request, access, hosts) or _refusal(request, access)
            response = refusal or await handler(request)
        except web.HTTPException as error:
            allowed = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            response = web.Response(status=error.status, text=f"{error.reason}\n", headers=allowed)
        except InputError as error:
            response = web.Response(status=400, text=f"{error}\n")
        return response

    return check


async def frame(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: no answer, nor one without an end, is kept, framed or shown by another site."""
    response.headers.update(_HEADERS)


def _elsewhere(request: web.Request, access: Access, hosts: set[str]) -> web.Response | None:
    """A refusal of what is meant for another host, or comes from a page of another site."""
    host = request.headers.get("Host", "")
    if not _known(host, hosts):
        return web.Response(status=403, text="this is not the host's name; --allow-host makes it one\n")
    scheme, _, origin = request.headers.get("Origin", f"https://{host}").partition("://")
    if origin != host or (scheme != "https" and is_encrypted(request, access.proxies)):
        return _other_site()
    return None


def _refusal(request: web.Request, access: Access) -> web.Response | None:
    path = request.rel_url.raw_path  # by which it is routed: in `request.path` a %2F is a slash like any other
    if path in FILES and request.method in _READING:
        return None  # nothing of this site is in them, and one has to sign in somewhere
    address = client_address(request, access.proxies)
    presented, of_session = _token(request, access, address)
    request[WHO] = access.tokens.operator(presented)
    request[LASTS] = partial(access.lasts, presented, cookie(request, access) if of_session else "")
    signing = path == SESSION and bool(access.tokens.viewer or access.tokens.operators)
    if signing and request.method == "POST":
        return _cross_site(request) or _unless(request, "application/json")
    if not request[WHO] and not access.tokens.may_look(presented):
        return _unknown(request, access, address)
    if request.method in _READING:
        return None
    if of_session and not ({"Origin", "Sec-Fetch-Site"} & request.headers.keys()):
        return _other_site()
    if _WATCHING.fullmatch(f"{request.method} {path}"):
        return _cross_site(request) or (_unless(request, "application/sdp") if request.method == "POST" else None)
    refusal = None if signing else _no_operator(request, access, address)
    return refusal or _cross_site(request) or _unless(request, "application/json")


def _token(request: web.Request, access: Access, address: Address | None) -> tuple[bytes, bool]:
    """The token that a request has, if it is one of those, and whether a session stands for it."""
    if presented := _presented(request):
        return presented if access.accepts(presented, address) else b"", False
    presented = access.sessions.token(cookie(request, access))
    return presented, bool(presented)


def _no_operator(request: web.Request, access: Access, address: Address | None) -> web.Response | None:
    if not access.tokens.operators:
        return web.Response(status=405, text="this service is only looked at\n", headers={"Allow": "GET, HEAD"})
    if request[WHO]:
        return None
    if access.tokens.viewer:
        return web.Response(status=403, text="that token may only look\n")
    return _unknown(request, access, address)


def cookie_name(request: web.Request, access: Access) -> str:
    """That of a session: hosts share cookies between ports; over TLS none of another host can be put in its place."""
    assert request.transport is not None, "it has not been answered"
    port = request.transport.get_extra_info("sockname")[1]
    return f"{'__Host-' if is_encrypted(request, access.proxies) else ''}streamseg-{port}"


def cookie(request: web.Request, access: Access) -> str:
    """Its value; empty where there is none."""
    return request.cookies.get(cookie_name(request, access), "") if "Cookie" in request.headers else ""


def is_browser(request: web.Request) -> bool:
    """Whether one asks, as far as it says so."""
    return "Mozilla/" in request.headers.get("User-Agent", "")


def slow_down(wait_s: float) -> web.Response:
    """What an address is told that has sent too many wrong tokens."""
    headers = {"Retry-After": str(math.ceil(wait_s))}
    return web.Response(status=429, text="too many wrong tokens came from this address\n", headers=headers)


def _cross_site(request: web.Request) -> web.Response | None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return _other_site()
    return None


def _other_site() -> web.Response:
    return web.Response(status=403, text="not for other sites\n")


def _unless(request: web.Request, kind: str) -> web.Response | None:
    """A refusal unless the body is of that `kind`, which no page of another site can send."""
    if request.content_type != kind:
        return web.Response(status=415, text=f"expected Content-Type: {kind}\n")
    return None


def _unknown(request: web.Request, access: Access, address: Address | None) -> web.Response:
    """Browsers are not told of `Basic`: they would ask for a password themselves, beside the page that does."""
    if (wait_s := access.attempts.wait_s(address)) and "Authorization" in request.headers:
        return slow_down(wait_s)
    kind = "Bearer" if is_browser(request) else "Basic"
    challenge = {"WWW-Authenticate": f'{kind} realm="streamseg", charset="UTF-8"'}
    what = "that is no token of this service" if "Authorization" in request.headers else "a token is needed"
    return web.Response(status=401, text=f"{what}\n", headers=challenge)


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
        return as_bytes(value.strip())
    if kind.lower() == "basic":
        try:
            return base64.b64decode(as_bytes(value), validate=True).partition(b":")[2]
        except binascii.Error:
            pass
    return b""

"""The routes by which a browser signs in with a token, once, and out again."""

from __future__ import annotations

from aiohttp import web

from streamseg.serve.api import Refused, SignedIn, SignIn
from streamseg.serve.attempts import client_address, is_encrypted
from streamseg.serve.auth import as_bytes
from streamseg.serve.guard import SESSION, WHO, Access, cookie, cookie_name, slow_down
from streamseg.serve.requests import answer, read_json
from streamseg.serve.sessions import LIFE_S
from streamseg.validation import MisfitError, fit


def add_sign_in(app: web.Application, access: Access) -> None:
    """Adds them to `app`."""
    routes = _SignIn(access)
    app.router.add_get(SESSION, routes.who)
    app.router.add_post(SESSION, routes.begin)
    app.router.add_delete(SESSION, routes.end)


class _SignIn:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def who(self, request: web.Request) -> web.StreamResponse:
        return answer(
            SignedIn(request[WHO], signed_in=bool(self._access.sessions.token(cookie(request, self._access))))
        )

    async def begin(self, request: web.Request) -> web.StreamResponse:
        access = self._access
        try:
            token = as_bytes(fit(await read_json(request), SignIn).token.strip())
        except MisfitError as error:
            return answer(Refused(str(error)), 422)
        except UnicodeEncodeError:
            return answer(Refused("token: expected text"), 422)
        address = client_address(request, access.proxies)
        if wait_s := access.attempts.wait_s(address):
            return slow_down(wait_s)
        if not access.accepts(token, address):
            return answer(Refused("that is no token of this service"), 401)
        access.sessions.end(cookie(request, access))
        response = answer(SignedIn(access.tokens.operator(token), signed_in=True), 201)
        response.set_cookie(
            cookie_name(request, access),
            access.sessions.begin(token),
            max_age=LIFE_S,
            path="/",
            secure=is_encrypted(request, access.proxies),
            httponly=True,
            samesite="Strict",
        )
        return response

    async def end(self, request: web.Request) -> web.StreamResponse:
        self._access.sessions.end(cookie(request, self._access))
        response = web.Response(status=204)
        secure = is_encrypted(request, self._access.proxies)
        response.del_cookie(
            cookie_name(request, self._access), path="/", secure=secure, httponly=True, samesite="Strict"
        )
        return response

"""HTTP as a reader of video needs it: one server, one login, redirects within the server."""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType

from streamseg.capture.httpconnection import RawConnection, RawResponse
from streamseg.errors import SourceError
from streamseg.net.connection import trouble
from streamseg.net.login import LOGIN_HINT, LOGIN_RETRY_S, NO_STREAM, NO_STREAM_HINT, Login
from streamseg.net.urls import Address
from streamseg.redaction import shown

_MOST_TRIES = 4  # of one request: without a login, with one, and once more each for a new nonce and another form
_MOST_REDIRECTS = 5
_MOST_UNREAD = 1 << 16  # of a response that nobody wants; more is cheaper left with its connection
_WELL = (200, 206, 304)


class HttpClient:
    """Asks the server at `address`; the connection is kept for the next request where the server lets us.

    Redirects are followed within the server alone, and its cookies are sent to nobody else.
    """

    def __init__(self, address: Address, open_timeout_s: float, read_timeout_s: float) -> None:
        self.there = address
        """Where the stream is: another path than at first, once the server has said so."""
        self.patience_s = read_timeout_s
        """For each read of a body, in seconds."""
        self._open_timeout_s = open_timeout_s
        self._login = Login(address.login)
        self._cookies = SimpleCookie()
        self._idle: RawConnection | None = None

    def get(self, address: Address | None = None, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """The server's response to a request for `address`, by default for what it was last found at.

        Raises:
            SourceError: there is none, or it is a refusal.
        """
        there, tries, redirects = address or self.there, 0, 0
        while True:
            response = self._ask(there, headers)
            tries += 1
            if (
                response.status == 401
                and tries < _MOST_TRIES
                and self._login.challenged(response.all("www-authenticate"))
            ):
                response.close()
                continue
            if response.status != 401:
                self._login.accepted()
            if response.status not in (301, 302, 303, 307, 308):
                break
            redirects += 1
            response.close()
            there, tries = self._moved(there, response.header("location"), redirects), 0
            if address is None:
                self.there = there
        if response.status not in _WELL:
            response.close()
            raise self._refusal(response)
        return response

    def close(self) -> None:
        """Closes the connection that is kept."""
        if self._idle is not None:
            self._idle.close()
        self._idle = None

    def error(self, what: str, hint: str = "", *, retry_s: float = 0.5, away: bool = False) -> SourceError:
        """One that names the stream."""
        return SourceError(f"{self.there.name}: {what}", hint, retry_s=retry_s, away=away)

    def broke(self, error: OSError | http.client.HTTPException) -> SourceError:
        """What went wrong on a connection, in words."""
        if isinstance(error, OSError):  # of which some are both
            return self.error(*trouble(error, self.there)[:2], away=trouble(error, self.there).away)
        return self.error("no answer that can be understood")

    def give_back(self, connection: RawConnection) -> None:
        """Takes a connection whose response was read to its end."""
        self.close()
        self._idle = connection

    def _ask(self, there: Address, headers: Mapping[str, str]) -> Response:
        kept, self._idle = self._idle, None
        if kept is not None and kept.place == (there.scheme, there.place):
            with contextlib.suppress(OSError, http.client.HTTPException):  # it may have been closed meanwhile
                return self._say(kept, there, headers)
        if kept is not None:
            kept.close()
        made = RawConnection(there, self._open_timeout_s)
        try:
            return self._say(made, there, headers)
        except (OSError, http.client.HTTPException) as error:
            made.close()
            raise self.broke(error) from None
        except BaseException:
            made.close()
            raise

    def _say(self, connection: RawConnection, there: Address, headers: Mapping[str, str]) -> Response:
        path = there.path if there.path.startswith("/") else f"/{there.path}"
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        asked = {"Host": there.authority, "User-Agent": "streamseg", "Accept": "*/*", **headers}
        if login := self._login.authorization("GET", path):
            asked["Authorization"] = login
        if self._cookies:
            asked["Cookie"] = "; ".join(f"{each.key}={each.coded_value}" for each in self._cookies.values())
        for name, value in asked.items():
            connection.putheader(name, value.encode(errors="surrogateescape"))
        connection.endheaders()
        response = Response(self, connection, connection.response())
        connection.patient(self.patience_s)
        for line in response.all("set-cookie"):
            with contextlib.suppress(CookieError):
                self._cookies.load(line)
        return response

    def _moved(self, there: Address, location: str, redirects: int) -> Address:
        moved = there.moved(location) if location and redirects <= _MOST_REDIRECTS else None
        if moved is None and redirects > _MOST_REDIRECTS:
            raise self.error("the server sends us from place to place")
        if moved is None:
            where = shown(location) or "without saying where"
            hint = "name that one instead, if it is the right one"
            raise self.error(f"sends us to another server, {where}: not followed", hint, retry_s=LOGIN_RETRY_S)
        return moved

    def _refusal(self, response: Response) -> SourceError:
        if response.status in (401, 403):
            unknown = f": the server asks for {self._login.unknown}, unknown here" if self._login.unknown else ""
            return self.error(f"wrong or missing password{unknown}", LOGIN_HINT, retry_s=LOGIN_RETRY_S)
        if response.status in (404, 410):
            return self.error(NO_STREAM, NO_STREAM_HINT)
        said = f"{response.status} {response.reason}".strip()
        return self.error(f"the server answers {said}", away=response.status >= 500 or response.status == 429)


class Response:
    """What a server says, with its body still to be read."""

    def __init__(self, client: HttpClient, connection: RawConnection, response: RawResponse) -> None:
        self._client, self._connection, self._response = client, connection, response
        self._done = False
        self.status, self.reason = response.status, response.reason or ""
        self.promised = response.length
        """Bytes of this body; None where the server does not say."""
        part = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18})", self.header("content-range").strip())
        self.begin, self.total = (int(part[1]), int(part[2])) if part else (0, self.promised)
        """Place of the first byte in the whole file, and bytes of that; None where the server does not say."""

    def header(self, name: str) -> str:
        """Its first value; empty where there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Its values, one a line of the response."""
        values = self._response.headers.get_all(name) or []  # the library takes them for Latin-1
        return [value.encode("latin-1").decode(errors="surrogateescape") for value in values]

    def ready(self, within_s: float) -> bool:
        """Whether `read` would not wait for longer than that."""
        return self._done or self._response.ready(within_s)

    def read(self, most: int) -> bytes:
        """What is there by now, at least one byte; empty at the end.

        Raises:
            OSError, http.client.HTTPException: the connection broke before the end.
        """
        if self._done:
            return b""
        data = self._response.read1(most)
        if not data and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        if not data or self._response.length == 0:
            self._finish(well=True)
        return data

    def close(self) -> None:
        """Done with it; what little is left is read, so that the connection may serve again."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            if (self._response.length or _MOST_UNREAD) < _MOST_UNREAD:
                while self.read(_MOST_UNREAD):
                    pass
        self._finish(well=False)

    def _finish(self, *, well: bool) -> None:
        if self._done:
            return
        self._done = True
        self._response.close()
        if well and not self._response.will_close:
            self._client.give_back(self._connection)
        else:
            self._connection.close()

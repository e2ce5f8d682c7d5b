"""What an RTSP client says to one server, and what it makes of the answers; no connection.

The login goes to the server that it was given for and to no other: a redirect is followed within it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from streamseg.net.login import LOGIN_RETRY_S, Login
from streamseg.net.rtspmessages import Message
from streamseg.net.urls import Address
from streamseg.redaction import redact, shown

_MOST_TRIES = 4  # of one request: without a login, with one, and once more each for a new nonce and another form
_MOST_REDIRECTS = 5
_MOST_WORDS = 100  # letters of a server's own that a line of ours repeats
_UNKNOWN = (405, 501, 551)  # what is said to a method that a server does not know


class RefusedError(Exception):
    """The server does not do as asked; says why in words.

    `status` is that of its answer, `retry_s` says after how long asking again makes sense, and `away` whether the
    trouble may pass by itself.
    """

    def __init__(self, what: str, hint: str = "", *, status: int = 0, retry_s: float = 0.5, away: bool = False) -> None:
        super().__init__(what)
        self.what, self.hint, self.status, self.retry_s, self.away = what, hint, status, retry_s, away


@dataclass(frozen=True, slots=True)
class Request:
    """A request on its way."""

    method: str
    uri: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    tries: int = 1


class RtspClient:
    """Requests to the server at `there`, numbered, with the login that it wants to see."""

    def __init__(self, address: Address) -> None:
        self.there = address
        """Where the stream is: another path than at first, once the server has said so."""
        self._login = Login(address.login)
        self._number = self._redirects = 0

    def write(self, request: Request) -> tuple[str, bytes]:
        """The number that the answer will bear, and the request as it travels."""
        self._number += 1
        message = Message(f"{request.method} {request.uri} RTSP/1.0", list(request.headers), request.body)
        message.put("CSeq", str(self._number))
        answer = self._login.authorization(request.method, request.uri, request.body)
        if answer:
            message.put("Authorization", answer)
        return str(self._number), message.encode()

    def again(self, request: Request, answer: Message) -> Request | None:
        """The same request with a login or at another place; None where `answer` is final.

        Raises:
            RefusedError: another place that is another server.
        """
        status = answer.status or 0
        if status == 401:
            may = request.tries < _MOST_TRIES and self._login.challenged(answer.all("www-authenticate"))
            return replace(request, tries=request.tries + 1) if may else None
        self._login.accepted()
        if not 300 <= status < 400:
            return None
        there = self.moved(answer.get("location"))
        if request.method in ("OPTIONS", "DESCRIBE", "ANNOUNCE"):  # what follows belongs there too
            self.there = there
        return replace(request, uri=there.bare, tries=1)

    def moved(self, location: str) -> Address:
        """Where the server sends us.

        Raises:
            RefusedError: to another server, or in a circle.
        """
        self._redirects += 1
        if self._redirects > _MOST_REDIRECTS:
            raise RefusedError("the server sends us from place to place")
        there = self.there.moved(location) if location else None
        if there is None:
            where = shown(location)[:_MOST_WORDS] or "without saying where"
            hint = "name that one instead, if it is the right one"
            raise RefusedError(f"sends us to another server, {where}: not followed", hint, retry_s=LOGIN_RETRY_S)
        return there

    def reply(self, request: Message) -> bytes:
        """What the server gets for what it asks of us.

        Raises:
            RefusedError: it asks us to leave.
        """
        method = request.words[0]
        if method == "REDIRECT":
            self.moved(request.get("location"))
            raise RefusedError("the server asks us to connect again", away=True)
        known = method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        first = f"RTSP/1.0 {'200 OK' if known else '501 Not Implemented'}"
        return Message(first, [("CSeq", request.get("cseq"))]).encode()

    def refusal(self, method: str, answer: Message) -> RefusedError | None:
        """A final answer in words; None where it is a good one."""
        status = answer.status or 0
        if status < 300 or (method == "OPTIONS" and status in _UNKNOWN):  # it only asks what else may be asked
            return None
        if status in (401, 403):
            offered = self._login.unknown[:_MOST_WORDS]
            unknown = f": the server asks for {offered}, unknown here" if offered else ""
            return RefusedError(f"wrong or missing password{unknown}", status=status, retry_s=LOGIN_RETRY_S)
        # 453: not enough bandwidth, which most cameras say to one viewer too many.
        away = status >= 500 or status == 453
        said = redact(answer.first.partition(" ")[2])[:_MOST_WORDS]
        return RefusedError(f"the server answers {said} to {method}", status=status, away=away)

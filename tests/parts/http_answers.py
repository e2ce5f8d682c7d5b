"""What an HTTP server may answer: cameras of every dialect, files with every fault."""

from __future__ import annotations

import http.server
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus

import cv2

from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.http_server import Answer

Handler = http.server.BaseHTTPRequestHandler


def picture(number: int) -> bytes:
    """A JPEG that carries its number."""
    return cv2.imencode(".jpg", clips.numbered(number % 256, 160, 120))[1].tobytes()


def say(handler: Handler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def whole(body: bytes, kind: str = "application/octet-stream", **headers: str) -> Answer:
    """A body with its length, from a server that cannot jump."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: say(handler, 200, {"Content-Type": kind, "Content-Length": str(len(body)), **named}, body)


def unmeasured(parts: Callable[[], Iterator[bytes]], kind: str, *, chunked: bool = False, status: str = "") -> Answer:
    """A body without a length, in pieces as they come; `status` is another first line."""

    def answer(handler: Handler) -> None:
        if status:
            handler.wfile.write(status.encode() + b"\r\n")
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        handler.send_header("Content-Type", kind)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.close_connection = True
        for part in parts():
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def paced(parts: Sequence[bytes], *, interval_s: float = 0.04, rounds: int | None = None) -> Iterator[bytes]:
    """`parts` again and again at a camera's own rate."""
    for _ in itertools.count() if rounds is None else range(rounds):
        for part in parts:
            yield part
            time.sleep(interval_s)


class Ranges:
    """A file on a server that can jump, with faults: `cut` says after how many bytes each answer breaks off.

    It sends no more than `most` bytes at a time, however many it is asked for.
    """

    def __init__(
        self,
        body: bytes,
        cut: Callable[[int], int | None] = lambda request: None,
        tag: str = '"1"',
        most: int | None = None,
    ) -> None:
        self.body, self.tag, self.asked = body, tag, list[str]()
        self._cut, self._most = cut, most or len(body)

    def __call__(self, handler: Handler) -> None:
        asked = handler.headers.get("Range", "")
        self.asked.append(asked)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
        begin, end = (int(found[1]), int(found[2] or len(self.body) - 1) + 1) if found else (0, len(self.body))
        end = min(end, begin + self._most) if found else end
        headers = {"Accept-Ranges": "bytes", "ETag": self.tag, "Content-Length": str(end - begin)}
        if found and handler.headers.get("If-Range", self.tag) == self.tag:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(self.body)}"
            status: int = HTTPStatus.PARTIAL_CONTENT
        else:
            begin, end, status = 0, len(self.body), HTTPStatus.OK
            headers["Content-Length"] = str(end)
        cut = self._cut(len(self.asked))
        say(handler, status, headers, self.body[begin:end] if cut is None else self.body[begin:end][:cut])


def guarded(keeper: Authenticator, inside: Answer) -> Answer:
    """`inside` for clients that know the password."""

    def answer(handler: Handler) -> None:
        if keeper.admits("GET", handler.headers.get("Authorization", "").encode("latin-1").decode()):
            inside(handler)
            return
        handler.send_response(401)
        for line in keeper.challenge():
            name, _, value = line.partition(": ")
            handler.send_header(name, value.encode().decode("latin-1"))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def moved(to: str, code: int = 302) -> Answer:
    return lambda handler: say(handler, code, {"Location": to, "Content-Length": "0"})


def by_path(answers: Mapping[str, Answer]) -> Answer:
    """An answer for each path."""

    def answer(handler: Handler) -> None:
        chosen = answers.get(handler.path.partition("?")[0])
        if chosen:
            chosen(handler)
        else:
            handler.send_error(404)

    return answer

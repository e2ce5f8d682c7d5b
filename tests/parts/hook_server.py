"""A web server that takes messages as a test wants, over HTTP or TLS, and writes down what it was sent."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


OK = status(204)


class HookServer:
    """`with HookServer(status(500)) as server:` gives each request the next of the answers, and then 204."""

    def __init__(self, *answers: Answer, certificate: Path | None = None, port: int = 0) -> None:
        self.taken: list[dict[str, Any]] = []
        """What was answered with 2xx."""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        """Path, headers and body of everything that came."""
        answers_left = list(answers)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                answer = answers_left.pop(0) if answers_left else OK
                answer(self)

            def send_response(self, code: int, message: str | None = None) -> None:
                if 200 <= code < 300:
                    outer.taken.append(json.loads(outer.requests[-1][2]))
                super().send_response(code, message)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                """A client that leaves is no error here."""

        self._server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def told(self) -> list[tuple[str, str]]:
        """Id and kind of what was taken, in order."""
        return [(message["id"], message["kind"]) for message in self.taken]

    def __enter__(self) -> HookServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

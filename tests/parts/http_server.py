"""HTTP servers on loopback that do what a test wants, and write down what they are asked for."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

S = TypeVar("S", bound=socketserver.BaseServer)
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def http_server(
    answer: Answer | None = None, folder: Path | None = None, *, keep_alive: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that answers with `answer`, or gives the files of `folder`; and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

        def do_GET(self) -> None:
            asked.append(self.path)
            if answer is None:
                super().do_GET()
            else:
                answer(self)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A reader that leaves is no error here."""

    handler = partial(Handler, directory=str(folder)) if folder else Handler
    with serving(Server(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked


@contextmanager
def serving(server: S) -> Iterator[S]:
    """`server`, answering in a thread of its own until the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # how long it takes to hear of its end
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

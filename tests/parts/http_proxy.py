"""A proxy for HTTP, as companies have it between their machines and the world, and what it was asked for."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from contextlib import AbstractContextManager

from tests.parts.http_server import serving


class HttpProxy(http.server.ThreadingHTTPServer):
    """Hands everything on to `port` of this machine, whatever host is asked for."""

    daemon_threads = True

    def __init__(self, port: int, login: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.login = port, login
        self.asked: list[str] = []
        """First lines of the requests that it handed on."""

    @property
    def place(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HttpProxy

    def do_POST(self) -> None:
        if self._admitted():
            body = self.rfile.read(int(self.headers["Content-Length"]))
            del self.headers["Proxy-Authorization"]
            path = "/" + self.path.split("/", 3)[3]
            with socket.create_connection(("127.0.0.1", self.server.target)) as there:
                there.sendall(f"POST {path} HTTP/1.0\r\n{self.headers.as_string()}".encode() + body)
                copy_until_end(there, self.connection)

    def do_CONNECT(self) -> None:
        if self._admitted():
            self.send_response(200)
            self.end_headers()
            with socket.create_connection(("127.0.0.1", self.server.target)) as there:
                threading.Thread(target=copy_until_end, args=(self.connection, there), daemon=True).start()
                copy_until_end(there, self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def _admitted(self) -> bool:
        if self.server.login is not None and self.headers["Proxy-Authorization"] != self.server.login:
            self.send_error(407)
            return False
        self.server.asked.append(self.requestline)
        return True


def copy_until_end(here: socket.socket, there: socket.socket) -> None:
    """Hands on what comes from `here`, and that it has ended."""
    with contextlib.suppress(OSError):
        while data := here.recv(1 << 16):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)


def http_proxy(port: int, login: str | None = None) -> AbstractContextManager[HttpProxy]:
    return serving(HttpProxy(port, login))

"""A broker's door: who logs in, by SCRAM (RFC 5802), has to know the password; all else is handed on to the broker.

The broker of the tests keeps no passwords over its start.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import socketserver
import struct
import threading
from contextlib import AbstractContextManager

from tests.parts.http_proxy import copy_until_end
from tests.parts.http_server import serving

_HANDSHAKE, _AUTHENTICATE = 17, 36
_SALT, _ROUNDS = b"of a test", 4096


class Door(socketserver.ThreadingTCPServer):
    """Stands on a port of its own before that of a `broker`, for the user `me`."""

    daemon_threads = True

    def __init__(self, mechanism: str, password: str, broker: int) -> None:
        super().__init__(("127.0.0.1", 0), _Guest)
        self.mechanism, self.password, self.broker = mechanism, password, broker
        self.port = int(self.server_address[1])

    def proof(self, said: bytes) -> tuple[bytes, bytes]:
        """What a client proves that it knows the password with, and what the broker does."""
        name = self.mechanism.removeprefix("SCRAM-").replace("-", "").lower()
        salted = hashlib.pbkdf2_hmac(name, self.password.encode(), _SALT, _ROUNDS)
        key, own = (hmac.digest(salted, words, name) for words in (b"Client Key", b"Server Key"))
        signature = hmac.digest(hashlib.new(name, key).digest(), said, name)
        return bytes(a ^ b for a, b in zip(key, signature, strict=True)), hmac.digest(own, said, name)


class _Guest(socketserver.BaseRequestHandler):
    server: Door
    request: socket.socket

    def handle(self) -> None:
        first = challenge = b""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.broker)) as broker:
            while frame := _frame(self.request):
                kind, _, number, length = struct.unpack_from(">hhih", frame)
                said = frame[10 + length + 4 :]
                if kind == _HANDSHAKE:
                    wanted = frame[10 + length + 2 :].decode()
                    name = self.server.mechanism.encode()
                    refused = 33 * (wanted != self.server.mechanism)
                    self._answer(number, struct.pack(">hih", refused, 1, len(name)) + name)
                elif kind == _AUTHENTICATE and not first:
                    first = said.partition(b",,")[2]
                    nonce = first.partition(b"r=")[2] + b"door"
                    challenge = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(_SALT), _ROUNDS)
                    self._authenticate(number, first.startswith(b"n=me,"), challenge)
                elif kind == _AUTHENTICATE:
                    last, _, given = said.partition(b",p=")
                    proof, own = self.server.proof(b",".join((first, challenge, last)))
                    right = base64.b64decode(given) == proof
                    self._authenticate(number, right, b"v=" + base64.b64encode(own))
                    if right:
                        break
                else:
                    broker.sendall(struct.pack(">i", len(frame)) + frame)
                    answer = _frame(broker)
                    self.request.sendall(struct.pack(">i", len(answer)) + answer)
            threading.Thread(target=copy_until_end, args=(broker, self.request), daemon=True).start()
            copy_until_end(self.request, broker)

    def _authenticate(self, number: int, right: bool, words: bytes) -> None:
        well = struct.pack(">hhi", 0, -1, len(words)) + words + bytes(8)
        self._answer(number, well if right else struct.pack(">hhiq", 58, -1, 0, 0))

    def _answer(self, number: int, body: bytes) -> None:
        self.request.sendall(struct.pack(">ii", 4 + len(body), number) + body)


def _frame(line: socket.socket) -> bytes:
    with contextlib.suppress(struct.error):
        (size,) = struct.unpack(">i", line.recv(4, socket.MSG_WAITALL))
        return line.recv(size, socket.MSG_WAITALL)
    return b""


def door(mechanism: str, password: str, broker: int) -> AbstractContextManager[Door]:
    return serving(Door(mechanism, password, broker))

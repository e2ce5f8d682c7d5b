"""Python's own HTTP where it has to be other than it is: first lines, time-outs, certificates."""

from __future__ import annotations

import http.client
import io
import math
import re
import socket
import time
from typing import Any

from streamseg.net.answers import FinalResponse
from streamseg.net.connection import connect
from streamseg.net.urls import Address


class RawResponse(FinalResponse):
    """A response that can be asked whether there is something to read."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self._wire, librarys = _Wire(sock), self.fp
        self._sock, self.fp = sock, io.BufferedReader(self._wire)
        librarys.close()

    def begin(self) -> None:
        """Reads the head, for which a server has as much time in all as for a single byte."""
        self._wire.deadline_s = time.monotonic() + (self._sock.gettimeout() or math.inf)
        super().begin()
        self._wire.deadline_s = math.inf

    def ready(self, within_s: float) -> bool:
        """Whether a read would not wait for longer than that."""
        if self.fp is None:
            return True
        before_s = self._sock.gettimeout()
        self._sock.settimeout(within_s)
        try:
            self.fp.peek(1)
        except TimeoutError:
            return False
        except OSError:
            return True  # as the reader will see
        finally:
            self._sock.settimeout(before_s)
        return True

    def _read_status(self) -> tuple[str, int, str]:
        """As the library does it, and the first line of servers for radio, which begins with another word."""
        if self.fp.peek(4)[:4] == b"ICY ":
            _, number, reason = [*self.fp.readline(1 << 12).decode("latin-1").strip().split(" ", 2), "", ""][:3]
            if re.fullmatch("[1-9][0-9]{2}", number):
                return "HTTP/1.0", int(number), reason
        return super()._read_status()


class RawConnection(http.client.HTTPConnection):
    """A connection to the server at `address`; `timeout_s` holds for each step until there is a response."""

    response_class = RawResponse

    def __init__(self, address: Address, timeout_s: float) -> None:
        super().__init__(*address.place, timeout=timeout_s)
        self._address, self._timeout_s = address, timeout_s
        self.place = address.scheme, address.place
        """To whom it leads."""

    def connect(self) -> None:
        """Called by the library."""
        self.sock = self._socket = connect(self._address, self._timeout_s)

    def response(self) -> RawResponse:
        """The response's head; its body is still to be read."""
        response = self.getresponse()
        assert isinstance(response, RawResponse)
        return response

    def patient(self, timeout_s: float) -> None:
        """From now on a read may take so long."""
        self._socket.settimeout(timeout_s)  # the library lets go of it where the response is the last on it


class _Wire(io.RawIOBase):
    """A connection as a file; unlike the library's own it works after a time-out."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline_s = math.inf
        self._held = connection.makefile("rb", buffering=0)  # keeps it open when others close it

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if time.monotonic() > self.deadline_s:
            raise TimeoutError
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        self._held.close()
        super().close()

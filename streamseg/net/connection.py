"""Connecting to a server, and what to say where that fails."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
from typing import TYPE_CHECKING, NamedTuple

from streamseg.net.urls import Address
from streamseg.said import Said

if TYPE_CHECKING:
    import ssl  # otherwise imported where it is needed: most runs need no TLS

_log = logging.getLogger(__name__)
_SAID = Said()  # a certificate is the server's, whichever stream looks at it
_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "host not reachable",
    errno.ENETUNREACH: "network not reachable",
    errno.ETIMEDOUT: "does not answer",
}


def connect(address: Address, timeout_s: float) -> socket.socket:
    """A connection to `address`, encrypted where its scheme says so; `timeout_s` holds for every step on it.

    Cameras sign their certificates themselves. One that cannot be checked is taken, and a line says so,
    once an hour for each server.

    Raises:
        OSError: there is none; `trouble` says why in words.
    """
    if not address.encrypted:
        return _plain(address, timeout_s)
    import ssl

    try:
        return _wrapped(address, timeout_s, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        line = f"its certificate cannot be checked ({error.verify_message}); others in the network may read along"
        _SAID.once(_log, logging.WARNING, f"{address.scheme}://{address.authority}: {line}")
        unchecked = ssl.create_default_context()
        unchecked.check_hostname = False
        unchecked.verify_mode = ssl.CERT_NONE
        return _wrapped(address, timeout_s, unchecked)


def has_come(connection: socket.socket) -> bool:
    """Whether there is something to read, or the other side has gone; `select` knows no socket behind 1,024 files."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(connection, selectors.EVENT_READ)
        return bool(waiting.select(0))


def _plain(address: Address, timeout_s: float) -> socket.socket:
    made = socket.create_connection(address.place, timeout_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _wrapped(address: Address, timeout_s: float, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = _plain(address, timeout_s)
    try:
        return context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


class Trouble(NamedTuple):
    """Why a server cannot be reached, for a person."""

    what: str
    hint: str = ""
    away: bool = True
    """Whether it may come by itself: the other side is off, or not there yet."""


def trouble(error: OSError, address: Address) -> Trouble:
    """What `error` means that came of connecting or talking to `address`."""
    import ssl

    if isinstance(error, socket.gaierror):
        local = "." not in address.host or address.host.lower().endswith((".local", ".lan", ".home", ".internal"))
        hint = "check the name, and that this machine is in its network"
        # A name of the local network goes with the device that has it; others are there whether or not it is on.
        return Trouble("host not found", hint, away=local or error.errno == socket.EAI_AGAIN)
    if isinstance(error, TimeoutError):
        return Trouble("does not answer", "is it switched on and in this network?")
    if isinstance(error, ssl.SSLError):
        what = error.reason or error.strerror or "no reason given"
        checked = getattr(error, "verify_message", "").rstrip(".")  # of a certificate: too old, of another name, …
        return Trouble(f"TLS fails: {what}{checked and f': {checked}'}", away=False)
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Trouble("connection reset")
    strange = error.strerror.lower() if error.strerror else str(error) or type(error).__name__
    return Trouble(_REASONS.get(error.errno or 0, strange))

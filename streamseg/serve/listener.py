"""Where a service can be looked at: `ADDRESS:PORT`, `NAME:PORT`, `[::1]:PORT`, `:PORT`."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any, NamedTuple

from streamseg.errors import InputError, OutputError

SEND_BUFFER = 1 << 16
"""Bytes; a viewer's picture is at most as old as what fits in here."""
_HERE = "localhost"
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # IPv6 is switched off, and `localhost` may have it all the same
_Address = tuple[Any, ...]  # host and port; with IPv6 also flow and scope


class Listener(NamedTuple):
    """The sockets that clients come to: a name can have several addresses."""

    host: str
    """As it stands in a URL."""
    sockets: list[socket.socket]
    scheme: str = "http"

    @property
    def url(self) -> str:
        """What a browser on this machine is given."""
        return f"{self.scheme}://{self.host}:{self.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Nobody comes any more."""
        for each in self.sockets:
            each.close()


def listen(text: str, *, closed: bool, scheme: str = "http") -> Listener:
    """Listens where `text` says, on loopback if it names no host; port 0 is any that is free.

    Where it is `closed` other machines cannot come.

    Raises:
        InputError: `text` is no address with a port, or other machines could come.
        OutputError: the address is not to be had, because it is in use say.
    """
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if bracketed else host
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16) or (":" in name) != bracketed:
        raise InputError(f"--listen {text}: expected ADDRESS:PORT", "localhost:8090, 0.0.0.0:8090, [::]:8090 or :8090")
    addresses = _addresses(name or _HERE, text)
    if closed and not all(ipaddress.ip_address(address[0]).is_loopback for address in addresses):
        raise InputError(
            f"--listen {text}: other machines could look without being asked who they are",
            "--token-file FILE, or --no-auth if that is meant",
        )
    return Listener(host or _HERE, _sockets(addresses, int(port), text), scheme)


def _addresses(name: str, text: str) -> list[_Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        raise InputError(f"--listen {text}: no such host", "an address or name of this machine") from None
    return list(dict.fromkeys(address for *_, address in found))


def _sockets(addresses: list[_Address], port: int, text: str) -> list[socket.socket]:
    made: list[socket.socket] = []
    failed: list[OSError] = []
    for address in addresses:
        try:
            made.append(_socket(address, port))
            port = made[0].getsockname()[1]
        except OSError as error:
            failed.append(error)
    serious = [error for error in failed if not made or error.errno not in _NOT_HERE]
    if serious:
        for each in made:
            each.close()
        raise OutputError(f"--listen {text}: {serious[0].strerror}")
    return made


def _socket(address: _Address, port: int) -> socket.socket:
    host, _, *scope = address
    made = socket.socket(socket.AF_INET6 if scope else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        made.bind((host, port, *scope))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made

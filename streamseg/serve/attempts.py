"""Who has sent wrong tokens of late, and how long they have to wait."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_WRONG = 5
"""Wrong tokens that one address may send within `WITHIN_S`."""
WITHIN_S = 60.0
MOST_ADDRESSES = 4096
"""What is known of the one that was heard of least recently makes room for one more."""


class _Wrong(NamedTuple):
    since_s: float
    times: int


class Attempts:
    """Wrong tokens by the address of who sent them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[Address, _Wrong] = {}

    def wait_s(self, address: Address | None) -> float:
        """For how many seconds no further token of `address` is looked at; 0 for None, which may be anybody."""
        known = None if address is None else self._wrong.get(_group(address))
        if known is None or known.times < MOST_WRONG:
            return 0.0
        return max(0.0, known.since_s + WITHIN_S - self._clock())

    def wrong(self, address: Address | None) -> None:
        """One more came from there."""
        if address is None:
            return
        key, now_s = _group(address), self._clock()
        known = self._wrong.pop(key, None)
        if known is None or now_s - known.since_s >= WITHIN_S:
            known = _Wrong(now_s, 0)
        self._wrong[key] = known._replace(times=known.times + 1)
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]


def _group(address: Address) -> Address:
    """`address`, or the first of all that belong to the same customer: with IPv6 each has 2^64 of them."""
    if address.version == 4:
        return address
    return ipaddress.ip_network((address, 64), strict=False).network_address


def client_address(request: web.Request, proxies: tuple[Network, ...]) -> Address | None:
    """Of the client, past the `proxies`; None for this machine and a proxy that does not tell: may be anybody."""
    peer = _address(request.remote or "")
    told = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while peer is not None and through(peer, proxies) and told:
        peer = _address(told.pop().strip())
    return None if peer is None or peer.is_loopback or through(peer, proxies) else peer


def is_encrypted(request: web.Request, proxies: tuple[Network, ...]) -> bool:
    """Whether the client came over TLS, to this service or to one of `proxies`."""
    peer = _address(request.remote or "")
    return request.secure or (through(peer, proxies) and request.headers.get("X-Forwarded-Proto") == "https")


def through(address: Address | None, proxies: tuple[Network, ...]) -> bool:
    """Whether `address` is that of one of `proxies`."""
    return address is not None and any(address in each for each in proxies)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

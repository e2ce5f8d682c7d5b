"""Wrong tokens are slowed by address, and only by an address that is the client's own."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from streamseg.serve.attempts import MOST_ADDRESSES, MOST_WRONG, WITHIN_S, Attempts, client_address, is_encrypted

LOOPBACK = (ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/24"))


def at(text: str) -> Any:
    return ipaddress.ip_address(text)


def test_a_few_wrong_tokens_within_a_minute_make_an_address_wait_and_no_other() -> None:
    now = [1000.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(MOST_WRONG):
        assert attempts.wait_s(at("192.0.2.1")) == 0
        attempts.wrong(at("192.0.2.1"))
        now[0] += 1
    assert attempts.wait_s(at("192.0.2.1")) == WITHIN_S - MOST_WRONG
    assert attempts.wait_s(at("192.0.2.2")) == 0
    now[0] += WITHIN_S
    assert attempts.wait_s(at("192.0.2.1")) == 0
    attempts.wrong(at("192.0.2.1"))
    assert attempts.wait_s(at("192.0.2.1")) == 0


def test_who_may_be_anybody_is_never_made_to_wait_and_a_network_of_ipv6_waits_as_one() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(MOST_WRONG):
        attempts.wrong(None)
        attempts.wrong(at(f"2001:db8::{number}"))
    assert attempts.wait_s(None) == 0
    assert attempts.wait_s(at("2001:db8::ffff")) == WITHIN_S
    assert attempts.wait_s(at("2001:db8:0:1::1")) == 0


def test_however_many_addresses_come_memory_is_bounded() -> None:
    attempts = Attempts(lambda: 0.0)
    for number in range(MOST_ADDRESSES + 500):
        attempts.wrong(at("198.18.0.0") + number)
    assert len(attempts._wrong) == MOST_ADDRESSES


@pytest.mark.parametrize(
    ("peer", "told", "proxies", "address"),
    [
        ("192.0.2.7", [], (), "192.0.2.7"),
        ("::ffff:192.0.2.7", [], (), "192.0.2.7"),
        ("fe80::1%eth0", [], (), "fe80::1"),
        ("127.0.0.1", [], (), None),  # an untold proxy may be there
        ("192.0.2.7", ["198.51.100.1"], LOOPBACK, "192.0.2.7"),  # anybody can say so
        ("127.0.0.1", ["198.51.100.1"], (), None),
        ("127.0.0.1", ["198.51.100.1"], LOOPBACK, "198.51.100.1"),
        ("127.0.0.1", ["203.0.113.9, 198.51.100.1"], LOOPBACK, "198.51.100.1"),  # the client said the first
        ("127.0.0.1", ["203.0.113.9", "198.51.100.1"], LOOPBACK, "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.1, 10.0.0.3"], LOOPBACK, "198.51.100.1"),  # a proxy before a proxy
        ("127.0.0.1", ["nonsense"], LOOPBACK, None),
        ("127.0.0.1", [], LOOPBACK, None),
        (None, [], LOOPBACK, None),
    ],
)
def test_the_address_is_what_the_last_proxy_that_is_believed_saw(
    peer: str | None, told: list[str], proxies: Any, address: str | None
) -> None:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in told] + [("X-Forwarded-Proto", "https")])
    request: Any = SimpleNamespace(remote=peer, headers=headers, secure=False)
    assert client_address(request, proxies) == (address and at(address))
    assert is_encrypted(request, proxies) == (peer == "127.0.0.1" and bool(proxies))

"""The proxy between here and a server, as the environment names it for every program."""

from __future__ import annotations

import contextlib
import ipaddress

from streamseg.errors import InputError
from streamseg.net.urls import Address, read_address


def proxy_for(address: Address) -> Address | None:
    """What `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` say of `address`; None: it is reached directly.

    This machine itself always is. Beside hosts and domains `no_proxy` may hold networks, as 10.0.0.0/8.

    Raises:
        InputError: that is no proxy that is spoken to in plain HTTP.
    """
    import urllib.request

    named = urllib.request.getproxies()
    url = named.get(address.scheme) or named.get("all")
    host, port = address.server
    if not url or _direct(host, named.get("no", "")) or urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    proxy = read_address(url if "://" in url else f"http://{url}", {})
    if proxy.scheme != "http":
        hint = f"{address.scheme}_proxy=http://HOST:PORT, or no_proxy={host}"
        raise InputError(f"{address.name}: the proxy {proxy.name} is none of http://", hint)
    return proxy


def _direct(host: str, networks: str) -> bool:
    try:
        place = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    for network in networks.split(","):
        with contextlib.suppress(ValueError):  # hosts and domains, which the library knows
            if place in ipaddress.ip_network(network.strip(), strict=False):
                return True
    return place.is_loopback

"""Which proxy the environment names for which server."""

from __future__ import annotations

import pytest

from streamseg.errors import InputError
from streamseg.net.proxy import proxy_for
from streamseg.net.urls import read_address

BOTH = {"http_proxy": "http://plain:3128", "HTTPS_PROXY": "http://me:hunter2@tls:3129/"}


@pytest.mark.parametrize(
    ("environment", "uri", "place"),
    [
        ({}, "https://hooks.example/x", None),
        (BOTH, "http://hooks.example/x", ("plain", 3128)),
        (BOTH, "https://hooks.example/x", ("tls", 3129)),
        ({"http_proxy": "http://plain:3128"}, "https://hooks.example/x", None),
        ({"all_proxy": "any:8080"}, "https://hooks.example/x", ("any", 8080)),
        ({"http_proxy": "http://plain"}, "http://hooks.example/x", ("plain", 80)),
        (BOTH, "http://localhost:8090/x", None),
        (BOTH, "http://127.0.0.2:8090/x", None),
        (BOTH, "https://[::1]/x", None),
        ({**BOTH, "no_proxy": "localhost,.example"}, "https://hooks.example/x", None),
        ({**BOTH, "no_proxy": "hooks.example:8443"}, "https://hooks.example:8443/x", None),
        ({**BOTH, "no_proxy": "hooks.example:8443"}, "https://hooks.example/x", ("tls", 3129)),
        ({**BOTH, "NO_PROXY": "*"}, "https://hooks.example/x", None),
        ({**BOTH, "no_proxy": "a.example, 10.0.0.0/8"}, "http://10.1.2.3/x", None),
        ({**BOTH, "no_proxy": "10.0.0.0/8"}, "http://11.1.2.3/x", ("plain", 3128)),
        ({**BOTH, "no_proxy": "fd00::/8"}, "http://[fd00::7]:80/x", None),
    ],
)  # fmt: skip
def test_the_proxy_is_the_one_that_other_programs_take(
    environment: dict[str, str], uri: str, place: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_for(read_address(uri))
    assert (proxy and proxy.place) == place


@pytest.mark.parametrize("url", ["socks5://me:hunter2@proxy:1080", "https://proxy:3128", "http://:3128"])
def test_a_proxy_that_is_none_of_http_is_told_without_its_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(InputError, match=r"proxy|understood") as found:
        proxy_for(read_address("https://hooks.example/x"))
    assert "hunter2" not in str(found.value)

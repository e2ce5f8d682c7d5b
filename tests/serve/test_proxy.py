"""The service behind a web server that is set up as the documentation says: what goes through, and what does not."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamseg.serve.attempts import MOST_WRONG
from tests.parts.certificates import certificate
from tests.parts.documents import ROOT
from tests.parts.patience import PATIENCE_S
from tests.parts.rtsp import free_port
from tests.parts.service import Service, run_to_its_end

VIEWER, OPERATOR = "viewer-0123456789abcdef", "operator-0123456789abcdef"
SITE = "streams:\n  a: {source: 'test://?size=64x64&fps=4', model: otsu}\n"
PAGE = ROOT / "docs" / "howto" / "proxy.md"


def configured(kind: str, port: int, behind: int, pair: tuple[Path, Path]) -> str:
    """The documentation's block for `kind`, with the ports and the certificate of a test."""
    block = re.search(rf"## {kind}\n\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    text = block[1].replace("127.0.0.1:8090", f"127.0.0.1:{behind}")
    if kind == "Caddy":
        text = text.replace("cameras.example.org {", f"https://localhost:{port} {{\n\ttls {pair[0]} {pair[1]}")
        return f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}"
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace("cameras.example.org;", "localhost;")
    text = re.sub(r"(ssl_certificate) .*;", rf"\1 {pair[0]};", text)
    return re.sub(r"(ssl_certificate_key) .*;", rf"\1 {pair[1]};", text)


@contextlib.contextmanager
def proxy(kind: str, folder: Path, behind: int, pair: tuple[Path, Path]) -> Iterator[int]:
    """The port of a web server before `behind`."""
    program = shutil.which(kind.lower())
    if program is None:
        pytest.skip(f"no {kind} (Debian: {'nginx-light' if kind == 'nginx' else 'caddy'})")
    port, file = free_port(), folder / f"{kind}.conf"
    text = configured(kind, port, behind, pair)
    if kind == "nginx":
        places = "".join(f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi"))
        head = f"pid {folder}/pid; daemon off; events {{}}\nhttp {{ access_log off; {places}"
        text = f"{head} scgi_temp_path {folder}/scgi;\n{text}}}"
        command = [program, "-c", str(file), "-e", str(folder / "nginx.log")]
    else:
        command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    file.write_text(text)
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin"})
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nginx", "Caddy"])
def test_everything_goes_through_a_web_server(kind: str, tmp_path: Path, chromium: Any) -> None:
    pair = certificate(tmp_path / "tls", "localhost")
    env = {"STREAMSEG_TOKEN": VIEWER, "STREAMSEG_OPERATOR_TOKEN": OPERATOR}
    with Service(tmp_path, SITE, "--proxy", "127.0.0.1", env=env) as service:
        service.until(lambda: service.get("/readyz", {"Authorization": f"Bearer {VIEWER}"})[0] == 200)
        with proxy(kind, tmp_path, service.port, pair) as port:
            trusted = ssl.create_default_context(cafile=pair[0])

            @contextlib.contextmanager
            def asked(
                path: str, headers: dict[str, str], method: str = "GET", body: bytes | None = None
            ) -> Iterator[http.client.HTTPResponse]:
                connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=trusted)
                try:
                    connection.request(method, path, body, headers)
                    yield connection.getresponse()
                finally:
                    connection.close()

            def status(path: str, headers: dict[str, str], method: str = "GET", body: bytes | None = None) -> int:
                with asked(path, headers, method, body) as response:
                    return response.status

            def listens() -> bool:
                with contextlib.suppress(OSError):
                    return status("/", {}) == 200
                return False

            service.until(listens)
            assert status("/streams", {}) == 401
            with asked("/", {"Host": "evil.example"}) as response:
                assert b"streamseg" not in response.read()
            kinds = {"Content-Type": "application/json"}
            with asked("/session", kinds, "POST", json.dumps({"token": OPERATOR}).encode()) as response:
                said = response.getheader("Set-Cookie") or ""
            assert said.startswith("__Host-")
            assert "Secure" in said.split("; ")
            cookie = {"Cookie": said.partition(";")[0], **kinds}
            for origin, expected in (
                ("https://localhost", 200),
                ("http://localhost", 403),
                ("https://evil.example", 403),
            ):
                named = {**cookie, "Origin": f"{origin}:{port}"}
                assert status("/streams/a", named, "PATCH", b'{"opacity": 0.5}') == expected, origin
            assert status("/streams/a", cookie, "PATCH", b'{"opacity": 0.5}') == 403
            assert (
                status(
                    "/streams/a/whep",
                    {**cookie, "Origin": f"https://localhost:{port}", "Content-Type": "application/sdp"},
                    "POST",
                    b"v=0",
                )
                == 400
            )
            as_it_comes(service, asked, cookie)
            for _ in range(MOST_WRONG + 1):  # on this machine no address waits, the proxy's own neither
                assert status("/streams", {"Authorization": f"Bearer {VIEWER}x"}) == 401
            watch(service, chromium, port)
        assert service.stop() == 0
        assert "Traceback" not in service.log()


def as_it_comes(service: Service, asked: Any, headers: dict[str, str]) -> None:
    """A moving picture is passed on frame by frame."""
    bearer = {"Authorization": f"Bearer {VIEWER}"}

    def frames() -> int:
        return int(json.loads(service.get("/streams", bearer)[1])[0]["frames"]["shown"])

    with asked("/streams/a.mjpeg", headers) as response:
        for number in range(12):
            while not (line := response.readline()).startswith(b"--"):
                assert line, "the picture ended"
            if number == 0:
                begun = frames()
        assert frames() - begun <= 12 + 3, "they were kept back"


def watch(service: Service, chromium: Any, port: int) -> None:
    """The page: signed in, with a picture over WebRTC."""
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"https://localhost:{port}/", wait_until="domcontentloaded")
    page.fill("#operator-token", VIEWER)
    page.get_by_role("button", name="Use it").click()
    page.get_by_role("button", name="watch a").click()
    service.until(lambda: page.locator("#large-video").is_visible())
    service.until(lambda: page.evaluate("document.getElementById('large-video').videoWidth") == 64)
    context.close()


def test_a_proxy_is_an_address_and_lets_nobody_in_unasked(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    words = ["--config", tmp_path / "site.yaml", "--listen", "127.0.0.1:0", "--proxy"]
    for address, env, says in (("nginx", {"STREAMSEG_TOKEN": VIEWER}, "--proxy"), ("127.0.0.1", {}, "--token-file")):
        code, said = run_to_its_end(*words, address, env=env)
        assert (code, said.count("\n"), says in said) == (2, 1, True), said

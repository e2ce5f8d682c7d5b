"""The page of a service that is shown to holders of a token alone, in a real browser and over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.certificates import certificate
from tests.parts.service import Service

VIEWER, OPERATOR = "viewer-0123456789abcdef", "operator-0123456789abcdef"
SITE = "streams: {door: {source: 'test://?size=320x240&fps=20', model: otsu}}"
STORED = "[document.cookie, Object.keys(localStorage).length, Object.keys(sessionStorage).length]"


@pytest.mark.slow
def test_a_viewer_signs_in_once_sees_moving_pictures_and_signs_out(tmp_path: Path, chromium: Any) -> None:
    file, key = certificate(tmp_path / "tls", "localhost")
    flags = ("--tls-cert", str(file), "--tls-key", str(key))
    env = {"STREAMSEG_TOKEN": VIEWER, "STREAMSEG_OPERATOR_TOKEN": OPERATOR}
    bearer = {"Authorization": f"Bearer {VIEWER}"}
    with Service(tmp_path, SITE, *flags, env=env, trust=file) as service:
        service.until(lambda: service.get("/readyz", bearer)[0] == 200)
        context = chromium.new_context(ignore_https_errors=True)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"https://localhost:{service.port}/", wait_until="domcontentloaded")
        page.fill("#operator-token", "a wrong one, of some length")
        page.get_by_role("button", name="Use it").click()
        service.until(lambda: "no token of this service" in page.locator("#operator-said").inner_text())
        page.fill("#operator-token", VIEWER)
        page.keyboard.press("Enter")
        page.wait_for_selector("article.ready img[src]")
        page.get_by_role("button", name="watch door").click()
        service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)
        service.until(lambda: page.locator("#large-video").is_visible())  # WHEP takes the cookie as well
        assert page.evaluate(STORED) == ["", 0, 0]
        page.get_by_role("button", name="Zones").click()  # which this token may not
        page.fill("#operator-token", VIEWER)
        page.keyboard.press("Enter")
        service.until(lambda: "may only look" in page.locator("#operator-said").inner_text())
        assert page.locator("#editor").is_hidden()
        page.fill("#operator-token", OPERATOR)
        page.get_by_role("button", name="Use it").click()
        service.until(lambda: page.locator("#editor").is_visible())
        page.keyboard.press("Escape")
        page.reload(wait_until="domcontentloaded")
        page.wait_for_selector("article.ready img[src]")  # without being asked again
        assert page.locator("#sign-out").get_attribute("title") == "signed in as operator"
        page.get_by_role("button", name="Sign out").click()
        service.until(lambda: page.locator("#operator").is_visible())
        assert page.evaluate("fetch('/streams').then((reply) => reply.status)") == 401
        assert [url for url in asked if VIEWER in url or OPERATOR in url] == []
        context.close()


@pytest.mark.slow
def test_who_signs_in_again_sees_the_picture_move_again(tmp_path: Path, page: Any) -> None:
    (tmp_path / "token").write_text(VIEWER)
    with Service(tmp_path, SITE, "--token-file", str(tmp_path / "token")) as service:
        page.add_init_script("delete window.RTCPeerConnection")
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.fill("#operator-token", VIEWER)
        page.keyboard.press("Enter")
        page.wait_for_selector("article.ready img[src]")
        page.get_by_role("button", name="watch door").click()
        large = page.locator("#large-picture")
        service.until(lambda: large.evaluate("image => image.naturalWidth") == 320)
        (tmp_path / "token").write_text(OPERATOR)
        service.reload(SITE)
        service.until(lambda: page.locator("#operator").is_visible())
        frozen = large.screenshot()
        page.wait_for_timeout(500)
        assert large.screenshot() == frozen
        page.fill("#operator-token", OPERATOR)
        page.keyboard.press("Enter")
        service.until(lambda: large.screenshot() != frozen)
        first = large.screenshot()
        service.until(lambda: large.screenshot() != first)


@pytest.mark.slow
def test_who_signs_in_where_no_answer_comes_is_told_so(tmp_path: Path, page: Any) -> None:
    said = page.locator("#operator-said")
    with Service(tmp_path, SITE, env={"STREAMSEG_TOKEN": VIEWER}) as service:
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.fill("#operator-token", VIEWER)
        for silence in (lambda route: route.abort(), lambda route: None):  # refused; gone without a word
            page.route("**/session", silence)
            page.keyboard.press("Enter")
            service.until(lambda: said.inner_text() == "no answer comes from the service")
            page.unroute("**/session")
            page.evaluate("document.getElementById('operator-said').textContent = ''")
        page.keyboard.press("Enter")
        page.wait_for_selector("article.ready img[src]")

"""The page of a service in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

SITE = """\
streams:
  door: {source: 'test://?size=320x240&fps=20', model: otsu}
  yard: {source: 'rtsp://u:hunter2@127.0.0.1:9/cam', model: otsu}
  lost: {source: 'nowhere<img src=x onerror=alert(1)>.mp4', model: otsu}
"""
PATIENCE_MS = 60_000


@pytest.fixture
def page() -> Iterator[Any]:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser (Debian: chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=PATIENCE_MS
        )
        shown = chromium.new_page(viewport={"width": 1100, "height": 640})
        shown.set_default_timeout(PATIENCE_MS)
        yield shown
        chromium.close()


@pytest.mark.slow
def test_a_person_sees_every_stream_its_state_and_its_moving_picture(tmp_path: Path, page: Any) -> None:
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: trouble.append("a script of the stream's ran"))
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.wait_for_selector("article.ready img[src]")
        assert page.locator("article h2").all_text_contents() == ["door", "yard", "lost"]
        assert "1 of 3" in page.locator("#summary").inner_text()
        service.until(lambda: "refused" in page.locator("article").nth(1).inner_text())
        service.until(lambda: "<img src=x onerror=alert(1)>" in page.locator("article").nth(2).inner_text())
        page.click("article.ready .picture")
        service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)
        large = page.locator("#large-picture")
        first = large.screenshot()
        page.wait_for_timeout(1000)
        assert large.screenshot() != first
        assert service.metrics()[("streamseg_viewers",)] == 1
        page.keyboard.press("Escape")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        service.reload("streams: {new: {source: 'test://', model: otsu}}")
        page.wait_for_selector("article h2:text('new')")
        assert page.locator("article").count() == 1
        assert "hunter2" not in page.content()
    assert trouble == []

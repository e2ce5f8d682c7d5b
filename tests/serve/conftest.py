"""A real browser for the tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")  # while it is there, its event loop runs, and asyncio.run() cannot
def chromium() -> Iterator[Any]:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser (Debian: chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=PATIENCE_MS
        )
        yield launched
        launched.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page whose console must hold no error, and on which no script but ours may run."""
    trouble: list[str] = []
    context = chromium.new_context(viewport={"width": 1100, "height": 640}, has_touch=True)
    shown = context.new_page()
    shown.set_default_timeout(PATIENCE_MS)
    shown.on("console", lambda message: trouble.append(message.text) if is_trouble(message) else None)
    shown.on("pageerror", lambda error: trouble.append(str(error)))
    shown.on("dialog", lambda dialog: trouble.append("a script of the stream's ran"))
    yield shown
    context.close()
    assert trouble == []


def is_trouble(message: Any) -> bool:
    """Whether the page is to blame, and not what a service refuses, or a picture that ends with it."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")

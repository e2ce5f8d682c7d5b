"""The page for people who see or point otherwise: what axe finds, in light and dark, wide and narrow."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

CACHE = Path(__file__).parents[2] / ".cache"
TOKEN = "0123456789abcdef-operator"
SITE = """\
streams:
  door:
    source: 'test://?size=160x120&fps=20&lanes=3'
    model: threshold
    settings: {value: 115}
    zones: {belt: [[0.45, 0], [0.55, 0], [0.55, 1], [0.45, 1]]}
    rules: {busy: foreground.count in belt >= 1}
    outputs: ['events:%s?rule=busy&before=0.5&after=0.1', '%s/door.mp4']
  yard: {source: 'rtsp://127.0.0.1:9/cam', model: otsu}
"""


@pytest.fixture(scope="module")
def axe() -> str:
    found = sorted(CACHE.glob("axe-core-*.tgz"))
    if not found:
        pytest.skip("axe is not there (python tools/parts.py)")
    with tarfile.open(found[-1]) as package:
        program = package.extractfile("package/axe.min.js")
        assert program is not None
        return program.read().decode()


def serious(page: Any, axe: str) -> list[str]:
    """What axe calls serious or critical: the rule, and the element."""
    page.evaluate(f"() => {{ {axe} }}")
    violations = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {node['html']}"
        for each in violations
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(tmp_path: Path, page: Any, axe: str, scheme: str, width: int) -> None:
    (tmp_path / "operators").write_text(f"ann {TOKEN}\n")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    flags = ("--operator-token-file", str(tmp_path / "operators"))
    with Service(tmp_path, SITE % (tmp_path / "clips", tmp_path), *flags) as service:
        service.until(lambda: any(each["clip"] for each in json.loads(service.get("/events")[1])))
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.wait_for_selector("article.ready img[src]")
        assert serious(page, axe) == []
        page.get_by_role("link", name="Events").click()
        page.wait_for_selector("#event-list button img")
        assert serious(page, axe) == []
        page.locator("#event-list button").first.click()
        assert serious(page, axe) == []
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Recordings").click()
        page.wait_for_selector("#recording-list button")
        assert serious(page, axe) == []
        page.get_by_role("link", name="Streams").click()
        page.get_by_role("button", name="watch door").click()
        service.until(lambda: page.locator("#plots polyline").count())
        assert serious(page, axe) == []
        page.get_by_role("button", name="Zones").click()
        assert serious(page, axe) == []
        page.fill("#operator-token", TOKEN)
        page.get_by_role("button", name="Use it").click()
        page.get_by_role("button", name="zone belt").click()
        service.until(lambda: page.locator("#shapes circle").count() == 4)
        assert serious(page, axe) == []
        page.keyboard.press("?")
        assert serious(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it can be moved sideways"


@pytest.mark.slow
def test_letters_are_as_large_as_told_fingers_find_the_view_and_high_contrast_keeps_the_legend(
    tmp_path: Path, page: Any
) -> None:
    colour = (
        "(at) => getComputedStyle(document.querySelector(at), at.endsWith('state') ? '::before' : null).backgroundColor"
    )
    size = "parseFloat(getComputedStyle(document.querySelector('#large h2')).fontSize)"
    with Service(tmp_path, "streams: {door: {source: 'test://?size=64x64', model: otsu}}") as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.wait_for_selector("article.ready")
        page.get_by_role("button", name="watch door").click()
        page.locator("#classes .swatch").wait_for()
        assert page.locator("#view").bounding_box()["height"] >= 24, "WCAG 2.2, 2.5.8: a finger misses it"
        drawn = [page.evaluate(colour, at) for at in ("#classes .swatch", "article .state", "#plots .key")]
        page.emulate_media(forced_colors="active")
        assert [page.evaluate(colour, at) for at in ("#classes .swatch", "article .state", "#plots .key")] == drawn
        usual = page.evaluate(size)
        told = page.context.new_cdp_session(page)
        told.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
        assert page.evaluate(size) == pytest.approx(2 * usual)


@pytest.mark.slow
def test_a_browser_without_scripts_is_told_that_they_are_needed(tmp_path: Path, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    with Service(tmp_path, "streams: {door: {source: 'test://?size=64x64', model: otsu}}") as service:
        page.goto(f"http://127.0.0.1:{service.port}/")
        assert page.locator("#summary").inner_text() == "this page needs JavaScript"
    context.close()

"""Events and recordings on the page, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

HOSTILE = "<img src=x onerror=alert(1)>"
SITE = """\
streams:
  door:
    source: 'test://?size=160x120&fps=20&lanes=3'
    model: threshold
    settings: {value: 115}
    zones: {belt: [[0.45, 0], [0.55, 0], [0.55, 1], [0.45, 1]]}
    rules: {busy: foreground.count in belt >= 1}
    outputs: ['events:%s?rule=busy&before=0.5&after=0.1', '%s/door-%%Y%%m%%d-%%H%%M%%S.mp4?segment=2', 'hls:%s']
"""
PLAYS = "document.getElementById('player-film').currentTime > 0.1"


@pytest.mark.slow
def test_a_clip_and_a_recording_are_found_and_played(tmp_path: Path, page: Any) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    event = {"id": "e" * 32, "kind": "end", "rule": "busy", "stream": "door", "classes": [HOSTILE],
             "began": "2001-01-01T00:00:00.000Z", "began_s": 1, "at": "2001-01-01T00:00:05.000Z", "at_s": 6,
             "value": 1, "peak": 2, "unit": HOSTILE}  # fmt: skip
    record = {"stream": "door", "rule": "busy", "events": [event]}
    (clips / "busy-20010101-000000.json").write_text(json.dumps(record))
    with Service(tmp_path, SITE % (clips, tmp_path, tmp_path / "list")) as service:
        service.until(lambda: any(each["clip"] for each in json.loads(service.get("/events")[1])))
        page.goto(f"http://127.0.0.1:{service.port}/#events", wait_until="domcontentloaded")
        page.wait_for_selector("#event-list button img")
        assert page.locator("#event-list li").last.inner_text().count(HOSTILE) == 2
        page.locator("#event-list button").first.click()
        service.until(lambda: page.evaluate(PLAYS))
        assert "busy, door" in page.locator("#player-name").inner_text()
        page.keyboard.press("Escape")
        page.fill("#event-filter [name=to]", "2002-01-01T00:00")
        service.until(lambda: page.evaluate("document.querySelectorAll('#event-list li').length === 1"))
        page.fill("#event-filter [name=rule]", "other")
        service.until(lambda: page.evaluate("document.getElementById('event-count').textContent === 'no events'"))
        page.locator("#event-filter [name=rule]").press("?")  # in a field it is a letter
        assert not page.locator("#keys").is_visible()
        page.locator("#event-filter").get_by_role("button", name="Clear").click()
        page.wait_for_selector("#event-list button")
        page.get_by_role("link", name="Recordings").click()
        service.until(lambda: "unfinished" in page.locator("#recording-list").inner_text())
        page.wait_for_selector("#recording-list button:has-text('play')")
        count = page.locator("#recording-count")
        page.fill("#recording-filter [name=to]", "2002-01-01T00:00")
        service.until(lambda: count.inner_text() == "no recordings")
        page.locator("#recording-filter").get_by_role("button", name="Clear").click()
        service.until(lambda: "newest first" in count.inner_text())
        page.wait_for_selector("#recording-list button:has-text('play')")
        oldest = page.locator("#recording-list button:has-text('play')").last
        oldest.evaluate("button => { button.stayed = true }")
        many = page.locator("#recording-list li").count()
        service.until(lambda: page.locator("#recording-list li").count() > many)
        assert oldest.evaluate("button => button.stayed")  # a finger may be on it
        oldest.click()
        service.until(lambda: page.evaluate(PLAYS))
        assert page.locator("#player-download").get_attribute("href").startswith("/streams/door/recordings/door-20")
        page.keyboard.press("Escape")
        service.until(lambda: len(list((tmp_path / "list").glob("index-*.ts"))) > 4)  # Chromium refuses younger ones
        page.locator("#recording-list").get_by_text("list/index.m3u8").click()
        service.until(lambda: page.evaluate(PLAYS))
        with page.expect_download() as download:
            page.locator("#player-download").click()
        assert download.value.suggested_filename == "door-list.ts"
        page.keyboard.press("Escape")
        page.evaluate("HTMLMediaElement.prototype.canPlayType = () => ''")  # as Firefox says
        page.locator("#recording-list").get_by_text("list/index.m3u8").click()
        assert "/streams/door/hls/1/index.m3u8" in page.locator("#player-said").inner_text()
        page.keyboard.press("Escape")

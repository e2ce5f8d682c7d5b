"""The page of a service in a real browser: the wall of streams, and one of them large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.options import VIEW_NAMES
from streamseg.serve.pagefiles import FILES
from tests.parts.service import Service

MOTION_JPEG = "delete window.RTCPeerConnection"
"""A browser without WebRTC; with it: test_webrtc.py."""
HOSTILE = "<img src=x onerror=alert(1)>"
SHOW = """async (name) => {
  const { show } = await import("/rules.js");
  show([{ name, rule: name, since: "", value: 1, unit: name, events: 2 }]);
  return document.querySelector("#rules li").innerText;
}"""
SITE = """\
streams:
  door: {source: 'test://?size=320x240&fps=20', model: otsu}
  yard: {source: 'rtsp://u:hunter2@127.0.0.1:9/cam', model: otsu}
  second: {source: 'test://?size=320x240&fps=20&lanes=3', model: threshold, settings: {value: 115},
           rules: {busy: foreground.area > 1 %, full: foreground.area > 99 %}}
  lost: {source: 'nowhere<img src=x onerror=alert(1)>.mp4', model: otsu}
"""


@pytest.mark.slow
def test_a_person_sees_every_stream_its_state_and_its_moving_picture(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.add_init_script(MOTION_JPEG)
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.wait_for_selector("article.ready img[src]")
        assert page.locator("article h2").all_text_contents() == ["door", "yard", "second", "lost"]
        service.until(lambda: "2 of 4" in page.locator("#summary").inner_text())
        service.until(lambda: "refused" in page.locator("article").nth(1).inner_text())
        service.until(lambda: "<img src=x onerror=alert(1)>" in page.locator("article").nth(3).inner_text())
        page.click("article.ready .picture")
        service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)
        large = page.locator("#large-picture")
        first = large.screenshot()
        service.until(lambda: large.screenshot() != first)
        assert service.metrics()[("streamseg_viewers",)] == 1
        page.keyboard.press("Escape")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        service.reload("streams: {new: {source: 'test://', model: otsu}}")
        page.wait_for_selector("article h2:text('new')")
        assert page.locator("article").count() == 1
        assert "hunter2" not in page.content()


def open_large(service: Service, page: Any) -> None:
    service.until(lambda: service.streams()["door"]["ready"] and service.streams()["second"]["ready"])
    page.add_init_script(MOTION_JPEG)
    page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
    page.get_by_role("button", name="watch second").click()
    service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)


@pytest.mark.slow
def test_a_viewer_has_the_picture_as_it_wants_it(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        open_large(service, page)
        width = "document.getElementById('large-picture').naturalWidth"
        page.select_option("#view", "side-by-side")
        service.until(lambda: page.evaluate(width) == 640)
        page.select_option("#view", "mask")
        service.until(lambda: page.evaluate(width) == 320)
        page.locator("#opacity").fill("0.9")
        assert "opacity=0.9" in page.locator("#large-picture").get_attribute("src")
        page.get_by_label("foreground").uncheck()
        service.until(
            lambda: page.evaluate("document.getElementById('large-picture').src.includes('hide_classes=foreground')")
        )
        service.until(lambda: brightest(page) < 20)
        page.get_by_label("foreground").check()
        service.until(lambda: brightest(page) > 100)
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 1)
        service.until(lambda: page.locator("#plots polyline").count() >= 4)
        service.until(lambda: page.locator("#plots").get_by_text("frames a second").is_visible())
        assert page.locator("#large .state").inner_text() == "running, threshold"
        busy, full = page.locator("#rules li").all()
        service.until(lambda: "holds since" in busy.inner_text() and "1 event" in busy.inner_text())
        assert "foreground.area > 1 %" in busy.inner_text() and busy.get_attribute("class") == "holds"
        assert "does not hold" in full.inner_text() and "0 events" in full.inner_text()
        first = full.inner_text()
        service.until(lambda: full.inner_text() != first)  # as much as is there now


@pytest.mark.slow
def test_keys_pause_keep_a_picture_and_go_from_stream_to_stream(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        open_large(service, page)
        page.keyboard.press("Space")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        picture_now = "document.getElementById('paused').toDataURL()"
        paused = page.evaluate(picture_now)
        service.until(service.shows("second", 5))
        assert page.evaluate(picture_now) == paused
        assert page.locator("#paused").is_visible()
        assert not page.locator("#large-picture").is_visible()
        assert page.locator("#pause").get_attribute("aria-pressed") == "true"
        with page.expect_download() as download:
            page.keyboard.press("s")
        assert download.value.suggested_filename.startswith("second-20")
        picture = cv2.imdecode(np.frombuffer(Path(download.value.path()).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (240, 320, 3)
        page.keyboard.press("Space")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 1)
        page.keyboard.press("f")
        service.until(lambda: page.evaluate("document.fullscreenElement?.id === 'stage'"))
        low = page.evaluate("document.getElementById('large-picture').getBoundingClientRect().bottom - innerHeight")
        assert low <= 0, "a picture of 4:3 is cut off on a wider screen"
        page.evaluate("document.exitFullscreen()")
        page.keyboard.press("ArrowRight")
        assert page.locator("#large-name").inner_text() == "lost"
        assert not page.locator("#rules").is_visible()
        told = page.evaluate(SHOW, HOSTILE)
        assert told.split("\n") == [HOSTILE, f"does not hold · 1 {HOSTILE} now · 2 events", HOSTILE]
        page.keyboard.press("ArrowRight")
        assert page.locator("#large-name").inner_text() == "door"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert page.locator("#large-name").inner_text() == "second"
        page.keyboard.press("?")
        assert page.locator("#keys").get_by_text("snapshot").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        service.until(lambda: not page.evaluate("document.getElementById('large').open"))


BRIGHTEST = """() => {
  const image = document.getElementById("large-picture");
  if (!image.naturalWidth) return NaN; // it has gone, and another is on its way
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const { data } = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
  return data.reduce((most, value, at) => (at % 4 === 3 ? most : Math.max(most, value)), 0);
}"""


def brightest(page: Any) -> float:
    """Of the large picture itself, without what lies around it; not a number while there is none."""
    found: float = page.evaluate(BRIGHTEST)
    return found


def test_the_page_offers_every_view_and_nothing_from_elsewhere() -> None:
    texts = {path: file.read_text() for path, (file, _) in FILES.items()}
    for view in VIEW_NAMES:
        assert f"<option>{view}</option>" in texts["/"], view
    for path, text in texts.items():
        assert len(text.splitlines()) <= 200, path
        assert "innerHTML" not in text, path
        assert [word for word in ("https://", "//cdn", "eval(") if word in text] == [], path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path
    assert "style=" not in texts["/"]
    assert " on" + "click=" not in texts["/"]


@pytest.mark.slow
def test_a_class_that_was_switched_off_is_forgotten_with_its_model(tmp_path: Path, page: Any) -> None:
    site = "streams: {door: {source: 'test://?size=320x240&fps=20', model: otsu}}"
    with Service(tmp_path, site) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.add_init_script(MOTION_JPEG)
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.get_by_label("foreground").uncheck()
        source = "document.getElementById('large-picture').src"
        assert "hide_classes=foreground" in page.evaluate(source)
        service.reload(site.replace("otsu", "edges"))
        page.get_by_label("edge", exact=False).wait_for()
        service.until(lambda: "hide_classes" not in page.evaluate(source))
        page.select_option("#view", "mask")
        service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)
        service.reload(site)
        page.get_by_label("foreground").wait_for()
        assert page.get_by_label("foreground").is_checked()


@pytest.mark.slow
def test_a_service_that_says_nothing_more_is_told_and_its_pictures_begin_again(tmp_path: Path, page: Any) -> None:
    pictures: list[str] = []
    page.on("request", lambda request: pictures.append(request.url))
    with Service(tmp_path, SITE) as service:
        open_large(service, page)
        page.route("**/streams", lambda route: None)  # as where a connection is gone without a word
        page.wait_for_selector("body.away")
        assert "does not answer" in page.locator("#summary").inner_text()
        moving = len([url for url in pictures if ".mjpeg" in url])
        page.unroute("**/streams")
        page.wait_for_selector("body:not(.away)")
        service.until(lambda: page.evaluate("1") and len([url for url in pictures if ".mjpeg" in url]) == moving + 1)
        page.keyboard.press("Escape")
        page.route("**/door.jpg*", lambda route: None)
        service.until(lambda: page.evaluate("1") and any("door.jpg" in url for url in pictures[-9:]))
        asked = len([url for url in pictures if "door.jpg" in url])
        others = len([url for url in pictures if "second.jpg" in url])
        service.until(
            lambda: page.evaluate("1") and len([url for url in pictures if "second.jpg" in url]) >= others + 3
        )
        assert len([url for url in pictures if "door.jpg" in url]) <= asked + 1  # none while one is on its way


@pytest.mark.slow
def test_a_picture_that_does_not_come_is_told_until_it_does(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        open_large(service, page)
        page.keyboard.press("Escape")
        page.route("**/second.mjpeg*", lambda route: route.fulfill(status=204))
        page.get_by_role("button", name="watch second").click()
        page.wait_for_selector("#stage[data-says*='too many watch']")
        assert not page.locator("#large-picture").is_visible(), "the sign of a broken picture lies across what is said"
        page.unroute("**/second.mjpeg*")
        page.wait_for_selector("#stage:not([data-says])")

"""A page that stays open in a real browser while what it shows goes away and comes again; and older browsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.clips import clip
from tests.parts.service import Service
from tests.serve.test_page import MOTION_JPEG

SITE = "streams: {door: {source: 'test://?size=320x240&fps=20', model: otsu}}"
SEES = """() => {
  const [video, image] = ["video", "picture"].map((kind) => document.getElementById(`large-${kind}`));
  return video.hidden ? image.naturalWidth : video.videoWidth;
}"""


def open_door(service: Service, page: Any) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
    page.get_by_role("button", name="watch door").click()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["WebRTC", "motion JPEG"])
def test_the_picture_of_a_service_that_was_killed_comes_again_with_it(kind: str, tmp_path: Path, page: Any) -> None:
    if kind == "WebRTC":
        pytest.importorskip("aiortc", reason="aiortc is not installed")
    else:
        page.add_init_script(MOTION_JPEG)
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        open_door(service, page)
        service.until(lambda: page.locator("#large-video").is_visible() == (kind == "WebRTC") and page.evaluate(SEES))
        service.process.kill()
        page.wait_for_selector("body.away")
    with service:
        page.wait_for_selector("body:not(.away)")
        page.wait_for_timeout(5000)  # what goes over to video has done so, or never does
        assert page.evaluate(SEES) == 320
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 1)


@pytest.mark.slow
def test_a_picture_that_is_begun_twice_at_once_is_seen(tmp_path: Path, page: Any) -> None:
    pytest.importorskip("aiortc", reason="aiortc is not installed")
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        open_door(service, page)
        service.until(lambda: page.locator("#large-video").is_visible())
        page.evaluate("for (let n = 0; n < 3; n++) dispatchEvent(new Event('back'))")
        page.wait_for_timeout(5000)  # what goes over to video has done so, or never does
        assert page.evaluate(SEES) == 320
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 1)


@pytest.mark.slow
def test_a_stream_that_never_had_a_picture_is_seen_once_its_address_is_right(tmp_path: Path, page: Any) -> None:
    page.add_init_script(MOTION_JPEG)
    with Service(tmp_path, "streams: {door: {source: 'rtsp://127.0.0.1:9/none', model: otsu}}") as service:
        open_door(service, page)
        service.until(lambda: "refused" in page.locator("#large .error").inner_text())
        service.reload(SITE)
        service.until(lambda: page.evaluate(SEES) == 320)


@pytest.mark.slow
def test_after_a_sleep_the_picture_is_asked_for_again(tmp_path: Path, page: Any) -> None:
    asked: list[str] = []
    page.add_init_script(MOTION_JPEG)
    page.on("request", lambda request: asked.append(request.url) if ".mjpeg" in request.url else None)
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        open_door(service, page)
        service.until(lambda: page.evaluate(SEES) == 320)
        assert len(asked) == 1
        page.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
        service.until(lambda: page.evaluate(SEES) == 320 and len(asked) == 2)


@pytest.mark.slow
def test_a_phones_browser_that_lacks_what_newer_ones_have_shows_the_pictures(tmp_path: Path, page: Any) -> None:
    page.add_init_script(MOTION_JPEG)
    page.add_init_script("delete Element.prototype.checkVisibility")
    page.add_init_script("delete Element.prototype.requestFullscreen")
    page.add_init_script("Object.defineProperty(document, 'fullscreenEnabled', { value: undefined })")
    with Service(tmp_path, SITE) as service:
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        service.until(lambda: page.evaluate("document.querySelector('article.ready img')?.naturalWidth") == 320)
        page.get_by_role("button", name="watch door").click()
        service.until(lambda: page.evaluate(SEES) == 320)
        assert not page.locator("#fullscreen").is_visible()
        page.keyboard.press("f")  # the page must hold no error
        page.keyboard.press("Escape")
        page.locator("#large").wait_for(state="hidden")


@pytest.mark.slow
def test_the_last_picture_of_a_film_and_of_a_stopped_stream_is_seen(tmp_path: Path, page: Any) -> None:
    page.add_init_script(MOTION_JPEG)
    film = clip(tmp_path / "a.mp4", frames=5)
    token = "0123456789abcdef"
    site = f"""\
defaults: {{model: otsu}}
streams: {{film: {{source: '{film}'}}, door: {{source: 'test://?size=160x120'}}}}
"""
    with Service(tmp_path, site, env={"STREAMSEG_OPERATOR_TOKEN": token}) as service:
        service.until(lambda: service.streams()["film"]["state"] == "finished" and service.streams()["door"]["ready"])
        assert service.send("POST", "/streams/door/stop", token)[0] == 200
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        for name, width in (("film", 320), ("door", 160)):
            page.get_by_role("button", name=f"watch {name}").click()
            service.until(lambda width=width: page.evaluate(SEES) == width)  # type: ignore[misc]
            page.keyboard.press("Escape")


@pytest.mark.slow
def test_what_is_not_live_says_so_on_the_picture_and_is_not_counted_as_fresh(tmp_path: Path, page: Any) -> None:
    page.add_init_script(MOTION_JPEG)
    token = "0123456789abcdef"
    said = "getComputedStyle(document.getElementById('stage'), '::before').content"
    dot = "getComputedStyle(document.querySelector('article .state'), '::before').backgroundColor"
    with Service(tmp_path, SITE, env={"STREAMSEG_OPERATOR_TOKEN": token}) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        open_door(service, page)
        service.until(lambda: page.evaluate(SEES) == 320)
        assert page.evaluate(said) == "none"
        page.keyboard.press("Space")
        assert page.evaluate(said) == '"paused"'
        page.keyboard.press("Space")
        assert page.evaluate(said) == "none"
        green = page.evaluate(dot)
        page.keyboard.press("f")  # where there is nothing but the picture
        assert service.send("POST", "/streams/door/stop", token)[0] == 200
        service.until(lambda: page.evaluate(said) == '"stopped by an operator"')
        assert page.locator("#summary").text_content() == "0 of 1 streams show fresh frames"
        assert page.evaluate(dot) != green
        assert service.send("POST", "/streams/door/start", token)[0] == 200
        service.until(lambda: page.evaluate(said) == "none" and page.evaluate(dot) == green)
        service.process.kill()
        page.wait_for_selector("body.away", state="attached")
        assert page.evaluate(said) == '"the service does not answer: what is shown is old"'


@pytest.mark.slow
def test_a_hidden_tab_takes_no_connection_and_shows_the_picture_again_once_it_is_seen(
    tmp_path: Path, page: Any
) -> None:
    page.add_init_script(MOTION_JPEG)
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => Boolean(window.turnedAway) })")
    turn = "(away) => { window.turnedAway = away; document.dispatchEvent(new Event('visibilitychange')); }"
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        open_door(service, page)
        service.until(lambda: page.evaluate(SEES) == 320)
        for away in (True, False):
            page.evaluate(turn, away)
            service.until(lambda away=away: service.metrics()[("streamseg_viewers",)] == (0 if away else 1))  # type: ignore[misc]
        service.until(lambda: page.evaluate(SEES) == 320)
        page.keyboard.press("Escape")
        page.evaluate(turn, True)
        page.evaluate(turn, False)
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        assert not page.locator("#large-picture").get_attribute("src")

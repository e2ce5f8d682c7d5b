"""What the page shows in a real browser while what it shows changes: the file of streams, models, filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

DOOR = "streams: {door: {source: 'test://?size=320x240&fps=20', model: otsu}}"
SEES = "document.getElementById('large-picture').naturalWidth || document.getElementById('large-video').videoWidth"
SHOW = """async (since) => {
  const { show } = await import("/rules.js");
  show([{ name: "r", rule: "r", since, value: 1, unit: "", events: 2 }]);
  return document.querySelector("#rules li").innerText;
}"""
PATIENCE = "const kept = setTimeout; window.setTimeout = (call, ms) => ms === 10_000 ? %s : kept(call, ms)"
FILTERED = "#event-filter [name=rule]"


def site(*names: str) -> str:
    streams = ", ".join(f"{name}: {{source: 'test://?size=160x120&fps=5'}}" for name in names)
    return f"defaults: {{model: otsu}}\nstreams: {{{streams}}}"


@pytest.mark.slow
def test_streams_stand_in_the_files_order_also_once_it_has_changed(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, site("a", "b", "c")) as service:
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.wait_for_selector("article.ready")
        page.get_by_role("button", name="watch c").focus()
        names = page.locator("article h2")
        service.reload(site("c", "new", "a"))
        service.until(lambda: "new" in names.all_text_contents())
        assert names.all_text_contents() == ["c", "new", "a"]
        assert page.evaluate("document.activeElement.innerText").startswith("watch c")


@pytest.mark.slow
def test_times_are_those_of_the_viewers_clock_with_the_day_where_it_is_another(tmp_path: Path, chromium: Any) -> None:
    context = chromium.new_context(timezone_id="Pacific/Kiritimati", locale="en-GB")  # no place is further ahead
    page = context.new_page()
    with Service(tmp_path, DOOR) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.clock.set_fixed_time("2026-11-28T12:30:05Z")
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        service.until(lambda: page.evaluate(SEES))
        with page.expect_download() as download:
            page.keyboard.press("s")
        assert download.value.suggested_filename == "door-20261129-023005.png"
        assert "holds since 02:20:00" in page.evaluate(SHOW, "2026-11-28T12:20:00.000Z")
        assert "holds since 28/11/2026, 22:20:00" in page.evaluate(SHOW, "2026-11-28T08:20:00.000Z")
    context.close()


@pytest.mark.slow
def test_the_legend_has_the_colours_of_the_model_that_runs(tmp_path: Path, page: Any) -> None:
    swatch = "getComputedStyle(document.querySelector('#classes .swatch')).backgroundColor"
    with Service(tmp_path, DOOR) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        (row,) = service.streams().values()
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.locator("#classes .swatch").wait_for()
        row["classes"]["foreground"]["colour"] = "#010203"  # as of another model with a class of that name
        page.route("**/streams", lambda route: route.fulfill(json=[row]))
        service.until(lambda: page.evaluate(swatch) == "rgb(1, 2, 3)")


@pytest.mark.slow
def test_a_late_answer_to_an_earlier_filter_is_not_shown(tmp_path: Path, page: Any) -> None:
    held: list[Any] = []
    with Service(tmp_path, DOOR) as service:
        page.route("**/events?*rule=b", lambda route: held.append(route))
        page.route("**/events?*rule=busy", lambda route: route.fulfill(json=[]))
        page.goto(f"http://127.0.0.1:{service.port}/#events", wait_until="domcontentloaded")
        page.fill(FILTERED, "b")
        service.until(lambda: page.evaluate("1") and held)
        page.fill(FILTERED, "busy")
        service.until(lambda: page.locator("#event-count").inner_text() == "no events")
        held[0].fulfill(status=400, body="an earlier answer")
        page.wait_for_timeout(1000)  # what is shown then stays for three seconds
        assert page.locator("#event-count").inner_text() == "no events"


@pytest.mark.slow
def test_a_list_that_could_not_be_had_says_what_it_holds_once_it_can(tmp_path: Path, page: Any) -> None:
    count = page.locator("#event-count")
    with Service(tmp_path, DOOR) as service:
        page.goto(f"http://127.0.0.1:{service.port}/#events", wait_until="domcontentloaded")
        service.until(lambda: count.inner_text() == "no events")
        page.route("**/events?*", lambda route: route.fulfill(status=503, body="not now"))
        service.until(lambda: count.inner_text() == "not now")
        page.unroute("**/events?*")
        service.until(lambda: count.inner_text() == "no events")


@pytest.mark.slow
def test_a_list_whose_answer_never_comes_says_so_and_is_asked_for_again(tmp_path: Path, page: Any) -> None:
    count = page.locator("#event-count")
    with Service(tmp_path, DOOR) as service:
        page.route("**/events?*", lambda route: None)  # as where a connection is gone without a word
        page.goto(f"http://127.0.0.1:{service.port}/#events", wait_until="domcontentloaded")
        service.until(lambda: count.inner_text() == "no answer comes: what is shown is old")
        page.unroute("**/events?*")
        service.until(lambda: count.inner_text() == "no events")


@pytest.mark.slow
def test_pictures_far_from_what_is_seen_are_not_asked_for_until_one_scrolls_there(tmp_path: Path, page: Any) -> None:
    names = [f"camera-{number:02}" for number in range(12)]
    asked: set[str] = set()
    page.on("request", lambda request: asked.update(each for each in names if f"/{each}.jpg" in request.url))
    page.set_viewport_size({"width": 400, "height": 500})
    with Service(tmp_path, site(*names)) as service:
        service.until(lambda: all(row["ready"] for row in service.streams().values()))
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        service.until(lambda: page.evaluate("1") and {names[0], names[1]} <= asked)
        page.wait_for_timeout(3000)  # all others would have been asked for
        assert names[-1] not in asked
        page.get_by_role("button", name=f"watch {names[-1]}").scroll_into_view_if_needed()
        service.until(lambda: page.evaluate("1") and names[-1] in asked)


@pytest.mark.slow
def test_few_pictures_are_asked_for_at_once_and_each_in_its_turn(tmp_path: Path, page: Any) -> None:
    names = [f"camera-{number}" for number in range(7)]
    held, told = list[Any](), list[Any]()
    page.add_init_script(PATIENCE % "0")
    page.route("**/*.jpg*", lambda route: held.append(route))
    page.on("requestfinished", lambda request: told.append(request) if request.url.endswith("/streams") else None)
    with Service(tmp_path, site(*names)) as service:
        service.until(lambda: all(row["ready"] for row in service.streams().values()))
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        service.until(lambda: page.evaluate("1") and len(held) == 3)
        before = len(told)
        service.until(lambda: page.evaluate("1") and len(told) >= before + 3)
        assert len(held) == 3
        asked = [each.request.url for each in held]
        for done in range(4):
            held[done].continue_()
            service.until(lambda done=done: page.evaluate("1") and len(held) == 4 + done)  # type: ignore[misc]
            asked.append(held[-1].request.url)
        assert [url.split("/")[-1].split(".jpg")[0] for url in asked] == names


@pytest.mark.slow
def test_pictures_that_never_come_give_their_turn_to_others(tmp_path: Path, page: Any) -> None:
    names = [f"camera-{number}" for number in range(7)]
    asked = set[str]()
    page.add_init_script(PATIENCE % "kept(call, 10)")
    page.route("**/*.jpg*", lambda route: asked.add(route.request.url.split("/")[-1].split(".jpg")[0]))
    with Service(tmp_path, site(*names)) as service:
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        service.until(lambda: page.evaluate("1") and asked == set(names))

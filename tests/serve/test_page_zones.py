"""Zones and lines drawn on the page with mouse and finger in a real browser, tried, saved, and counting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

TOKEN = "0123456789abcdef-operator"
SITE = """\
# what the night watch sees
streams:
  door:  # the front one
    source: 'test://?size=320x240&fps=20&lanes=3'
    model: threshold  # good enough
    settings: {value: 115}
    zones:
      constructor: [[0, 0], [0.1, 0], [0.1, 0.1]]  # nobody uses it
"""
ANOTHER_SIZE = """() => {
    const picture = document.getElementById("large-picture");
    Object.defineProperty(picture, "naturalWidth", { value: 640, configurable: true });
    picture.dispatchEvent(new Event("load"));
    delete picture.naturalWidth;
}"""


def at(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where on the page this fraction of the picture is."""
    box = page.locator("#shapes").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def read(service: Service) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["zone"], each["class"]): each for each in service.streams()["door"]["readings"]}


@pytest.mark.slow
def test_a_zone_and_a_line_are_drawn_tried_saved_and_count(tmp_path: Path, page: Any) -> None:
    (tmp_path / "operators").write_text(f"ann {TOKEN}\n")
    with Service(tmp_path, SITE, "--operator-token-file", str(tmp_path / "operators")) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.get_by_role("button", name="Zones").click()
        page.fill("#operator-token", "a wrong one, of some length")
        page.get_by_role("button", name="Use it").click()
        service.until(lambda: "no token of this service" in page.locator("#operator-said").inner_text())
        page.fill("#operator-token", TOKEN)
        page.get_by_role("button", name="Use it").click()
        service.until(lambda: page.locator("#shapes polygon").count() == 1)
        service.until(lambda: "zones=off" in page.locator("#large-picture").get_attribute("src"))

        page.get_by_role("button", name="New zone").click()  # with the mouse
        for x, y in ((0.3, 0.1), (0.7, 0.1), (0.7, 0.9), (0.3, 0.8), (0.3, 0.1)):
            page.mouse.click(*at(page, x, y))
        service.until(lambda: page.locator("#shapes polygon").count() == 2)
        page.fill("#shape-name", "belt")
        page.mouse.move(*at(page, 0.3, 0.8))
        page.mouse.down()
        page.mouse.move(*at(page, 0.3, 0.9), steps=4)
        page.mouse.up()

        page.get_by_role("button", name="New line").click()  # with a finger
        page.touchscreen.tap(*at(page, 0.5, 0.1))
        page.touchscreen.tap(*at(page, 0.5, 0.9))
        page.fill("#shape-name", "gate")
        page.get_by_role("button", name="zone constructor").click()
        page.get_by_role("button", name="Delete").click()

        page.locator("#close").click()
        service.until(lambda: "not saved" in page.locator("#shape-said").inner_text())
        assert page.locator("#large").is_visible()

        page.wait_for_timeout(3000)
        page.get_by_role("button", name="Try").click()
        service.until(lambda: "belt, foreground: at most" in page.locator("#trial").inner_text())
        assert "belt" not in service.config.read_text()

        page.get_by_role("button", name="Save").click()
        service.until(lambda: page.locator("#shape-said").inner_text().startswith("saved: "))
        written = service.config.read_text()
        for comment in ("# what the night watch sees", "# the front one", "# good enough"):
            assert comment in written
        assert "constructor:" not in written
        service.until(lambda: service.send("GET", "/streams/door/zones", TOKEN)[0] == 200)  # it began again
        drawn = service.send("GET", "/streams/door/zones", TOKEN)[1]
        corners = [coordinate for point in drawn["zones"]["belt"] for coordinate in point]
        assert corners == pytest.approx([0.3, 0.1, 0.7, 0.1, 0.7, 0.9, 0.3, 0.9], abs=0.02)
        assert [number for point in drawn["lines"]["gate"] for number in point] == pytest.approx(
            [0.5, 0.1, 0.5, 0.9], abs=0.02
        )
        service.until(lambda: read(service).get(("belt", "foreground"), {}).get("count"))
        service.until(lambda: any(read(service).get(("gate", "foreground"), {}).get("crossings", {}).values()))

        page.reload(wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.get_by_role("button", name="Zones").click()
        service.until(lambda: "line gate" in page.locator("#shape-list").inner_text())
        assert "zone belt" in page.locator("#shape-list").inner_text()
        page.get_by_role("button", name="zone belt").hover()
        page.mouse.down()
        page.evaluate(ANOTHER_SIZE)  # what is drawn over it is drawn again
        page.mouse.up()
        page.fill("#shape-name", "1 <b>")
        page.get_by_role("button", name="Save").click()
        service.until(lambda: "1 <b>" in page.locator("#shape-said").inner_text())
        page.keyboard.press("Escape")
        service.until(lambda: "not saved" in page.locator("#shape-said").inner_text())
        page.keyboard.press("Escape")
        page.locator("#large").wait_for(state="hidden")
        assert "<b>" not in service.config.read_text()


@pytest.mark.slow
def test_a_zone_and_a_line_are_drawn_by_keys_alone(tmp_path: Path, page: Any) -> None:
    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Enter")

    def corner(key: str, times: int) -> None:
        for _ in range(times):
            page.keyboard.press(key)
        page.keyboard.press("Enter")

    with Service(tmp_path, SITE, env={"STREAMSEG_OPERATOR_TOKEN": TOKEN}) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        press("watch door")
        press("Zones")
        page.locator("#operator-token").wait_for()
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.locator("#shapes polygon").wait_for()
        press("New zone")
        for key in ("ArrowUp", "ArrowRight", "ArrowDown"):
            corner(key, 5)
        press("Finish")
        press("New line")
        corner("ArrowLeft", 2)
        corner("ArrowDown", 3)
        page.keyboard.press("ArrowRight")  # its first point is the one that the keys move now
        press("Save")
        service.until(lambda: page.locator("#shape-said").inner_text().startswith("saved: "))
        service.until(lambda: service.send("GET", "/streams/door/zones", TOKEN)[0] == 200)  # it began again
        drawn = service.send("GET", "/streams/door/zones", TOKEN)[1]
        assert sum(drawn["zones"]["zone-1"], []) == pytest.approx([0.5, 0.45, 0.55, 0.45, 0.55, 0.5], abs=0.005)
        assert sum(drawn["lines"]["line-1"], []) == pytest.approx([0.49, 0.5, 0.48, 0.53], abs=0.005)


@pytest.mark.slow
def test_where_nobody_may_change_streams_the_editor_is_only_the_reason(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.get_by_role("button", name="Zones").click()
        service.until(lambda: page.locator("#shape-said").inner_text())
        assert not page.locator("#new-zone").is_visible() and not page.locator("#save").is_visible()
        page.locator("#close").click()
        page.locator("#large").wait_for(state="hidden")


def test_only_an_operator_sees_and_tries_shapes(tmp_path: Path) -> None:
    (tmp_path / "operators").write_text(f"ann {TOKEN}\n")
    viewer = "0123456789abcdef-viewer"
    flags = ("--operator-token-file", str(tmp_path / "operators"))
    with Service(tmp_path, SITE, *flags, env={"STREAMSEG_TOKEN": viewer}) as service:
        bearer, operator = {"Authorization": f"Bearer {viewer}"}, {"Authorization": f"Bearer {TOKEN}"}
        service.until(lambda: service.get("/readyz", bearer)[0] == 200)
        assert service.get("/streams/door/zones")[0] == 401
        for path in ("zones", "trial", "trial?zone=a=0,0 1,0 1,1".replace(" ", "%20")):
            assert service.get(f"/streams/door/{path}", bearer)[0] == 403
            assert service.get(f"/streams/door/{path}", operator)[0] == 200
            assert service.get(f"/streams/nobody/{path}", operator)[0] == 404
        service.reload(SITE.replace("fps=20", "fps=19"))
        assert service.get("/streams/door/trial", operator)[0] == 200  # of a stream that was begun again
        wrong = ["zone=a", "zone=a=0,0", "line=a=0,0%202,0.5", "zone=%3Cb%3E=0,0%201,0%201,1", "other=a=0,0"]
        wrong += ["zone=a=nan,0%201,0%201,1", "&".join(f"line=l{number}=0,0%201,1" for number in range(21))]
        for query in wrong:
            status, said = service.get(f"/streams/door/trial?{query}", operator)
            assert (status, said.count(b"\n")) == (400, 1), query

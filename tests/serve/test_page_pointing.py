"""Objects that are pointed at on the page, with mouse, finger and keys, and over HTTP by who may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parts.service import Service

TOKEN, VIEWER = "0123456789abcdef-operator", "0123456789abcdef-viewer"
SITE = """\
streams:
  door: {source: 'test://?size=320x240&fps=10', model: follow, view: side-by-side}
  yard: {source: 'test://?size=64x64&fps=5', model: otsu}
"""


def objects(service: Service) -> int:
    classes = service.streams()["door"]["classes"]
    return int(classes["object"]["objects"]) if classes else 0


@pytest.mark.slow
def test_clicks_and_boxes_on_the_page_are_followed_and_cleared(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE, env={"STREAMSEG_OPERATOR_TOKEN": TOKEN}) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        page.get_by_role("button", name="Point").click()
        service.until(lambda: page.evaluate("document.getElementById('large-picture').naturalWidth") == 320)

        def at(x: float, y: float) -> tuple[float, float]:
            box = page.locator("#pointer").bounding_box()
            return box["x"] + x * box["width"], box["y"] + y * box["height"]

        page.mouse.click(*at(0.5, 0.5))
        page.fill("#operator-token", TOKEN)
        page.get_by_role("button", name="Use it").click()
        service.until(lambda: objects(service) == 1)
        page.mouse.click(*at(0.5, 0.5), button="right")
        service.until(lambda: "point door (click away)" in service.log())

        page.get_by_role("button", name="Clear").click()
        service.until(lambda: "clear door" in service.log() and objects(service) == 0)
        page.mouse.move(*at(0.2, 0.2))
        page.mouse.down()
        page.mouse.move(*at(0.6, 0.7), steps=4)
        assert page.locator("#pointer rect").count() == 1
        page.mouse.up()
        service.until(lambda: objects(service) == 1)
        assert "point door (box)" in service.log()

        page.get_by_label("not part of it").check()
        page.touchscreen.tap(*at(0.4, 0.4))
        service.until(lambda: service.log().count("point door (click away)") == 2)
        page.locator("#pointer").focus()
        page.keyboard.press("ArrowLeft")  # of the place, not of the stream
        page.keyboard.press("Delete")
        service.until(lambda: service.log().count("point door (click away)") == 3)
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Next stream").click()
        service.until(lambda: not page.get_by_role("button", name="Point").is_visible())
        assert not page.locator("#pointer").is_visible()


def test_pointing_over_http_is_for_operators_and_for_models_that_are_asked(tmp_path: Path) -> None:
    env = {"STREAMSEG_OPERATOR_TOKEN": TOKEN, "STREAMSEG_TOKEN": VIEWER}
    with Service(tmp_path, SITE, env=env) as service:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        service.until(lambda: service.get("/readyz", bearer)[0] == 200)

        def point(stream: str, value: object, token: str = TOKEN) -> tuple[int, str]:
            status, told = service.send("POST", f"/streams/{stream}/prompts", token, value)
            return status, str(told)

        click = {"click": [0.5, 0.5]}
        assert point("door", click, VIEWER)[0] == 403
        assert point("door", click)[0] == 200
        assert point("nobody", click)[0] == 404
        status, said = point("yard", click)
        assert (status, "model otsu does not look" in said) == (422, True)
        wrong: tuple[object, ...] = ({}, {**click, "box": [0, 0, 1, 1]}, {"click": [0.5]}, {"click": [0.5, 1.5]}, [])
        wrong += ({"box": [0.5, 0, 0.5, 1]}, {"click": ["<b>", 0]}, {**click, "frame": 3})
        for value in wrong:
            status, said = point("door", value)
            assert (status, said.count("\n")) == (422, 0), value
        assert service.send("DELETE", "/streams/door/prompts", VIEWER)[0] == 403
        assert service.send("DELETE", "/streams/yard/prompts", TOKEN)[0] == 422
        assert service.send("DELETE", "/streams/door/prompts", TOKEN) == (200, {"done": "asked"})
        assert service.log().count("operator: point door (click): asked") == 1

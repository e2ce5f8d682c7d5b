"""No output, no view and no program behind the cover has the picture that was covered: looked at one by one."""

from __future__ import annotations

import ast
import gc
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import streamseg
from streamseg.contracts import Shown
from streamseg.frame import Image
from streamseg.render import VIEWS
from streamseg.serve.latest_result import Latest
from streamseg.serve.viewers import _encode
from streamseg.sinks import SINKS
from streamseg.sinks.video import Encoder
from streamseg.yuv import Planes
from tests.parts.rtsp_socket import RtspServer
from tests.parts.service import Service
from tests.privacy.scenes import Knows, Scene, image, secret

HOUSE = Path(__file__).parents[2] / "streamseg"
WRITTEN = {
    "video": ["out.mp4", "out.mkv"],
    "segments": ["part-%H%M%S.ts?segment=0.2"],
    "events": ["events:clips?class=person&area=1&before=0.2"],
    "hls": ["hls:web"],
    "pictures": ["out-%03d.png", "newest.jpg"],
    "sheet": ["sheet.jpg?every=0.1s"],
    "yolo": ["yolo:training"],
    "masks": ["masks:labels"],
    "jsonl": ["rows.jsonl"],
    "dataset": ["dataset:set?every=0.04s"],
    "null": ["null"],
}
"""Outputs of each kind that writes files. A kind that is not here is looked at by what it is given, as all are."""
NO_PICTURES = {"masks", "jsonl", "null"}


def opened(*outputs: Any, planes: bool = True, **more: Any) -> streamseg.Stream:
    scene = Scene(planes=planes)
    return streamseg.open(scene, *outputs, model=Knows(), hide="person", hide_with="black", opacity=0.2, **more)


def reachable(thing: object, seen: set[int]) -> Iterator[Image]:
    """Every picture that can be had of `thing` by whatever way."""
    if id(thing) in seen or isinstance(thing, type | types.ModuleType | types.FunctionType | types.MethodType):
        return
    seen.add(id(thing))
    if isinstance(thing, Planes):
        yield thing.image
    if isinstance(thing, np.ndarray):
        if thing.dtype == np.uint8 and thing.ndim == 3 and thing.shape[2] == 3:
            yield thing
        yield from reachable(thing.base, seen)
    for part in gc.get_referents(thing):
        yield from reachable(part, seen)


def secrets(shown: Shown) -> int:
    pictures = list(reachable(shown, set()))
    assert len(pictures) >= 2  # what was drawn, and the frame
    return max(map(secret, pictures))


def pictures_in(folder: Path) -> Iterator[Image]:
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".mp4", ".mkv", ".ts"):
            with av.open(str(path)) as container:
                yield from (each.to_ndarray(format="bgr24") for each in container.decode(video=0))
        elif path.suffix in (".png", ".jpg"):
            picture = cv2.imread(str(path))
            assert picture is not None
            yield np.asarray(picture, np.uint8)


def test_the_scene_itself_is_a_secret() -> None:
    assert secret(image(3)) > 900
    shown = next(iter(streamseg.open(Scene(planes=True), model=Knows(), opacity=0.2)))
    assert secrets(shown) > 900


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_shows_what_is_hidden(view: str, planes: bool) -> None:
    given: list[Shown] = []
    with opened(given.append, view=view, planes=planes, outline=True, legend=True, hud=True) as stream:
        assert [secrets(shown) for shown in stream] == [0] * 12
    assert [secrets(shown) for shown in given] == [0] * 12


def test_a_view_of_ones_own_is_given_what_is_covered() -> None:
    seen: list[int] = []

    def own(picture: Image, frame: streamseg.Frame, segmentation: streamseg.Segmentation, opacity: float) -> None:
        seen.append(secret(frame.image))

    opened(view=own).run()
    assert seen == [0] * 12


@pytest.mark.parametrize("kind", SINKS)
def test_no_output_is_given_or_writes_what_is_hidden(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encoded: list[int] = []
    write = Encoder.write

    def spied(self: Encoder, pixels: Any, time_s: float) -> Any:
        encoded.append(secret(pixels.image if isinstance(pixels, Planes) else pixels))
        return write(self, pixels, time_s)

    monkeypatch.setattr(Encoder, "write", spied)
    given: list[Shown] = []
    opened(*WRITTEN.get(kind, []), given.append, overwrite=True).run()
    assert [secrets(shown) for shown in given] == [0] * 12
    assert set(encoded) <= {0}
    found = [secret(picture) for picture in pictures_in(tmp_path)]
    assert max(found, default=0) == 0
    assert found or kind not in WRITTEN or kind in NO_PICTURES - {"masks"}


@pytest.mark.parametrize("kind", sorted(set(WRITTEN) - NO_PICTURES))
def test_the_same_look_finds_it_where_nothing_is_hidden(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    streamseg.open(Scene(planes=True), *WRITTEN[kind], model=Knows(), opacity=0.2).run()
    assert max(secret(picture) for picture in pictures_in(tmp_path)) > 500


def test_a_window_shows_and_saves_what_is_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamseg.sinks.window.display_problem", lambda: None)
    shown: list[int] = []
    for name in ("namedWindow", "resizeWindow", "destroyWindow", "setMouseCallback"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(secret(picture)))
    monkeypatch.setattr(cv2, "waitKey", lambda _: ord("s"))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    opened("window").run()
    assert shown == [0] * 12
    assert [secret(picture) for picture in pictures_in(tmp_path)] == [0] * 12


def test_what_is_published_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    write = Encoder.write

    def spied(self: Encoder, pixels: Any, time_s: float) -> Any:
        encoded.append(secret(pixels.image if isinstance(pixels, Planes) else pixels))
        return write(self, pixels, time_s)

    monkeypatch.setattr(Encoder, "write", spied)
    with RtspServer() as server:
        opened(server.url).run()
    assert encoded == [0] * 12


def test_viewers_of_a_service_are_sent_what_is_covered() -> None:
    latest = Latest()
    for _ in opened(latest):
        assert latest.shown is not None
        sent = cv2.imdecode(np.frombuffer(_encode(latest.shown), np.uint8), cv2.IMREAD_COLOR)
        assert secret(np.asarray(sent, np.uint8)) == 0


def test_each_stream_of_a_service_hides_what_its_options_say(tmp_path: Path) -> None:
    site = """
    defaults: {source: 'test://?size=320x240', model: otsu, view: source, hide_with: '#fa1efa'}
    streams: {open: {}, closed: {hide: foreground}}
    """
    with Service(tmp_path, site) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        seen = {}
        for name in ("open", "closed"):
            with service.open(f"/streams/{name}.jpg") as response:
                picture = cv2.imdecode(np.frombuffer(response.read(), np.uint8), cv2.IMREAD_COLOR)
            seen[name] = secret(np.asarray(picture, np.uint8))  # here that is the colour of the cover
        assert seen["open"] == 0
        assert seen["closed"] > 1000


def test_what_is_shown_is_made_in_one_place_behind_the_cover() -> None:
    made = {
        path.relative_to(HOUSE).as_posix()
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Shown"
    }
    assert made == {"pipeline/drawing.py"}

"""What receivers and other programs get, decoded: no picture among it shows what is hidden."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

import streamseg
from streamseg.frame import Image
from tests.parts.hook_server import HookServer
from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.patience import until
from tests.privacy.scenes import Knows, Scene, secret
from tests.sinks.test_camera import Loopback, as_bgr

HIDE = {"hide": "person", "hide_with": "black"}
RULES = {"there": "person.area > 1 %"}
FRAMES = 12


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def run(*outputs: str, **options: Any) -> None:
    streamseg.open(Scene(FRAMES, planes=True), *outputs, model=Knows(), opacity=0.2, rules=RULES, **options).run()


def decoded(payload: bytes) -> Image | None:
    """The picture that a payload is; None of what is none."""
    return np.asarray(cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR), np.uint8) if payload else None


def texts(tree: object) -> Iterator[str]:
    """Every text in a message."""
    if isinstance(tree, dict):
        tree = [*tree, *tree.values()]
    if isinstance(tree, list):
        for each in tree:
            yield from texts(each)
    elif isinstance(tree, str):
        yield tree


def pictures(listener: Listener) -> list[Image]:
    """All that was published under any topic."""
    heard = [payload for topic, payload, _ in listener.heard if payload.startswith(b"\xff\xd8")]
    return [picture for payload in heard if (picture := decoded(payload)) is not None]


@pytest.mark.parametrize("hidden", [True, False])
def test_snapshots_that_a_broker_keeps_are_covered(tmp_path: Path, hidden: bool) -> None:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker, Listener(broker) as listener:
        run(f"mqtt://127.0.0.1:{broker.port}/site/door", **(HIDE if hidden else {}))
        until(lambda: listener.kept().get("site/door/available") == b"offline" and listener.events)
        found = [secret(each) for each in pictures(listener)]
        assert found and (max(found) == 0) == hidden
        assert all(len(text) < 200 for text in texts(listener.events)), "no picture hides in an event"


def test_a_web_server_is_told_of_events_and_of_files_that_are_covered() -> None:
    with HookServer() as server:
        run(f"webhook:http://127.0.0.1:{server.port}/", "events:clips?rule=there", **HIDE)
    assert [each["kind"] for each in server.taken] == ["start", "end"]
    assert all(len(text) < 200 for text in texts(server.taken)), "no picture hides in it"
    picture = decoded(Path(server.taken[-1]["snapshot"]).read_bytes())
    assert picture is not None and picture.shape[2] == 3 and secret(picture) == 0


def test_a_broker_of_kafka_is_sent_no_picture_at_all() -> None:
    pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
    from tests.sinks.test_kafka import Cluster

    cluster = Cluster()
    run(f"kafka://127.0.0.1:{cluster.port}/events", **HIDE)
    found = [message for _, message in cluster.read(2)]
    assert [each["kind"] for each in found] == ["start", "end"]
    assert all(len(text) < 200 for text in texts(found)) and len(json.dumps(found)) < 2000


@pytest.mark.parametrize("hidden", [True, False])
def test_a_virtual_camera_shows_what_is_covered(hidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("pyvirtualcam")
    module.Camera, module.PixelFormat = Loopback, type("PixelFormat", (), {"I420": "I420"})
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    monkeypatch.setattr(Loopback, "opened", [])
    run("camera:", **(HIDE if hidden else {}))
    (device,) = Loopback.opened
    found = [secret(as_bgr(each)) for each in device.sent]
    assert found and (max(found) == 0) == hidden

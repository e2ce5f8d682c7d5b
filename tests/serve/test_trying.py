"""Cameras and outputs of a service are really tried, and nobody notices: nothing is sent, written or left behind."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.cli import main
from streamseg.infer import load_segmenter
from streamseg.serve import trying
from streamseg.serve.config import read_site
from streamseg.serve.trying import Tried, try_all
from tests.parts.hook_server import HookServer
from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.rtsp_socket import RtspServer


@pytest.fixture
def loud() -> Iterator[None]:
    """What a command sets of the log and of signals, as it was before."""
    logs = [logging.getLogger(name) for name in ("streamseg", "aiohttp", "asyncio")]
    before = [(log.handlers, log.level, log.propagate) for log in logs]
    hangup = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, hangup)
    for log, (handlers, level, propagate) in zip(logs, before, strict=True):
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)


SCENE = "test://?size=64x48&fps=20"
SECRET = "sesame-9431"


def tried(folder: Path, source: str, *outputs: str) -> list[Tried]:
    lines = "".join(f"      - '{output}'\n" for output in outputs)
    path = folder / "site.yaml"
    path.write_text(f"streams:\n  a:\n    source: '{source}'\n    model: otsu\n    outputs:\n{lines or '      []'}\n")
    return list(try_all(read_site(path, load_segmenter)))


def test_a_frame_of_the_source_is_read(tmp_path: Path) -> None:
    assert tried(tmp_path, SCENE) == [Tried("a", f"{SCENE}: 64x48, 20 fps")]


def test_files_are_neither_made_nor_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"mine")
    found = tried(tmp_path, SCENE, f"{tmp_path}/a.mp4", f"masks:{tmp_path}/deep/masks", f"{tmp_path}/b.jsonl")
    assert [each.exit_code for each in found] == [0] * 4
    assert all(f"{tmp_path} takes files" in each.says for each in found[1:])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mp4", "site.yaml"]
    assert (tmp_path / "a.mp4").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = tried(tmp_path, SCENE, f"{tmp_path}/file/a.mp4", "/proc/none/a.mp4")
    assert [each.exit_code for each in found] == [0, 4, 4]
    assert "is no folder" in found[1].says and "/proc: takes no files" in found[2].says


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.sinks.crash_safe_file._ROOM", 1 << 60)
    found = tried(tmp_path, SCENE, f"{tmp_path}/a.mp4")
    assert found[1] == Tried("a", f"{tmp_path}/a.mp4: {tmp_path}: No space left on device", 4)


def test_receivers_that_are_there_are_told_nothing(tmp_path: Path) -> None:
    with HookServer() as hook, RtspServer() as server:
        found = tried(tmp_path, SCENE, f"webhook:{hook.url}/x", server.url)
        assert [each.exit_code for each in found] == [0] * 3
        assert hook.requests == []
        assert server.methods == ["OPTIONS"]


def test_a_broker_sees_a_client_of_another_name_that_says_nothing(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    with Mosquitto(tmp_path, password=SECRET) as broker, Listener(broker, SECRET) as listener:
        right, wrong = (f"mqtt://me:{word}@127.0.0.1:{broker.port}/site/{word[:3]}" for word in (SECRET, "other"))
        found = tried(tmp_path, SCENE, right, wrong)
        assert [each.exit_code for each in found] == [0, 0, 4]
        assert "user or password is wrong" in found[2].says
        assert listener.heard == []


def test_whoever_is_away_is_named_without_a_secret(tmp_path: Path) -> None:
    nobody = f"u:{SECRET}@127.0.0.1:1/x"
    found = tried(tmp_path, f"rtsp://{nobody}", f"webhook:http://{nobody}?token={SECRET}", f"rtsp://{nobody}/y")
    assert [each.exit_code for each in found] == [3, 4, 4]
    assert all("connection refused" in each.says and SECRET not in each.says for each in found)


def test_a_camera_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "_CONNECTED_S", -4.9)  # beside the five seconds of the source
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = tried(tmp_path, f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x")
    assert [each.exit_code for each in found] == [3] and "no frame within" in found[0].says


def test_the_command_gives_the_exit_code_of_the_first_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], loud: None
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(f"streams:\n  a: {{source: '{SCENE}', model: otsu}}\n  b: {{source: nowhere.mp4, model: otsu}}\n")
    assert main(["serve", "--check", "--open", str(site)]) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"a  fine  {SCENE}: 64x48, 20 fps" and second.startswith("b  wrong  nowhere.mp4: no such file")
    assert main(["serve", "--check", "--config", str(site)]) == 0
    assert capsys.readouterr().out == f"{site}: 2 streams, fine\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "serve needs one file"), (["a.yaml", "--config", "b.yaml"], "one file"), (["--open", "a.yaml"], "--check")],
)
def test_what_cannot_be_meant_is_refused(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *words]) == 2
    assert says in capsys.readouterr().err

"""A service as a site runs it: real streams that come, go, fail and change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import av
import pytest

from streamseg.pipeline.pipeline import _LIVE_SEEN
from tests.parts.clips import annexb
from tests.parts.patience import PATIENCE_S
from tests.parts.rtsp import Camera, camera_that_is_off, free_port
from tests.parts.service import Service
from tests.parts.toy_models import picky

SCENE = "source: 'test://?size=64x64&fps=20'"
DEFAULTS = "defaults: {model: otsu, stall_timeout: 1}\nstreams:\n"


def site(**streams: str) -> str:
    return DEFAULTS + "".join(f"  {name}: {{{options}}}\n" for name, options in streams.items())


def assert_accounted(service: Service, name: str) -> None:
    """captured = shown + failed + dropped + in flight, with no more in flight than the pipeline holds."""
    metrics = service.metrics()
    captured, shown, failed = (
        metrics[f"streamseg_frames_{what}_total", name] for what in ("captured", "shown", "failed")
    )
    dropped = sum(value for key, value in metrics.items() if key[0] == "streamseg_frames_dropped_total" and name in key)
    flying = metrics["streamseg_frames_in_flight", name]
    assert captured == shown + failed + dropped + flying
    assert 0 <= flying <= _LIVE_SEEN + 2  # waiting to be shown; in the hands of the thread before and of that behind


def times(table: Path) -> list[float]:
    """The presentation time of every frame in a table of JSON lines; only whole lines count."""
    return [json.loads(line)["time_s"] for line in table.read_text().splitlines() if line.endswith("}")]


def test_streams_start_in_any_order_and_one_that_dies_leaves_the_others_alone(tmp_path: Path) -> None:
    with camera_that_is_off(annexb(tmp_path / "clip.h264"), user="u", password="hunter2") as camera:
        _streams_start_in_any_order(tmp_path, camera)


def _streams_start_in_any_order(tmp_path: Path, camera: Camera) -> None:
    table = tmp_path / "scene.jsonl"
    text = site(
        scene=f"{SCENE}, outputs: ['{table}']",
        camera="source: 'rtsp://u:hunter2@127.0.0.1:PORT/cam'".replace("PORT", str(camera.port)),
        file="source: 'test://?frames=5'",
    )
    with Service(tmp_path, text) as service:
        service.until(lambda: service.streams()["camera"]["state"] == "waiting")
        assert "refused" in service.streams()["camera"]["error"]
        assert service.get("/readyz")[0] == 503
        camera.start()
        service.until(lambda: service.get("/readyz")[0] == 200)
        assert service.streams()["camera"]["error"] == ""
        assert service.streams()["file"]["state"] == "finished"
        camera.kill()
        service.until(lambda: not service.streams()["camera"]["ready"])
        assert service.get("/healthz")[0] == 200
        camera.start()
        service.until(lambda: service.get("/readyz")[0] == 200)
        assert service.metrics()["streamseg_source_events_total", "reconnects", "camera"] >= 1
        for name in ("scene", "camera", "file"):
            assert_accounted(service, name)
        assert "hunter2" not in service.get("/streams")[1].decode() + service.get("/metrics")[1].decode()
        assert service.streams()["scene"]["restarts"] == 0
        assert service.stop() == 0, service.log()
        assert "hunter2" not in service.log() + service.stdout.read_text()
        assert "Traceback" not in service.log()
    shown = times(table)
    assert shown == sorted(shown)
    assert max(b - a for a, b in zip(shown, shown[1:], strict=False)) < 20  # 0.05 s on a quiet machine


def test_a_stream_that_a_shared_network_fails_on_fails_alone(tmp_path: Path) -> None:
    model = picky(tmp_path / "picky.onnx")
    table = tmp_path / "good.jsonl"
    text = site(
        # Any other goal may look at smaller pictures, which this model cannot run.
        good=f"{SCENE}, model: '{model}', target: quality, outputs: ['{table}']",
        poisoned=f"source: 'test://?size=96x64&fps=20', model: '{model}', target: quality",
    )
    with Service(tmp_path, text) as service:
        service.until(lambda: service.streams()["poisoned"]["restarts"] >= 3)
        assert "picky.onnx" in service.streams()["poisoned"]["error"]
        service.until(service.shows("good", 10))
        rows = service.streams()
        assert rows["good"]["restarts"] == rows["good"]["frames"]["failed"] == 0
        assert rows["poisoned"]["frames"]["failed"] >= 3
        assert service.metrics()["streamseg_restarts_total", "poisoned"] >= 3
        for name in ("good", "poisoned"):
            assert_accounted(service, name)
        assert service.stop() == 0
    shown = times(table)
    assert max(b - a for a, b in zip(shown, shown[1:], strict=False)) < 20  # 0.05 s on a quiet machine


def test_every_frame_is_accounted_for_after_faults_and_a_change_of_the_file(tmp_path: Path) -> None:
    model = picky(tmp_path / "picky.onnx")
    poisoned = f"source: 'test://?size=96x64&fps=200', model: '{model}'"
    with Service(tmp_path, site(a=f"{SCENE}", poisoned=poisoned)) as service:
        service.until(lambda: service.streams()["poisoned"]["restarts"] >= 2)
        service.until(lambda: service.streams()["poisoned"]["state"] == "waiting")
        metrics = service.metrics()  # nothing of a stream that waits is under way
        assert metrics["streamseg_frames_in_flight", "poisoned"] == 0
        assert metrics["streamseg_frames_captured_total", "poisoned"] > 0
        assert_accounted(service, "poisoned")
        stages = [key for key in metrics if key[0] == "streamseg_stage_seconds_count" and "a" in key]
        assert {key[1] for key in stages} >= {"wait", "infer", "render", "age"}
        areas = [value for key, value in metrics.items() if key[0] == "streamseg_class_area_ratio" and "a" in key]
        assert sum(areas) == pytest.approx(1.0)


def test_the_file_is_read_anew_whole_or_not_at_all(tmp_path: Path) -> None:
    table = tmp_path / "kept.jsonl"
    kept = f"{SCENE}, outputs: ['{table}']"
    with Service(tmp_path, site(kept=kept, changed=SCENE, gone=SCENE)) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        assert service.log().count("3 streams started\n") == 1
        before = service.streams()["kept"]["frames"]["captured"]
        service.reload(site(kept=kept, changed=f"{SCENE}, view: mask", new=SCENE))
        assert "1 stream unchanged, 2 started, 2 stopped" in service.log()
        assert list(service.streams()) == ["kept", "changed", "new"]
        assert service.streams()["kept"]["frames"]["captured"] >= before
        assert not [key for key in service.metrics() if "gone" in key]
        service.until(lambda: service.get("/readyz")[0] == 200)
        service.reload(site(kept=kept, changed=f"{SCENE}, shape: mask"))
        assert f"{service.config}:4: streams.changed: unknown key 'shape'" in service.log()
        assert list(service.streams()) == ["kept", "changed", "new"]
        service.reload(site(kept=kept))
        assert list(service.streams()) == ["kept"]
        assert service.streams()["kept"]["restarts"] == 0
        assert service.stop() == 0
    shown = times(table)
    assert shown == sorted(shown)
    assert list(tmp_path.glob("kept*.jsonl")) == [table]


@pytest.mark.slow
def test_a_service_begins_again_where_its_own_outputs_lie_and_loses_none_of_them(tmp_path: Path) -> None:
    names = ("a.mp4", "a.jsonl", "now.jpg", "n-%06d.jpg", "t-%Y.jpg", "c-%Y.mp4?segment=1")
    outputs = ", ".join(f"'{tmp_path}/{name}'" for name in names) + f", 'masks:{tmp_path}/m', 'hls:{tmp_path}/h'"
    live = f"source: 'test://?size=96x64&fps=20', outputs: [{outputs}]"
    film = f"source: 'test://?frames=60&size=96x64', outputs: ['hls:{tmp_path}/f', '{tmp_path}/f.png']"
    kept: dict[Path, bytes] = {}
    for stop in (Service.stop, lambda service: service.process.kill(), Service.stop):
        with Service(tmp_path, site(live=live, film=film)) as service:
            service.until(service.shows("live", 60))
            service.until(lambda: service.streams()["film"]["state"] == "finished")
            assert service.streams()["live"]["restarts"] == 0, service.log()
            stop(service)
            service.process.wait(PATIENCE_S)
        assert all(path.read_bytes() == raw for path, raw in kept.items()), "something of an earlier life is gone"
        parts = {path for path in tmp_path.rglob("*") if path.suffix in (".part", ".tmp") or "h" in path.parts}
        written = (path for path in tmp_path.rglob("*.*") if path.is_file() and path not in parts)
        kept |= {path: path.read_bytes() for path in written if path.parent.name not in "hf" and path.stem != "now"}
        kept = {path: raw for path, raw in kept.items() if path.name not in ("f.png", "service.log", "service.out")}
    found = {path.name for path in tmp_path.iterdir()}
    assert found >= {"a.mp4", "a-2.mp4", "a-recovered-1.mp4", "a.jsonl", "a-2.jsonl", "a-recovered-1.jsonl", "now.jpg"}
    numbers = sorted(int(path.stem) for path in (tmp_path / "m").iterdir())
    assert len(numbers) > 100  # a live stream lets frames go
    assert not [name for name in found if name.endswith(".mp4.part") or name.endswith(".jsonl.part")]


def test_an_output_that_is_there_already_is_kept(tmp_path: Path) -> None:
    table = tmp_path / "areas.jsonl"
    table.write_text("from before\n")
    with Service(tmp_path, site(one=f"source: 'test://?frames=5', outputs: ['{table}']")) as service:
        service.until(lambda: service.streams()["one"]["state"] == "finished")
    assert table.read_text() == "from before\n"
    assert len(times(tmp_path / "areas-2.jsonl")) == 5


def test_sigterm_closes_every_output_although_a_camera_never_answers(tmp_path: Path) -> None:
    dead = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    clips = [tmp_path / f"{number}.mp4" for number in range(2)]
    streams = {f"s{number}": f"{SCENE}, outputs: ['{path}']" for number, path in enumerate(clips)}
    streams["dead"] = f"source: 'rtsp://127.0.0.1:{dead.getsockname()[1]}/cam'"
    with dead, Service(tmp_path, site(**streams)) as service:
        service.until(service.shows("s1", 20))
        assert service.stop() == 0, service.log()
    for path in clips:
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 10


def test_sigterm_is_heeded_while_the_file_is_read_from_a_disk_that_hangs(tmp_path: Path) -> None:
    readers: list[int] = []

    def reads() -> bool:
        with contextlib.suppress(OSError):  # nobody reads yet
            readers.append(os.open(service.config, os.O_WRONLY | os.O_NONBLOCK))
        return bool(readers)

    with Service(tmp_path, site(one=SCENE)) as service:
        service.config.unlink()
        os.mkfifo(service.config)  # whose end does not come
        service.process.send_signal(signal.SIGHUP)
        service.until(reads)
        assert service.stop() == 0, service.log()
    os.close(readers[0])


def test_systemd_hears_that_it_is_ready_lives_and_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with Service(tmp_path, site(one=SCENE), env=env) as service:
            heard = [manager.recv(4096).decode() for _ in range(4)]
            assert heard[0] == "READY=1"
            assert all(line.startswith("WATCHDOG=1") for line in heard[1:])
            service.until(lambda: "1 of 1 streams" in manager.recv(4096).decode())
            service.stop()
            manager.settimeout(0.1)
            rest = []
            try:
                while True:
                    rest.append(manager.recv(4096).decode())
            except TimeoutError:
                pass
            assert rest[-1] == "STOPPING=1"


@pytest.mark.slow
def test_a_storm_of_failures_is_a_breeze_in_the_log(tmp_path: Path) -> None:
    port = free_port()
    storm = {f"s{number}": f"source: 'rtsp://u:hunter2@127.0.0.1:{port}/cam'" for number in range(3)}
    with Service(tmp_path, site(**storm), "--log", "json") as service:
        started_s = time.monotonic()
        service.until(lambda: time.monotonic() - started_s > 12)
        rows = [json.loads(line) for line in service.log().splitlines()]
        assert "hunter2" not in service.log()
        for name in storm:
            lines = [row for row in rows if row["stream"] == name]
            assert 2 <= len(lines) < 12
            assert "refused" in lines[0]["message"]

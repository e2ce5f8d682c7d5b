"""Outputs that fail while a live stream runs, in the whole pipeline."""

from __future__ import annotations

import logging
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import streamseg
from streamseg.errors import OutputError
from tests.parts.disks import fill, small_disk
from tests.parts.program import PROGRAM, environment
from tests.parts.rtsp import Recorder, free_port
from tests.sinks.test_publish import taken, wait_for_size
from tests.sinks.test_segments import packets

LIVE = "test://?size=320x240&fps=50"


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("streamseg").propagate = True


@pytest.mark.slow
def test_a_disk_that_fills_up_and_empties_costs_only_what_did_not_fit(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        (tmp_path / "rec").mkdir()
        outputs = (f"{disk}/cam-%H%M%S.mp4?segment=1", f"{tmp_path}/rec/cam-%H%M%S.mp4?segment=1")
        pipeline = streamseg.open(LIVE, *outputs, model="threshold")
        ballast = None
        for at, _ in enumerate(pipeline):
            if at == 50:
                ballast = fill(disk, free_megabytes=0)
            if ballast is not None and pipeline.metrics().unwritten > 100:  # two seconds: the next file has a new name
                ballast.unlink()
                ballast, freed = None, at
            if at > 100 and ballast is None and len(list(disk.glob("cam*.part"))) and at > freed + 300:
                pipeline.stop()
        metrics = pipeline.metrics()
        total = sum(packets(path) for path in disk.glob("cam*.mp4"))
        assert total + metrics.unwritten >= metrics.shown
        assert sum(packets(path) for path in (tmp_path / "rec").glob("cam*.mp4")) >= metrics.shown - metrics.unwritten
        assert metrics.captured == metrics.shown + sum(metrics.dropped.values())


def test_a_folder_that_disappears_does_not_end_a_live_stream(tmp_path: Path) -> None:
    names = ["a.mp4", "b-%H%M%S.mp4?segment=1", "c.jsonl", "d.png"]
    folder = tmp_path / "out"
    folder.mkdir()
    pipeline = streamseg.open(
        LIVE, *(f"{folder}/{name}" for name in names), f"masks:{folder}/e", f"hls:{folder}/f", model="threshold"
    )
    for at, _ in enumerate(pipeline):
        if at == 20:
            shutil.rmtree(folder, ignore_errors=True)
        if at > 150:
            pipeline.stop()
    assert pipeline.metrics().shown > 150


def test_a_file_ends_with_one_line_where_its_output_cannot_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk, pytest.raises(OutputError, match="No space"):
        streamseg.open("test://?frames=3000&size=640x480", f"{disk}/cam-%H%M%S.ts", model="threshold").run()


def test_a_live_run_is_published_and_ends_in_peace_on_request(tmp_path: Path) -> None:
    with Recorder(tmp_path) as server:
        run = subprocess.Popen(
            [*PROGRAM, "run", LIVE, server.url, f"hls:{tmp_path}/web", "--model", "threshold"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        wait_for_size(server.files[0], 30_000)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=30)
        assert run.returncode == 0, said
        assert "frames captured" in said
        assert len(taken(server.files[0])) > 10


def test_a_server_that_is_not_there_costs_nothing_but_its_frames(tmp_path: Path) -> None:
    out = f"rtsp://me:hunter2@127.0.0.1:{free_port()}/live"
    pipeline = streamseg.open(LIVE, out, f"{tmp_path}/a.mp4", model="threshold")
    for at, _ in enumerate(pipeline):
        if at == 100:
            pipeline.stop()
    metrics = pipeline.metrics()
    assert metrics.shown >= 100
    assert metrics.unwritten >= 90
    assert packets(tmp_path / "a.mp4") > 80

"""Engines on disks that are not as they should be."""

from __future__ import annotations

import errno
import logging
import subprocess
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.tensorrt.cache import cached, find_plan, keep_plan, plan_path
from tests.infer.tensorrt.test_backend import picture
from tests.infer.tensorrt.test_cache import KEY, PLAN
from tests.parts.disks import fill, small_disk
from tests.parts.gpu_machine import Machine


def test_what_is_kept_on_a_disk_that_is_read_alone_is_taken(tmp_path: Path) -> None:
    """As where engines are a part of a container's image."""
    with small_disk(tmp_path / "engines", 1) as folder:
        path = plan_path(folder, "street", KEY)
        keep_plan(path, KEY, PLAN)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        assert cached(path, KEY, lambda why: pytest.fail(why)) == PLAN


def test_a_disk_that_knows_no_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unknown)
    with pytest.raises(OutputError, match="No locks available"):
        cached(plan_path(tmp_path, "street", KEY), KEY, lambda why: PLAN)


def test_an_engine_is_kept_beside_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "gone.plan").symlink_to(tmp_path / "nothing")
    path = plan_path(tmp_path, "street", KEY)
    keep_plan(path, KEY, PLAN)
    assert find_plan(path, KEY).plan == PLAN


def test_an_engine_that_a_full_disk_has_no_room_for_is_built_once_in_a_process_and_runs(
    machine: Machine, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(machine.engines, 1) as folder:
        ballast = fill(folder, free_megabytes=0)
        for _ in range(2):
            with caplog.at_level(logging.WARNING, "streamseg"):
                backend = open_backend(toy, 1, "tensorrt")
            assert backend.run(picture((1, 3, 8, 16)))["scores"].shape == (1, 5, 8, 16)
            backend.close()
        (line,) = caplog.messages
        assert line.startswith("toy: the engine is not kept, the next start builds it again: ")
        assert line.endswith("No space left on device")
        ballast.unlink()
        open_backend(toy, 1, "tensorrt").close()
        assert machine.plan.stat().st_size > 100
    assert machine.world.builds == 1

"""A real camera device, of the kernel's own making, read, pulled out and plugged in again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.parts.vm import require_vm, run_inside

_SECONDS = 30
"""An emulated computer on a busy one may take so long for what takes a second; without our own watch nothing would ever
be told. The times themselves are printed, and docs/reliability.md has those of a quiet machine."""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_camera_is_filmed_missed_when_pulled_out_and_found_again_by_its_name(tmp_path: Path) -> None:
    require_vm()
    said = run_inside("tests.parts.vm_camera", tmp_path, timeout_s=360)
    line = next((line for line in said.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, said[-3000:]
    found = json.loads(line.removeprefix("FOUND "))
    print(found)
    assert found["size"] == [640, 360]
    assert found["times_rise"] and found["moves"] and found["numbered_through"]
    assert found["longest_gap_over_clock_steps_s"] < 20  # and the steps are of hours
    assert found["told_after_s"] < _SECONDS
    assert found["cpu_waiting"] < 0.5  # it sleeps between its tries; one that asks again and again takes all of a core
    assert found["lines_in_10_s"] <= 2
    assert found["back_after_s"] < _SECONDS

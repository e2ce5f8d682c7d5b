"""A virtual camera of the kernel's, filmed by another program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.parts.vm import LOOPBACK, require_vm, run_inside


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_another_program_films_what_is_shown_and_while_none_does_the_network_rests(tmp_path: Path) -> None:
    pytest.importorskip("pyvirtualcam", exc_type=ImportError)
    require_vm()
    if not LOOPBACK.exists():
        pytest.skip("no driver of virtual cameras in .cache/kernel (tools/parts.py builds it)")
    said = run_inside("tests.parts.vm_loopback", tmp_path, timeout_s=360, driver=LOOPBACK)
    line = next((line for line in said.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, said[-3000:]
    found = json.loads(line.removeprefix("FOUND "))
    print(found)
    assert found["size"] == [160, 120]
    assert found["calls_before"] == found["calls_after"] == 0
    assert found["calls_while_filmed"] > 0
    thing, nothing = found["colours"]
    assert all(abs(a - b) <= 4 for a, b in zip(thing, [0, 200, 0], strict=True))
    assert max(nothing) <= 4
    rise, numbers = found["numbers_rise"]
    assert rise and len(numbers) == 9

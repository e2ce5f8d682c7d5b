"""The scripts in `tools/`: a question of how one is used is answered, and nothing is made, fetched or measured."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.parts.documents import ROOT
from tests.parts.patience import finished
from tests.parts.program import environment

TOOLS = [path for path in sorted((ROOT / "tools").glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.stem)
def test_a_tool_says_how_it_is_used_and_does_nothing_else(tool: Path, tmp_path: Path) -> None:
    said = finished([sys.executable, str(tool), "--help"], env=environment(PYTHONPATH=str(ROOT)), cwd=tmp_path)
    if lacking := re.search(r"No module named '\w+'", said.stderr):
        pytest.skip(lacking[0])
    assert (said.returncode, said.stderr) == (0, "")
    assert tool.name in said.stdout
    assert [*tmp_path.iterdir()] == []

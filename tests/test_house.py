"""The rules of the house, read from the syntax tree: who may import whom, and who may start threads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "streamseg"
ROOMS = {"capture", "infer", "motion", "render", "sinks"}
LEVEL_0 = {
    "errors", "frame", "segmentation", "contracts", "metrics", "buffers", "handoff", "yamlfile", "masks",
}  # fmt: skip
BESIDE_THE_WALK = {"training": {"capture", "infer", "evaluation"}, "evaluation": {"capture", "infer", "render"}}
WIRES = {"assembly", "cli", "words", "making", "doctor", "listing", "progress", "__init__"}
MAY_THREAD = {"pipeline.py", "threads.py", "capture/revive.py", "handoff.py", "metrics.py"}  # the last two for locks
FILES = sorted(HOUSE.rglob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which room is meant"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    """First parts below streamseg of what `path` imports: rooms and level-0 modules."""
    names = {name.split(".")[1] for name in imports(ast.parse(path.read_text())) if name.startswith("streamseg.")}
    return {name for name in names if (HOUSE / name).is_dir() or (HOUSE / f"{name}.py").exists()}


def allowed(path: Path) -> set[str]:
    room = path.relative_to(HOUSE).parts[0]
    if room in ROOMS:
        return LEVEL_0 | {room}
    if room in BESIDE_THE_WALK:
        return LEVEL_0 | {room} | BESIDE_THE_WALK[room]
    name = path.stem
    if name in WIRES:
        return LEVEL_0 | ROOMS | WIRES | {"config", "pace", "pipeline", "evaluation", "training"}
    return {
        "errors": set(),
        "metrics": set(),
        "handoff": set(),
        "frame": {"errors"},
        "segmentation": {"errors", "frame"},
        "buffers": {"frame"},
        "masks": {"segmentation"},
        "yamlfile": {"errors"},
        "contracts": {"frame", "segmentation", "metrics"},
        "config": LEVEL_0 | {"pace"},
        "pace": {"frame"},
        "pairing": LEVEL_0 | {"pace"},
        "threads": set(),
        "pipeline": LEVEL_0 | {"pace", "pairing", "threads"},
    }[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_imports_only_what_its_place_allows(path: Path) -> None:
    assert ours(path) <= allowed(path) | {"__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_threads_start_in_few_places(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    starts = roots & {"threading", "multiprocessing", "concurrent", "_thread"}
    assert not starts or path.relative_to(HOUSE).as_posix() in MAY_THREAD


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_file_runs_text_or_programs(path: Path) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    assert not called & {"eval", "exec", "system", "popen", "Popen", "check_output", "check_call"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "core", "manager"}

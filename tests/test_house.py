"""The rules of the house, read from the syntax tree: who may import whom, and who may start threads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "streamseg"
ROOMS = {"capture", "infer", "motion", "render", "sinks"}
LEVEL_0 = {
    "errors", "frame", "segmentation", "contracts", "metrics", "buffers", "handoff", "yamlfile", "masks", "urls",
    "machine", "planes", "picturefile",
}  # fmt: skip
BESIDE_THE_WALK = {
    "training": {"capture", "infer", "evaluation"},
    "evaluation": {"capture", "infer", "render"},
    "serve": {"capture", "infer", "render", "sinks", "assembly", "config", "pipeline"},
    "tuning": {"capture", "infer", "render", "pipeline"},
    "bench": {"capture", "infer", "render", "tuning"},
}
WIRES = {"assembly", "cli", "words", "making", "comparing", "doctor", "listing", "progress", "__init__"}
# A thread for each stage, each connection, each stream of a service; the benchmark's floor may contain nothing of what
# stands on it.
MAY_THREAD = {"pipeline.py", "threads.py", "capture/revive.py", "serve/stream.py", "bench/floor.py"}
MAY_LOCK = {"handoff.py", "metrics.py", "infer/share.py", "serve/streams.py"}  # called by several threads, start none
MAY_ASK_THE_DATE = {"sinks/retention.py"}  # files know their age by the calendar alone
MAY_RUN_PROGRAMS = {"bench/elsewhere.py"}  # a peer in an interpreter that a person names
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
        return LEVEL_0 | ROOMS | WIRES | {
            "config", "pace", "pipeline", "evaluation", "training", "serve", "tuning", "bench",
        }  # fmt: skip
    return {
        "errors": set(),
        "metrics": set(),
        "handoff": set(),
        "planes": set(),
        "frame": {"errors", "planes"},
        "segmentation": {"errors", "frame"},
        "buffers": {"frame"},
        "masks": {"segmentation"},
        "picturefile": {"errors", "frame"},
        "yamlfile": {"errors"},
        "urls": {"errors"},
        "machine": set(),
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
    name = path.relative_to(HOUSE).as_posix()
    assert not starts or name in MAY_THREAD | MAY_LOCK
    if name in MAY_LOCK:
        assert "Thread(" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_file_runs_text_or_programs(path: Path) -> None:
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    forbidden = {"eval", "exec", "system", "popen", "Popen", "check_output", "check_call"}
    assert not called & forbidden or path.relative_to(HOUSE).as_posix() in MAY_RUN_PROGRAMS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_file_measures_by_a_clock_that_somebody_may_set(path: Path) -> None:
    asked = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not asked & {"time_ns", "utcnow", "clock_gettime"}
    assert "time.time" not in imports(ast.parse(path.read_text()))
    assert "time.time()" not in path.read_text() or path.relative_to(HOUSE).as_posix() in MAY_ASK_THE_DATE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "core", "manager"}

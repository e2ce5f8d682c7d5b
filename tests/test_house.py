"""The rules of the house, read from the syntax tree: who may import whom, and who may start threads."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "streamseg"
FACTS = runpy.run_path(str(HOUSE.parent / "tools" / "house.py"))
BASE = {
    "errors", "redaction", "net", "frame", "segmentation", "contracts", "metrics", "bufferpool", "handoff", "yamlfile",
    "masks", "machine", "yuv", "gpu", "imagefile", "maskfile", "pyav", "files", "cgroup", "stdio", "folders",
    "runtimes", "dlpack", "installing", "moment", "options", "provenance", "entrypoints", "coco", "validation",
    "ending", "hostsettings", "said", "rules.event", "rules.shapes", "regions", "measure", "prompts", "labelmap",
}  # fmt: skip
MAY_IMPORT = {
    "redaction": set(),
    "errors": {"redaction"},
    "metrics": set(),
    "handoff": set(),
    "ending": set(),
    "pyav": set(),
    "gpu": {"errors"},
    "dlpack": set(),
    "cuda": {"ending", "errors", "gpu", "installing", "yuv"},
    "yuv": {"gpu", "pyav"},
    "frame": {"errors", "gpu", "yuv"},
    "segmentation": {"errors", "frame", "gpu", "masks"},
    "bufferpool": {"frame"},
    "masks": {"segmentation"},
    "maskfile": {"errors", "imagefile"},
    "labelmap": {"errors", "segmentation"},
    "yamlfile": {"errors", "validation"},
    "yamledit": {"errors", "yamlfile"},
    "validation": set(),
    "options": {"moment"},
    "files": {"errors"},
    "machine": {"cgroup"},
    "cgroup": set(),
    "runtimes": set(),
    "installing": set(),
    "folders": {"errors"},
    "signals": set(),
    "stdio": {"errors"},
    "prompts": set(),
    "contracts": {"frame", "segmentation", "metrics", "options", "prompts", "yuv", "rules.event"},
    "entrypoints": {"errors"},
    "__pyinstaller": {"entrypoints"},
    "coco": {"masks"},
    "regions": {"coco", "masks", "segmentation"},
    "measure": {"frame", "masks", "regions", "segmentation"},
    "hostsettings": set(),
    "reading": set(),
    "said": set(),
    "moment": set(),
    "provenance": {"pyav"},
    "net": {"errors", "redaction", "said"},
    "imagefile": {"errors", "files", "frame", "hostsettings", "installing", "options"},
    "config": BASE | {"pipeline.scheduler", "rules"},
    "pipeline.effort": {"contracts", "options"},
    "pipeline.trial": set(),
    "pipeline.scheduler": {"frame", "metrics", "options", "pipeline.effort", "pipeline.trial"},
    "pipeline": BASE | {"pipeline.scheduler"},
    "infer.model": BASE,
    "infer.backends": BASE | {"infer.model", "cuda"},
    "convert": BASE | {"infer"},
    "training": BASE | {"capture", "infer", "evaluation"},
    "evaluation": BASE | {"capture", "infer", "render"},
    "serve": BASE
    | {
        "capture",
        "infer",
        "render",
        "sinks",
        "assembly",
        "switch",
        "config",
        "pipeline",
        "signals",
        "rules",
        "privacy",
        "yamledit",
    },
    "archive": BASE | {"assembly", "capture", "config", "infer", "pipeline", "signals", "sinks"},
    "capacity": BASE | {"assembly", "capture", "config", "infer"},
    "tuning": BASE | {"capture", "infer", "render", "pipeline"},
    "bench": BASE | {"capture", "infer", "render", "tuning", "pipeline"},
    "capture": BASE | {"cuda"},
    "infer": BASE | {"infer.model", "infer.backends", "motion.flow"},
    "motion.blocks": set(),
    "motion.flow": {"frame", "motion.blocks"},
    "motion": BASE | {"motion.blocks", "motion.flow", "cuda"},
    "privacy": BASE,
    "render": BASE,
    "sinks": BASE,
    "rules.event": set(),
    "rules.shapes": set(),
    "rules": BASE | {"rules.shapes", "motion"},
}
"""What each place may import beside itself. What is not named here, the commands say, may import everything else."""
EVERYTHING = {
    "assembly", "cli", "commands", "model", "result", "stream", "switch", "__init__", "__main__",
}  # fmt: skip
# A thread for each stage, each connection, each stream of a service; the upper bound of the benchmark may contain
# nothing of what it is compared with. An asynchronous loop waits for its frames in one. Standard error is written by a
# thread because its reader may read nothing. Each receiver of messages has one, which waits for it; so have the servers
# of a remote network while one of them is away.
MAY_THREAD = {
    "pipeline/pipeline.py", "pipeline/threads.py", "capture/reconnect.py", "capture/rtspproxy.py", "serve/stream.py",
    "serve/trying.py",
    "bench/upper_bound.py", "sinks/delivery/sender.py", "stdio.py", "stream.py", "infer/remote.py",
    "archive/processes.py", "sinks/trace.py",
}  # fmt: skip
# Called by several threads, or waiting for another, start none; TensorRT's listener tells apart what they hear.
MAY_LOCK = {
    "cuda/shrink.py", "ending.py", "handoff.py", "hostsettings.py", "metrics.py", "capture/backoff.py",
    "capture/turn.py", "infer/batching.py", "pipeline/scheduler.py",
    "infer/backends/ort.py", "infer/backends/tensorrt/engines.py", "infer/backends/tensorrt/library.py", "said.py",
    "serve/supervisor.py", "serve/turns.py", "sinks/delivery/queue.py",
}  # fmt: skip
MAY_ASK_THE_DATE = {"sinks/retention.py", "sinks/trace.py"}  # files and traces know times by the calendar alone
MAY_RUN_PROGRAMS = {"bench/subprocess_loop.py"}  # a peer in an interpreter that a person names
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


def place(parts: tuple[str, ...]) -> str:
    """The room of a module; models, backends, flow, the scheduler and events are rooms of their own inside theirs."""
    inner = ".".join(parts[:2])
    own = {
        "infer.model", "infer.backends", "motion.blocks", "motion.flow", "pipeline.scheduler",
        "pipeline.effort", "pipeline.trial", "rules.event", "rules.shapes",
    }  # fmt: skip
    return inner if inner in own else parts[0]


def ours(path: Path) -> set[str]:
    """The places below streamseg that `path` imports from."""
    names = [name.split(".")[1:] for name in imports(ast.parse(path.read_text())) if name.startswith("streamseg.")]
    there = [parts for parts in names if (HOUSE / parts[0]).is_dir() or (HOUSE / f"{parts[0]}.py").exists()]
    return {place(tuple(parts)) for parts in there}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_imports_only_what_its_place_allows(path: Path) -> None:
    here = place(path.relative_to(HOUSE).with_suffix("").parts)
    if here in EVERYTHING:
        return
    allowed = MAY_IMPORT[here] | {here, "__init__"}
    assert {name for name in ours(path) if name not in allowed and name.split(".")[0] not in allowed} == set()


def test_no_room_imports_a_command() -> None:
    outside = [path for path in FILES if path.relative_to(HOUSE).parts[0] not in {"commands", "cli.py"}]
    assert [path.name for path in outside if "commands" in ours(path)] == []


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


def test_the_tests_start_the_program_in_one_way_and_in_an_environment_of_its_own() -> None:
    tests = [
        path for path in Path(__file__).parent.rglob("*.py") if path.name != "program.py" and path != Path(__file__)
    ]
    assert [path.name for path in tests if "import program; program()" in path.read_text()] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"utils", "util", "helpers", "common", "misc", "core", "manager"}


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert FACTS["circle"]() == []


def test_there_is_a_line_of_tests_for_each_of_the_package() -> None:
    assert FACTS["all_lines"](FACTS["TESTS"]) >= FACTS["all_lines"](HOUSE)


def test_no_file_reads_what_msgspec_says_or_takes_a_sentence_apart() -> None:
    texts = {path.relative_to(HOUSE).as_posix(): path.read_text() for path in FILES}
    assert [name for name, text in texts.items() if "msgspec.ValidationError" in text] == ["validation.py"]
    cuts = re.compile(r"\.r?(partition|split|index|find)\(\"[^\"]*: \"")
    cut = {name for name, text in texts.items() if cuts.search(text)}
    assert cut == {"machine.py", "infer/backends/ort.py"}  # /proc/cpuinfo; ONNX Runtime's lines, shortened for people

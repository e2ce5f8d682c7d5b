"""Facts of the house, read from its syntax trees: lines, longest files and functions, circles of imports, tests.

    python tools/house.py

Which room may import which is held by tests/test_house.py.
"""

from __future__ import annotations

import argparse
import ast
import graphlib
import statistics
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).parents[1] / "streamseg"
TESTS = HOUSE.parent / "tests"


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def all_lines(folder: Path) -> int:
    """Of every Python file in and below `folder`."""
    return sum(map(lines, folder.rglob("*.py")))


def functions() -> Iterator[tuple[int, str]]:
    """Lines and place of every function of the package, decorators left out."""
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or 0) - node.lineno + 1, f"{path.relative_to(HOUSE.parent)}: {node.name}"


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the package that loading `path` loads; what a function imports, or a type checker, does not count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known.keys()) or {node.module or ""}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not _for_types(node):
            waiting += ast.iter_child_nodes(node)
    return found & known.keys()


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def circle() -> list[str]:
    """Modules that import one another in a circle; none where there is no circle."""
    known = modules()
    graph = {name: imported(path, known) - {name} for name, path in known.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def untested() -> list[str]:
    """Modules that no test imports, and that have no test file of their name, such as tests/capture/test_video.py."""
    known = modules()
    files = list(TESTS.rglob("*.py"))
    named = {name for path in files for name in _everywhere(path)}
    named |= {".".join(("streamseg", *path.relative_to(TESTS).parts[:-1], path.stem[5:])) for path in files}
    return sorted(name for name in known if name not in named and lines(known[name]) > 1)


def _everywhere(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def main() -> None:
    files = {name: lines(path) for name, path in modules().items()}
    long_first = sorted(functions(), reverse=True)
    package, tests = all_lines(HOUSE), all_lines(TESTS)
    longest = max(files, key=files.__getitem__)
    rooms = sorted(each.name for each in HOUSE.iterdir() if (each / "__init__.py").exists())
    median = statistics.median(count for count, _ in long_first)
    facts = {
        "rooms at the top": ", ".join(rooms),
        "files": f"{len(files)}, median {statistics.median(files.values()):.0f} lines, "
        f"longest {files[longest]} ({longest})",
        "functions": f"{len(long_first)}, median {median:.0f} lines",
        "the longest": "\n".join(f"{count:3} {where}" for count, where in long_first[:5]),
        "circles of imports": " -> ".join(circle()) or "none",
        "lines": f"package {package:,}, tests {tests:,}: {tests / package:.2f} of tests a line of package",
        "without a test": "\n".join(untested()) or "none",
    }
    for name, fact in facts.items():
        print(f"{name:<20} {fact}".replace("\n", f"\n{'':<21}"))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()

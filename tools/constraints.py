"""Writes constraints.txt: the newest of everything that streamseg and its tests need, on every Python of this machine.

PyTorch is left out: where it is to be had for the CPU alone differs, and the Makefile names its version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

from pythons import pythons

ROOT = Path(__file__).parents[1]
WANTED = [f"{ROOT}[dev,docs,openvino,serve]", "matplotlib", "opencv-python-headless"]
HEAD = """\
# What the demo and all tests were last seen to pass with; the Makefile installs it.
# `make constraints` takes the newest of everything; `make test` then has to pass before it is kept.
"""


def main() -> int:
    versions: dict[str, dict[str, str]] = {}
    for python, path in pythons().items():
        print(f"Python {python} ...", flush=True)
        for name, version in resolved(path).items():
            versions.setdefault(name, {})[python] = version
    lines = [line for name in sorted(versions) for line in constraints(name, versions[name])]
    (ROOT / "constraints.txt").write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return 0


def resolved(python: Path) -> dict[str, str]:
    """Version by name of what pip would install."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        command = [f"{folder}/bin/pip", "install", "--quiet", "--dry-run", "--report", "-", *WANTED]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    found = (each["metadata"] for each in report["install"])
    return {each["name"].lower().replace("_", "-"): each["version"] for each in found if each["name"] != "streamseg"}


def constraints(name: str, by_python: dict[str, str]) -> list[str]:
    """One line where all Pythons have the same version, else one for each span of Pythons, oldest first."""
    spans = [(version, [python for python, _ in group]) for version, group in groupby_version(by_python)]
    lines = []
    for at, (version, inside) in enumerate(spans):
        since = [f'python_version >= "{inside[0]}"'] if at else []
        until = [f'python_version < "{spans[at + 1][1][0]}"'] if at + 1 < len(spans) else []
        marker = " and ".join(since + until)
        lines.append(f"{name}=={version}" + (f"; {marker}" if marker else ""))
    return lines


def groupby_version(by_python: dict[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(version, list(group)) for version, group in groupby(by_python.items(), key=lambda item: item[1])]


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())

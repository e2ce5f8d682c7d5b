"""The Pythons that pyproject.toml promises, as far as this machine has them: `3.12 /usr/bin/python3.12`, a line each.

Looked for on the PATH and among pyenv's; those that are missing are named on the standard error.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def pythons() -> dict[str, Path]:
    """The interpreter of each version, oldest first."""
    found = {version: next(filter(None, map(_working, _candidates(version))), None) for version in promised()}
    return {version: path for version, path in found.items() if path is not None}


def promised() -> list[str]:
    """Versions that the package says it runs on, oldest first."""
    return re.findall(r"Python :: (3\.\d+)", PROJECT.read_text())


def _candidates(version: str) -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    built = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: int(path.parts[-3].split(".")[2]))
    return [name for name in (shutil.which(f"python{version}"), *map(str, reversed(built))) if name]


def _working(name: str) -> Path | None:
    """Its own path, for a name that may be a shim; None where it does not start or lacks what pip needs."""
    code = "import ensurepip, ssl, sys, venv; print(sys.executable)"
    done = subprocess.run([name, "-c", code], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def main() -> int:
    found = pythons()
    for version, path in found.items():
        print(version, path)
    for version in sorted(set(promised()) - set(found)):
        print(f"Python {version}: skipped, not on this machine", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())

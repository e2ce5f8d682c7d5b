"""The command that installs what is missing, for this installation and this Python: no index has streamseg."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
import urllib.parse
from pathlib import Path

_MODULES = {"opencv-python": "cv2", "pillow": "PIL", "pyyaml": "yaml"}  # of packages that are imported by other names
_CPU_TORCH = "https://download.pytorch.org/whl/cpu"  # what package indexes have is built for CUDA: gigabytes


def extra(name: str) -> str:
    """The command that adds the extra `name`, such as `serve`, to streamseg as it is installed here."""
    command = f"{pip()} install {_editable()}{_quoted(_origin(name))}"
    return f"{package('torch')} --index-url {_CPU_TORCH} && {command}" if name == "train" else command


def models(name: str) -> str:
    """The command that adds the models of the extra `name`, such as `research`.

    A checkout has them in a folder of their own; where streamseg came as a file, theirs is looked for beside it.
    """
    came_from = _path()
    folder = came_from / f"{name}-models" if came_from else None
    if folder and folder.is_dir():
        return f"{pip()} install {_editable()}{_quoted(_installable(folder))}"
    beside = (
        f"--find-links {_quoted(_from_here(came_from.parent))} "
        if came_from and "dir_info" not in _direct_url()
        else ""
    )
    return f"{pip()} install {beside}{_editable()}{_quoted(_origin(name))}"


def package(*names: str) -> str:
    """The command that installs the packages `names`, in versions that streamseg takes."""
    wanted = _always()
    return f"{pip()} install {shlex.join(wanted.get(name, name) for name in names)}"


def lacking() -> list[str]:
    """The packages that streamseg always needs and that are not here, as pip names them."""
    return [name for name in _always() if importlib.util.find_spec(_MODULES.get(name, name)) is None]


def _always() -> dict[str, str]:
    """What streamseg needs without any extra: the name of each package, and what pip is given for it."""
    try:
        wanted = importlib.metadata.requires("streamseg") or []
    except importlib.metadata.PackageNotFoundError:  # a program that holds its Python has no notes of packages
        return {}
    return {re.split(r"[^\w.-]", each)[0]: each for each in wanted if ";" not in each}


def pip() -> str:
    """This Python's pip, as it can be called in this terminal."""
    if getattr(sys, "frozen", False):  # a program that holds its Python: what it lacks goes where it is made
        return "pip"
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):  # an environment that uv made has none
        return "uv pip" if os.environ.get("VIRTUAL_ENV") == sys.prefix else f"VIRTUAL_ENV={_quoted(sys.prefix)} uv pip"
    here = Path(sys.executable).parent
    found = shutil.which("pip")
    if found and Path(found).parent == here:
        return "pip"
    return f"{_quoted(_from_here(Path(sys.executable)))} -m pip"


def _origin(name: str) -> str:
    """What pip is given for streamseg with the extra `name`: the checkout or wheel that it came from, else its name."""
    if path := _path():
        return f"{_installable(path)}[{name}]"
    url = _direct_url().get("url")
    return f"streamseg[{name}] @ {url}" if url else f"streamseg[{name}]"


def _path() -> Path | None:
    """The checkout or file that streamseg came from; None where that is elsewhere."""
    url = urllib.parse.urlsplit(str(_direct_url().get("url", "")))
    return Path(urllib.parse.unquote(url.path)) if url.scheme == "file" else None


def _editable() -> str:
    return "-e " if _direct_url().get("dir_info", {}).get("editable") else ""


def _direct_url() -> dict[str, dict[str, bool]]:
    """What pip noted of where it found streamseg (PEP 610); empty where that was an index."""
    try:
        noted = importlib.metadata.distribution("streamseg").read_text("direct_url.json")
        return dict(json.loads(noted)) if noted else {}
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}


def _installable(path: Path) -> str:
    """As pip takes it for a path and not for a name."""
    named = _from_here(path)
    return named if named.startswith((os.sep, ".")) else f".{os.sep}{named}"


def _from_here(path: Path) -> str:
    """The shortest name: `.` for the working folder, a relative one inside it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _quoted(text: str) -> str:
    return f"'{text}'" if "[" in text and "'" not in text else shlex.quote(text)

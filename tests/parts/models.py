"""The networks of the repository: those in streamseg, and those that are installed by themselves."""

from __future__ import annotations

import pytest

from streamseg.infer.model.catalogue import IN_PACKAGES, SHIPPED, added_folders
from streamseg.infer.pose import NAME as POSE

ADDED = {folder.name.removeprefix("streamseg_").removesuffix("_models"): folder for folder in added_folders()}
"""Folders by the extra that brings them; those that are not installed are not here."""
FOLDERS = [SHIPPED, *(ADDED[extra] for extra in ("research", "pose") if extra in ADDED)]
NETWORKS = sorted((file for folder in FOLDERS for file in folder.glob("*.onnx")), key=lambda file: file.stem)
"""Those that are models by themselves."""
LACKING = {name: extra for name, extra in IN_PACKAGES.items() if extra not in ADDED}


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips where the package of one of these models is not installed; the Makefile installs all."""
    lacking = [name for name in names if name in LACKING]
    packages = " ".join(sorted({f"./{LACKING[name]}-models" for name in lacking}))
    return pytest.mark.skipif(bool(lacking), reason=f"{', '.join(lacking)} not installed: pip install {packages}")


NEEDS_POSE = needs(POSE)
NEEDS_RESEARCH = needs(*(name for name, extra in IN_PACKAGES.items() if extra == "research"))

"""The packages of models: what is in one has a version, without which pip takes a changed one for what is there."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.parts.documents import ROOT

VERSIONS = {"pose": ("1.1", "ecb355c87205"), "research": ("1.1", "4e6a09b7c86a")}
"""Of each its version and a digest of its models, which a change needs anew; the version once between two releases."""


@pytest.mark.parametrize("name", VERSIONS)
def test_models_that_changed_have_a_new_version(name: str) -> None:
    folder = ROOT / f"{name}-models"
    digest = hashlib.sha256()
    for file in sorted((folder / f"streamseg_{name}_models").rglob("*")):
        if file.suffix in (".onnx", ".yaml"):
            digest.update(file.name.encode() + file.read_bytes())
    version = re.search(r'^version = "(.*)"$', (folder / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert (version[1], digest.hexdigest()[:12]) == VERSIONS[name]


@pytest.mark.parametrize("name", VERSIONS)
def test_uv_finds_the_models_of_an_extra_where_they_lie(name: str) -> None:
    """`uv sync` resolves every extra, those too that nobody asked for."""
    told = (ROOT / "pyproject.toml").read_text()
    assert f'"streamseg-{name}-models",' in told
    source = re.search(rf'^streamseg-{name}-models = {{ path = "(.*)", editable = true }}$', told, re.MULTILINE)
    assert source is not None
    assert f'name = "streamseg-{name}-models"' in (ROOT / source[1] / "pyproject.toml").read_text()

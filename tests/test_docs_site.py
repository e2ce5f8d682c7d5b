"""The documentation as a site: it builds without a warning, and its reference has all that the program has."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
import yaml

import streamseg
from streamseg.commands.parser import parser
from streamseg.config import OPTIONS
from tests.parts.documents import ROOT
from tests.test_words import helps

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed (pip install '.[docs]')")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_command_and_flag_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "cli.html").read_text()
    flags = {flag for text in helps(parser()) for flag in re.findall(r"(?<![\w-])--[a-z][\w-]+", text)}
    assert len(flags) > 50
    assert {flag for flag in flags if flag not in page} <= {"--help", "--version"}


def test_every_key_of_a_configuration_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "configuration.html").read_text()
    keys = [field.name for field in msgspec.structs.fields(OPTIONS)]
    assert [key for key in keys if f"<code>{key}</code>" not in page] == []
    assert "must be given" in page and "from 0 to 1" in page and "<code>overlay</code>" in page


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text()
    names = [name for name in streamseg.__all__ if not name.startswith("__")]
    assert [name for name in names if not re.search(rf'id="streamseg\.(\w+\.)*{name}"', page)] == []


def test_links_into_the_repository_lead_to_copies(site: Path) -> None:
    assert (site / "files" / "configs" / "site.yaml").read_text() == (ROOT / "configs" / "site.yaml").read_text()
    assert "nuclei.yaml" in (site / "files" / "configs" / "train" / "index.html").read_text()
    assert "training.html" in (site / "models" / "cracks.html").read_text()


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    astray = [
        f"{page.relative_to(site)}: {link}"
        for page in site.rglob("*.html")
        if page.name != "404.html"  # whose links begin at the address that the site will have
        for link in set(re.findall(r'\s(?:href|src)="?([^"\s>#]+)', page.read_text()))
        if not re.match(r"\w+:|//", link)
        and not (page.parent / unquote(html.unescape(link)).partition("?")[0]).exists()
    ]
    assert astray == []


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = (
        r'<(?:script|img|iframe)[^>]*?\ssrc="(?:https?:)?//[^"]+"|<link[^>]*stylesheet[^>]*href="(?:https?:)?//[^"]+"'
    )
    pages = [page.read_text() for page in site.rglob("*.html")]
    assert [html.unescape(found) for page in pages for found in re.findall(fetched, page)] == []


def test_a_commit_is_checked_as_make_check_does() -> None:
    target = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target is not None
    made = set(re.findall(r"\$\(BIN\)/(ruff \w+|codespell|mypy|python tools/\w+\.py)", target[1]))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {re.sub(r" --.*|\.venv/bin/", "", hook["entry"]) for hook in hooks} == made


def test_the_version_stands_in_one_place() -> None:
    written = [
        path.name
        for path in (ROOT / "pyproject.toml", *(ROOT / "streamseg").rglob("*.py"))
        if re.search(rf'version\w* = "{re.escape(streamseg.__version__)}"', path.read_text())
    ]
    assert written == ["__init__.py"]

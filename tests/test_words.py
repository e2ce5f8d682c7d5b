"""Words that readers from elsewhere do not know, or that mean several things: none in what is read."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator

import pytest

from streamseg.commands.parser import parser
from tests.parts.documents import ROOT, WALKED

BANNED = {
    "anew": r"\banew\b",  # again
    "somebody": r"\bsomebody\b",  # a person, a user, a client: which one
    "whoever": r"\bwhoever\b",
    "goes on": r"\b(?:go|goes|went|going|gone) on\b",  # continues
}
PLAIN = (
    *WALKED,
    ROOT / "docs" / "index.md",
    ROOT / "docs" / "comparison.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
)


@pytest.mark.parametrize("word", BANNED)
def test_docstrings_have_none_of_these_words(word: str) -> None:
    found = [place for place, text in docstrings() for _ in re.finditer(BANNED[word], text, re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize("word", BANNED)
def test_help_has_none_of_these_words(word: str) -> None:
    text = " ".join(" ".join(helps(parser())).split())
    assert re.findall(BANNED[word], text, re.IGNORECASE) == []


@pytest.mark.parametrize("word", BANNED)
def test_messages_have_none_of_these_words(word: str) -> None:
    found = [place for place, text in messages() for _ in re.finditer(BANNED[word], text, re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize("word", BANNED)
def test_guides_have_none_of_these_words(word: str) -> None:
    pages = [page for page in PLAIN if re.search(BANNED[word], page.read_text(), re.IGNORECASE)]
    assert [str(page.relative_to(ROOT)) for page in pages] == []


def docstrings() -> Iterator[tuple[str, str]]:
    """File and line, and text in one line, of each docstring, those of attributes included."""
    return ((place, text) for place, text, alone in strings() if alone)


def messages() -> Iterator[tuple[str, str]]:
    """The same of every other string: what is logged, raised, printed or shown."""
    return ((place, text) for place, text, alone in strings() if not alone)


def strings() -> Iterator[tuple[str, str, bool]]:
    """File and line, text in one line, and whether it stands alone, of each string of the package."""
    for path in sorted((ROOT / "streamseg").rglob("*.py")):
        tree = ast.parse(path.read_text())
        alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(node.value.split()), node in alone


def helps(command: argparse.ArgumentParser) -> Iterator[str]:
    """What `--help` prints, of a command and those below it."""
    yield command.format_help()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from helps(below)

"""Hooks of MkDocs: docstrings in place of tables of names, and links out of `docs/`, which a site has no place for.

Pages of the site that lie elsewhere in the repository (CONTRIBUTING.md, the models' cards) are taken along; other files
that a page links to (configurations, examples) come as copies under `files/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from docs_reference import DOCS, MADE, ROOT, cards
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import streamseg

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")

_MODULE = "options: {show_root_heading: false, show_root_toc_entry: false, heading_level: 3, filters: [%s]}"
_HIDDEN = {"streamseg.frame": ("!^_", "!^MAX", "!^SQUARE")}
"""Names that a page leaves out, where they are not only the private ones."""


def brought() -> dict[Path, str]:
    """Markdown from outside `docs/`, and where it goes in the site."""
    top = {ROOT / f"{name.upper()}.md": f"{name}.md" for name in ("contributing", "changelog", "security")}
    return {**top, **{card: f"models/{card.name}" for card in cards()}}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what is brought, and copies of the files that pages link to."""
    for path, place in brought().items():
        files.append(File.generated(config, place, content=path.read_text()))
    for path in sorted(set(_linked())):
        if path.is_dir():
            files.append(File.generated(config, f"files/{path.relative_to(ROOT)}/index.md", content=_listing(path)))
        for each in path.iterdir() if path.is_dir() else [path]:
            if each.is_file():
                files.append(File.generated(config, f"files/{each.relative_to(ROOT)}", abs_src_path=str(each)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links at the places that files outside `docs/` have in the site."""
    copied = page.file.src_uri.startswith("files/")  # a page that nothing but a link leads to
    origins = {place: path for path, place in brought().items()}
    own = ROOT / page.file.src_uri.removeprefix("files/") if copied else DOCS / page.file.src_uri
    origin = origins.get(page.file.src_uri, own)

    def moved(link: re.Match[str]) -> str:
        place = _place((origin.parent / link[1]).resolve())
        return os.path.relpath(place, Path(page.file.src_uri).parent) + (link[2] or "") if place else link[0]

    return _LINK.sub(moved, MADE.sub(_docstrings, markdown))


def _place(path: Path) -> str | None:
    """Where in the site `path` is; None for what is not in the repository, which MkDocs then reports."""
    if path.is_relative_to(DOCS):
        return str(path.relative_to(DOCS))
    if path == ROOT / "README.md":
        return "index.md"
    if path in brought():
        return brought()[path]
    if not path.exists() or not path.is_relative_to(ROOT):
        return None
    return f"files/{path.relative_to(ROOT)}" + ("/index.md" if path.is_dir() else "")


def _linked() -> Iterator[Path]:
    """Files outside `docs/` that a page links to and that are no pages themselves."""
    for page in [*DOCS.rglob("*.md"), *brought()]:
        for target, _ in _LINK.findall(page.read_text()):
            path = (page.parent / target).resolve()
            if (_place(path) or "").startswith("files/"):
                yield path


def _docstrings(mark: re.Match[str]) -> str:
    """In place of a table of names all that their docstrings say; other tables stay."""
    if mark[1] == "streamseg":
        return f"{mark[1]}{mark[2]}\n{_public()}\n\n"
    if mark[1].startswith("streamseg."):
        hidden = ", ".join(f'"{each}"' for each in _HIDDEN.get(mark[1], ("!^_[^_]",)))
        return f"{mark[1]}{mark[2]}\n::: {mark[1]}\n    {_MODULE % hidden}\n\n"
    return mark[0]


def _public() -> str:
    """A block of mkdocstrings for each public name that no other part of the page has."""
    elsewhere = tuple(f"streamseg.{name}" for name in ("errors", "frame", "segmentation", "contracts"))
    names = [name for name in streamseg.__all__ if callable(getattr(streamseg, name))]
    return "\n\n".join(
        f"::: streamseg.{name}" for name in names if getattr(streamseg, name).__module__ not in elsewhere
    )


def _listing(folder: Path) -> str:
    """A page with a link to each file of `folder`."""
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    return f"# {folder.relative_to(ROOT)}\n\n" + "\n".join(f"- [{name}]({name})" for name in names) + "\n"

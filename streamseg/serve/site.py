"""The file that names a service's streams: read whole, checked whole, or refused with the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from streamseg.assembly import render_options
from streamseg.capture import source_kind
from streamseg.config import AnySource, RunOptions
from streamseg.contracts import Controls, Recipe
from streamseg.errors import InputError
from streamseg.render import make_renderer
from streamseg.sinks import sink_kind
from streamseg.yamlfile import Tree, read_tree

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_NOT_HERE = ("window", "-")


class _Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    streams: dict[str, dict[str, Any]]
    defaults: dict[str, Any] = {}


def read_site(path: Path, load: Callable[..., Recipe]) -> dict[str, RunOptions]:
    """Name to options of every stream in `path`; `load` finds the models. Opens no source and no output.

    Raises:
        InputError: anything in the file is wrong; the message names file and line.
    """
    tree = read_tree(path)
    site = tree.fit(_Site)
    tree.fit(AnySource, ("defaults",))
    streams: dict[str, RunOptions] = {}
    writers: dict[str, str] = {}
    for name in site.streams:
        streams[name] = options = _options(tree, name, site.defaults)
        for key, problem in _problems(options, load):
            raise tree.error(problem, "streams", name, key)
        for output in options.outputs:
            if output != "null" and writers.setdefault(output, name) != name:
                raise tree.error(f"{output} is written by {writers[output]} already", "streams", name, "outputs")
    return streams


def _options(tree: Tree, name: str, defaults: dict[str, Any]) -> RunOptions:
    if not _NAME.fullmatch(name):
        raise tree.error("a name has 1 to 64 letters, digits, dashes, dots and underscores", "streams", name)
    return tree.fit(RunOptions, ("streams", name), under=defaults)


def _problems(options: RunOptions, load: Callable[..., Recipe]) -> Iterator[tuple[str, str]]:
    """Keys of `options` whose values cannot be right on any machine or day, and why."""
    if options.source == "-":
        yield "source", "a service has no standard input"
    for output in options.outputs:
        if output in _NOT_HERE:
            yield "outputs", f"a service has no {'window' if output == 'window' else 'standard output'}"
    checks: dict[str, Callable[[], object]] = {
        "source": lambda: source_kind(str(options.source)),
        "outputs": lambda: [sink_kind(output) for output in options.outputs],
        "view": lambda: make_renderer(render_options(options), Controls()),
        "model": lambda: load(options.model, options.settings, backend=options.backend),
    }
    for key, check in checks.items():
        try:
            check()
        except InputError as error:
            yield key, str(error)

"""The file that names a service's streams: read whole, checked whole, or refused with the line."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from streamseg.assembly import checked_outputs, render_options
from streamseg.capture import check_source, inputs_of
from streamseg.config import ANY_SOURCE, OPTIONS, RunOptions, rule_problems
from streamseg.contracts import Controls, Inputs, SegmenterFactory
from streamseg.errors import InputError
from streamseg.privacy import check_hidden
from streamseg.render import make_renderer
from streamseg.rules.check import Problem, class_problems
from streamseg.sinks import check_addresses, check_classes, check_rules
from streamseg.sinks.claims import written_twice
from streamseg.yamlfile import Tree, read_tree

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_NOT_HERE = ("window", "-")


class _Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    streams: dict[str, Any]
    defaults: dict[str, Any] = {}


def read_site(path: Path, load: Callable[..., SegmenterFactory]) -> dict[str, RunOptions]:
    """Name to options of every stream in `path`; `load` finds the models. Opens no source and no output.

    Raises:
        InputError: anything in the file is wrong; the message names file and line.
    """
    return check_site(read_tree(path), load)


def check_site(tree: Tree, load: Callable[..., SegmenterFactory]) -> dict[str, RunOptions]:
    """The same of what was read already."""
    if isinstance(tree.value, dict) and "source" in tree.value:
        raise InputError(
            f"{tree.name}: the options of one run, not of a service", f"streamseg run --config {shlex.quote(tree.name)}"
        )
    site = tree.fit(_Site)
    tree.fit(ANY_SOURCE, ("defaults",))
    streams: dict[str, RunOptions] = {}
    written: list[tuple[str, Inputs]] = []
    writers: list[str] = []
    for name in site.streams:
        streams[name] = options = _options(tree, name)
        for keys, problem in _problems(options, load):
            raise tree.error(problem, "streams", name, *keys)
        written += [(output, inputs_of(options.uri)) for output in checked_outputs(options, "keep")]
        writers += [name] * len(options.outputs)
    if twice := written_twice(written):
        first, second = twice
        problem = f"{written[second][0]} is written by {writers[first]} already"
        raise tree.error(problem, "streams", writers[second], "outputs")
    return streams


def _options(tree: Tree, name: str) -> RunOptions:
    if not _NAME.fullmatch(name):
        raise tree.error("a name has 1 to 64 letters, digits, dashes, dots and underscores", "streams", name)
    if name.endswith((".jpg", ".mjpeg")):
        raise tree.error("the address of another stream's picture ends so: take another name", "streams", name)
    if not isinstance(tree.value["streams"][name], dict):
        raise tree.error("expected options, such as `source: 0`", "streams", name)
    return tree.fit(OPTIONS, ("streams", name), over=("defaults",)).grouped()


def _problems(options: RunOptions, load: Callable[..., SegmenterFactory]) -> Iterator[Problem]:
    """Keys of `options` whose values cannot be right on any machine or day, and why."""
    if options.overwrite:
        yield ("overwrite",), "a service begins again and again, and keeps what it wrote before"
    if options.uri == "-":
        yield ("source",), "a service has no standard input"
    for output in options.outputs:
        if output in _NOT_HERE:
            yield ("outputs",), f"a service has no {'window' if output == 'window' else 'standard output'}"
    yield from rule_problems(options)
    recipe = functools.cache(lambda: load(options.model, options.settings, backend=options.backend))
    checks: list[tuple[str, Callable[[], object]]] = [
        ("source", lambda: check_source(options.uri)),
        ("outputs", lambda: checked_outputs(options, "keep")),
        ("outputs", lambda: check_addresses(options.outputs)),
        ("view", lambda: make_renderer(render_options(options), Controls())),
        ("model", recipe),
        ("outputs", lambda: check_classes(options.outputs, recipe().classes)),
        ("outputs", lambda: check_rules(options.outputs, options.rules)),
        (
            "hide_all_but" if options.privacy.hide_all_but else "hide",
            lambda: check_hidden(options.privacy, recipe().classes),
        ),
    ]
    for key, check in checks:
        try:
            check()
        except InputError as error:
            yield (key,), str(error)
    yield from class_problems(options.rules, recipe().classes)

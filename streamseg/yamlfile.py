"""Strict YAML into typed values: no code, no aliases, no duplicate or unknown keys, and errors that name the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from streamseg.errors import InputError

T = TypeVar("T")
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}
_DATE = "tag:yaml.org,2002:timestamp"  # nothing here is a date: it stays the text that was written
_Path = tuple[str, ...]


def read_yaml(path: Path, kind: type[T]) -> T:
    """Reads the file `path` as a value of the dataclass `kind`.

    Raises:
        InputError: the file is missing, too large, no YAML, or does not fit `kind`; the message names file and line.
    """
    return read_tree(path).fit(kind)


def parse_yaml(raw: bytes | str, kind: type[T], name: str) -> T:
    """The same from text; `name` stands for it in messages."""
    return parse_tree(raw, name).fit(kind)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a file holds, and on which line; for files whose parts are checked one by one."""

    value: Any
    lines: Mapping[_Path, int]
    name: str

    def fit(self, kind: type[T], at: _Path = (), under: Mapping[str, object] | None = None) -> T:
        """The part under the keys `at` as a `kind`, laid over the values in `under`.

        Raises:
            InputError: it does not fit; the message names file and line.
        """
        value = self.value
        for key in at:
            value = value.get(key) or {}
        try:
            return msgspec.convert(value if under is None else {**under, **value}, kind)
        except msgspec.ValidationError as error:
            raise InputError(_with_line(str(error), self.lines, self.name, at)) from None

    def error(self, message: str, *at: str) -> InputError:
        """What to raise about the part under the keys `at`."""
        return InputError(f"{self.name}:{_line(at, self.lines)}: {'.'.join(at)}: {message}")


def read_tree(path: Path) -> Tree:
    """Reads the file `path`, whatever it holds.

    Raises:
        InputError: the file is missing, too large or no YAML; the message names file and line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{path}: over 1 MiB, too large for a configuration")
    return parse_tree(raw, str(path))


def parse_tree(raw: bytes | str, name: str) -> Tree:
    """The same from text; `name` stands for it in messages."""
    lines: dict[_Path, int] = {}
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        _refuse_bombs(text, name)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Tree({} if root is None else _plain(root, (), lines), lines, name)
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(f"{at}: {error.problem or error.context or 'not YAML'}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None


def _refuse_bombs(text: str, name: str) -> None:
    """Aliases multiply a small file into a large value; deep nesting costs a parser its stack and its time."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(f"{name}:{line}: anchors and aliases are not allowed")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise InputError(f"{name}:{line}: nested too deeply")


def _plain(node: yaml.Node, path: _Path, lines: dict[_Path, int]) -> object:
    lines[path] = node.start_mark.line + 1
    if node.tag not in _TAGS:
        raise yaml.MarkedYAMLError(problem=f"unknown tag {node.tag}", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
            key = str(key_node.value)
            if key in mapping:
                raise yaml.MarkedYAMLError(problem=f"duplicate key '{key}'", problem_mark=key_node.start_mark)
            inner = (*path, key)
            mapping[key] = _plain(value_node, inner, lines)
            lines[inner] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, str(i)), lines) for i, item in enumerate(node.value)]
    if node.tag == _DATE:
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except ValueError:
        raise yaml.MarkedYAMLError(problem="not a value of its tag", problem_mark=node.start_mark) from None


_WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]+)`")


def _with_line(message: str, lines: Mapping[_Path, int], name: str, at: _Path) -> str:
    """Turns msgspec's `... - at `$.key[0]`` into `name:line: key[0]: ...`."""
    where = _WHERE.search(message)
    dotted = where["path"].lstrip(".") if where else ""
    path = (*at, *re.findall(r"[^.\[\]]+", dotted))
    text = message[: where.start()] if where else message
    unknown = _UNKNOWN.search(text)
    if unknown:
        path = (*path, unknown["key"])
        text = f"unknown key '{unknown['key']}'"
    dotted = ".".join(filter(None, (*at, dotted)))
    label = f"{dotted}: " if dotted and (at or not unknown) else ""
    return f"{name}:{_line(path, lines)}: {label}{text}"


def _line(path: _Path, lines: Mapping[_Path, int]) -> int:
    """The line of `path`, or of what it lies in."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)

"""Strict YAML into typed values: no code, no aliases, no duplicate or unknown keys, and errors that name the line.

A field that wants text gets what was written, as `1:20`, `012`, `on` or `1.10`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from msgspec import inspect as schema

from streamseg.errors import InputError
from streamseg.validation import MisfitError, fit

T = TypeVar("T")
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
_HALF = re.compile("[\ud800-\udfff]")  # which escapes can write, and nothing that takes UTF-8
_Path = tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """Numbers are decimal, as in YAML 1.2: by 1.1 `1:20` is 80, `012` is 10 and `1_000` is 1000."""

    yaml_implicit_resolvers = {}


for _kind, _words, _first in (
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(inf|nan))", "-+.0123456789"),
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_words})$"), list(_first))


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
    written: Mapping[_Path, str]
    """Every number, truth and nothing as it was written."""

    def fit(self, kind: type[T], at: _Path = (), over: _Path | None = None) -> T:
        """The part under the keys `at` as a `kind`, laid over the part under the keys `over`.

        Raises:
            InputError: it does not fit; the message names file and line.
        """
        value = self._part(kind, at)
        try:
            return fit(value if over is None else {**self._part(kind, over), **value}, kind)
        except MisfitError as error:
            keys = (*at, *map(str, error.place), *filter(None, [error.unknown]))
            label = ".".join(filter(None, (*at, error.where)))
            where = f"{self.name}:{_line(keys, self.lines)}"
            raise InputError(": ".join(filter(None, (where, label, error.message)))) from None

    def _part(self, kind: Any, at: _Path) -> Any:
        value = self.value
        for key in at:
            value = value.get(key) or {}
        return _worded(value, _type_info(kind), self.written, at)

    def error(self, message: str, *at: str) -> InputError:
        """What to raise about the part under the keys `at`."""
        return InputError(f"{self.name}:{_line(at, self.lines)}: {'.'.join(at)}: {message}")


def read_tree(path: Path) -> Tree:
    """Reads the file `path`, whatever it holds.

    Raises:
        InputError: the file is missing, too large or no YAML; the message names file and line.
    """
    return parse_tree(read_raw(path), str(path))


def read_raw(path: Path) -> bytes:
    """What stands in the file `path`, unread.

    Raises:
        InputError: it is missing, or too large for a configuration.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise InputError(f"{path}: over 1 MiB, too large for a configuration")
    return raw


def parse_tree(raw: bytes | str, name: str) -> Tree:
    """The same from text; `name` stands for it in messages."""
    lines: dict[_Path, int] = {}
    written: dict[_Path, str] = {}
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        _refuse_bombs(text, name)
        root = yaml.compose(text, Loader=_Loader)
        return Tree({} if root is None else _plain(root, (), lines, written), lines, name, written)
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


def _plain(node: yaml.Node, path: _Path, lines: dict[_Path, int], written: dict[_Path, str]) -> object:
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
            mapping[key] = _plain(value_node, inner, lines, written)
            lines[inner] = key_node.start_mark.line + 1
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, str(i)), lines, written) for i, item in enumerate(node.value)]
    try:
        value: object = _Loader("").construct_object(node)
    except ValueError:
        raise yaml.MarkedYAMLError(problem="not a value of its tag", problem_mark=node.start_mark) from None
    if not isinstance(value, str):
        written[path] = str(node.value)
    elif _HALF.search(value):
        raise yaml.MarkedYAMLError(problem="half a character, which is no text", problem_mark=node.start_mark)
    return value


_HOLDS: dict[type, tuple[type, ...]] = {
    int: (schema.IntType, schema.FloatType, schema.CustomType),
    float: (schema.FloatType, schema.CustomType),
    bool: (schema.BoolType,),
    type(None): (schema.NoneType,),
}


@functools.cache
def _type_info(kind: Any) -> schema.Type:
    """Read out of its words once: a site asks for the same for every stream."""
    return schema.type_info(kind)


def _worded(value: Any, wanted: schema.Type, written: Mapping[_Path, str], at: _Path) -> Any:
    """`value`, with what was `written` wherever text is `wanted` and nothing else that it could be."""
    kinds = _kinds(wanted)
    if isinstance(value, dict):
        return {key: _worded(each, _under(kinds, key), written, (*at, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_worded(each, _under(kinds, i), written, (*at, str(i))) for i, each in enumerate(value)]
    text = any(isinstance(kind, schema.StrType | schema.LiteralType | schema.CustomType) for kind in kinds)
    fits = any(isinstance(kind, (schema.AnyType, *_HOLDS.get(type(value), ()))) for kind in kinds)
    return written.get(at) or value if text and not fits else value


def _kinds(wanted: schema.Type) -> list[schema.Type]:
    """What a value may be: one kind, or those of a union."""
    if isinstance(wanted, schema.Metadata):
        return _kinds(wanted.type)
    if isinstance(wanted, schema.UnionType):
        return [kind for each in wanted.types for kind in _kinds(each)]
    return [wanted]


def _under(kinds: list[schema.Type], key: str | int) -> schema.Type:
    """What the part of such a value may be that lies under `key`."""
    for kind in kinds:
        if isinstance(kind, schema.StructType):
            found = [field.type for field in kind.fields if field.encode_name == key]
            return found[0] if found else schema.AnyType()
        if isinstance(kind, schema.DictType):
            return kind.value_type
        if isinstance(kind, schema.ListType | schema.VarTupleType):
            return kind.item_type
        if isinstance(kind, schema.TupleType) and isinstance(key, int) and key < len(kind.item_types):
            return kind.item_types[key]
    return schema.AnyType()


def _line(path: _Path, lines: Mapping[_Path, int]) -> int:
    """The line of `path`, or of what it lies in."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)

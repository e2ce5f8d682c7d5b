"""Changes of one value in the text of a YAML file: every other character stays as a person wrote it.

A library that writes a whole file again moves the comments that stand before a key along with the key above, and loses
them where that is taken away; here only the place of the value is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from streamseg.errors import InputError
from streamseg.yamlfile import parse_tree

_Path = tuple[str, ...]
_Pair = tuple[yaml.Node, yaml.Node]


def patched(text: str, at: _Path, patch: Mapping[str, Any], name: str) -> str:
    """`text` with `patch` merged into the mapping under the keys `at`, as RFC 7396 says: null takes a key away.

    `name` stands for the text in messages. Aliases and what else a configuration may not hold are refused.

    Raises:
        InputError: the text is wrong; or it is written so that the change would touch more than its place.
    """
    if 0 < text.count("\n") == text.count("\r\n"):
        return patched(text.replace("\r\n", "\n"), at, patch, name).replace("\n", "\r\n")
    wanted = parse_tree(text, name).value
    inner = wanted
    for key in at:
        inner = inner[key]
    steps = list(_steps(inner, patch))
    _merge(inner, patch)
    parse_tree(_flow(patch), name)  # says what no YAML can hold
    try:
        for keys, value in steps:
            text = _without(text, (*at, *keys)) if value is None else _with(text, (*at, *keys), value)
        if parse_tree(text, name).value == wanted:
            return text
    except (AssertionError, InputError, yaml.YAMLError):  # one of the steps left no YAML behind
        pass
    raise InputError(f"{name}: written in a way that cannot be changed here", "edit the file by hand")


def _steps(value: Mapping[str, Any], patch: Mapping[str, Any]) -> Iterator[tuple[_Path, Any]]:
    """The keys to set, each with its value, or with None to take it away."""
    for key, new in patch.items():
        if isinstance(new, Mapping) and isinstance(value.get(key), dict):
            yield from (((key, *keys), inner) for keys, inner in _steps(value[key], new))
        elif new is not None or key in value:
            yield (key,), _present(new)


def _merge(value: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for key, new in patch.items():
        if new is None:
            value.pop(key, None)
        elif isinstance(new, Mapping) and isinstance(value.get(key), dict):
            _merge(value[key], new)
        else:
            value[key] = _present(new)


def _present(value: Any) -> Any:
    """A value that is new as a whole: its nulls say that nothing is there."""
    if isinstance(value, Mapping):
        return {key: _present(each) for key, each in value.items() if each is not None}
    return value


def _with(text: str, path: _Path, value: Any) -> str:
    mapping = _node(text, path[:-1])
    pair = _find(mapping, path[-1])
    if pair is not None:
        start, end = pair[1].start_mark.index, _end(pair[1], text)
        space = " " if text[start - 1 : start] == ":" else ""
        return f"{text[:start]}{space}{_flow(value)}{text[end:]}"
    start, end = mapping.start_mark.index, _end(mapping, text)
    if mapping.value and not mapping.flow_style:
        column = mapping.value[0][0].start_mark.column
        last = text.find("\n", end)
        last = len(text) if last < 0 else last
        return f"{text[:last]}\n{_block(path[-1], value, column)}{text[last:]}"
    if not mapping.value and len(path) == 2 and not _node(text, ()).flow_style:
        begun = text[text.rfind("\n", 0, start) + 1 : start]
        if begun.isspace():
            return text[:start] + _block(path[-1], value, len(begun)).lstrip() + text[end:]
        return f"{text[:start].rstrip(' ')}\n{_block(path[-1], value, 2)}{text[end:]}"
    comma = ", " if mapping.value else ""
    place = _end(mapping.value[-1][1], text) if mapping.value else start + 1
    return f"{text[:place]}{comma}{_flow({path[-1]: value})[1:-1]}{text[place:]}"


def _without(text: str, path: _Path) -> str:
    mapping = _node(text, path[:-1])
    pairs = mapping.value
    number = next(number for number, (key, _) in enumerate(pairs) if key.value == path[-1])
    start, end = pairs[number][0].start_mark.index, _end(pairs[number][1], text)
    if len(pairs) == 1:
        return f"{text[:start]}{'' if mapping.flow_style else '{}'}{text[end:]}"
    if mapping.flow_style:
        if number:
            start = _end(pairs[number - 1][1], text)
        else:
            end = pairs[1][0].start_mark.index
        return text[:start] + text[end:]
    start = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    return text[:start] + (text[after + 1 :] if after >= 0 else "")


def _node(text: str, path: _Path) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path:
        assert isinstance(node, yaml.MappingNode)
        pair = _find(node, key)
        assert pair is not None
        node = pair[1]
    assert isinstance(node, yaml.MappingNode)
    return node


def _find(mapping: yaml.MappingNode, key: str) -> _Pair | None:
    return next((pair for pair in mapping.value if pair[0].value == key), None)


def _end(node: yaml.Node, text: str) -> int:
    """Behind the node's last character; PyYAML lets a block end where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last, text)
    start, end = node.start_mark.index, node.end_mark.index
    return start + len(text[start:end].rstrip())


def _block(key: str, value: Any, column: int) -> str:
    """A pair on lines of its own, the parts of a mapping one a line."""
    inner = value if isinstance(value, Mapping) and value else None
    if inner is None:
        return f"{' ' * column}{_flow({key: value})[1:-1]}"
    head = _flow({key: 0})[1:-1].removesuffix(" 0")
    lines = [f"{' ' * (column + 2)}{_flow({each: part})[1:-1]}" for each, part in inner.items()]
    return "\n".join([f"{' ' * column}{head}", *lines])


def _flow(value: Any) -> str:
    """A value in one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")

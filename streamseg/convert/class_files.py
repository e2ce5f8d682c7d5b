"""Names of classes out of a file: one a line, or in the YAML that describes a data set to Ultralytics."""

from __future__ import annotations

import re
from pathlib import Path

from streamseg.errors import InputError, printable
from streamseg.files import text_lines
from streamseg.yamlfile import read_tree

_NUMBERED = re.compile(r"(\d+)(?:\s*[:,;=]\s*|[.)]?\s+)(\S.*)")
_YAML = (".yaml", ".yml")
_TEXT = (".txt", ".names")


def class_words(text: str) -> list[str]:
    """The names that `text` gives: between commas, or in the file that it is the path of.

    Raises:
        InputError: a name is empty, or the file cannot be read.
    """
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix in _TEXT and path.is_file():
        return [printable(name) for name in _of_lines(path)]
    if suffix in _YAML and path.is_file():
        return [printable(name) for name in _of_yaml(path)]
    names = [word.strip() for word in text.split(",")]
    if "" in names:
        raise InputError(f"--classes {text}: an empty name", "NAME,NAME,…; or how many there are")
    return names


def _of_lines(path: Path) -> list[str]:
    """A list that has each number once, from 0 or 1 on, holds numbers and names, any other one names as they are."""
    lines = [line.strip() for line in text_lines(path)]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise InputError(f"{path}:{lines.index('') + 1}: an empty line among the names", "each line is a class")
    if not lines:
        raise InputError(f"{path}: holds no names", "one a line")
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        pairs = sorted((int(match[1]), match[2]) for match in numbered if match)
        if [number for number, _ in pairs] == list(range(pairs[0][0], pairs[0][0] + len(pairs))) and pairs[0][0] < 2:
            return [name for _, name in pairs]
    return lines


def _of_yaml(path: Path) -> list[str]:
    """`names:` as a list, or as a mapping of numbers from 0 on."""
    tree = read_tree(path)
    names = tree.value.get("names") if isinstance(tree.value, dict) else None
    if isinstance(names, list):
        named = dict(enumerate(names))
        keys = [str(i) for i in named]
    elif isinstance(names, dict):
        keys = [str(i) for i in range(len(names))]
        if set(keys) != set(names):
            raise tree.error("expected numbers from 0 on, without a gap", "names")
        named = {i: names[key] for i, key in enumerate(keys)}
    else:
        raise InputError(f"{path}: has no `names`", "a list of them, as Ultralytics' data.yaml has it")
    found = [tree.written.get(("names", key), name) for key, name in zip(keys, named.values(), strict=True)]
    if not found or not all(isinstance(name, str) and name.strip() for name in found):
        raise tree.error("expected a word for each class", "names")
    return [name.strip() for name in found]

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from streamseg.errors import InputError
from streamseg.yamlfile import parse_yaml, read_yaml


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: tuple[int, int] = (1, 1)


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: Inner = msgspec.field(default_factory=Inner)
    items: tuple[Inner, ...] = ()


def test_a_good_file_becomes_typed_values(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: x\ninner:\n  size: [3, 4]\nitems:\n  - size: [5, 6]\n")
    read = read_yaml(path, Outer)
    assert (read.name, read.inner.size, read.items[0].size) == ("x", (3, 4), (5, 6))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: x\nname: y\n", 2, "duplicate key 'name'"),
        ("name: x\ninner:\n  size: [1, 2]\n  width: 3\n", 4, "unknown key 'width'"),
        ("name: x\n\nitems:\n  - size: [1, 2]\n  - size: [1, a]\n", 5, "items[1].size[1]"),
        ("name: 3\n", 1, "name: Expected `str`"),
        ("inner: {}\n", 1, "missing required field `name`"),
        ("", 1, "missing required field `name`"),
        ("name: [\n", 2, "expected the node content"),
        ("name: &a x\n", 1, "aliases"),
        ("name: x\nitems: !!python/object/apply:os.system [ls]\n", 2, "tag"),
        ("name: !!python/name:os.system x\n", 1, "tag"),
        ("- a\n- b\n", 1, "Expected `object`"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("name: !!int x\n", 1, "not a value"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, Outer, "site.yaml")
    assert str(caught.value).startswith(f"site.yaml:{line}: "), str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_date_stays_text() -> None:
    assert parse_yaml("name: 2020-99-99", Outer, "site.yaml").name == "2020-99-99"


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started_s = time.monotonic()
    with pytest.raises(InputError):
        parse_yaml(bomb, Outer, "bomb.yaml")
    assert time.monotonic() - started_s < 5


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"name: \x00x", b"[" * 100_000, b"name: x\n" + b"#" * (1 << 20)])
def test_bytes_that_are_no_configuration_are_one_line(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        read_yaml(path, Outer)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_yaml(path, Outer)

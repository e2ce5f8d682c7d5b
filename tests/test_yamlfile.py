from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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
        ("name: [3]\n", 1, "name: expected text, not a list of 1"),
        ("name: x\ninner:\n  size: [1_0, 2]\n", 3, "inner.size[0]: expected a whole number, not '1_0'"),
        ("inner: {}\n", 1, "'name' is missing"),
        ("", 1, "'name' is missing"),
        ("name: [\n", 2, "expected the node content"),
        ("name: &a x\n", 1, "aliases"),
        ("name: x\nitems: !!python/object/apply:os.system [ls]\n", 2, "tag"),
        ("name: !!python/name:os.system x\n", 1, "tag"),
        ("- a\n- b\n", 1, "expected keys with values, not a list of 2"),
        ("? [a]\n: b\n", 1, "a key must be a word"),
        ("name: !!int x\n", 1, "not a value"),
        ('items: []\nname: "\\uD800"\n', 2, "half a character"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text, Outer, "site.yaml")
    assert str(caught.value).startswith(f"site.yaml:{line}: "), str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


AS_WRITTEN = (
    "3", "012", "0x10", "0b1", "1_000", "1:20", "1:20:30.5", "1.10", ".5", "1e3", "+1", "-0", ".inf", ".nan", "on",
    "Off", "yes", "NO", "True", "null", "~", "=", "<<", "2020-99-99", "2026-01-01", "2026-01-01 10:00:00", "12.mp4",
)  # fmt: skip


class Fields(msgspec.Struct, forbid_unknown_fields=True):
    text: str = ""
    perhaps: str | None = None
    word: Literal["on", "1:20"] = "on"
    number_or_text: int | str = 0
    float_or_text: float | str = 0.0
    texts: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    by_name: dict[str, str] = {}
    inner: Inner = msgspec.field(default_factory=Inner)
    anything: dict[str, Any] = {}
    truth: bool = False
    number: float = 0.0


def read(text: str) -> Fields:
    return parse_yaml(text, Fields, "a.yaml")


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_a_field_that_wants_text_gets_it_as_it_was_written(text: str) -> None:
    assert read(f"text: {text}").text == text
    assert read(f"texts: [x, {text}]\nby_name: {{a: {text}}}\npair: [1, {text}]") == Fields(
        texts=("x", text), by_name={"a": text}, pair=(1, text)
    )
    assert read(f"text: '{text}'").text == text


@pytest.mark.parametrize("text", ["012", "0x10", "1_000", "1:20", ".5", "on", "2026-01-01"])
def test_text_that_looks_like_another_number_stays_text_where_a_number_may_stand(text: str) -> None:
    assert read(f"number_or_text: {text}").number_or_text == text
    assert read("number_or_text: 12").number_or_text == 12
    assert read("number_or_text: '12'").number_or_text == "12"
    assert read("float_or_text: 90").float_or_text == 90
    assert read("float_or_text: 1:30").float_or_text == "1:30"


def test_a_word_out_of_a_list_is_as_it_was_written() -> None:
    assert [read(f"word: {word}").word for word in ("on", "1:20")] == ["on", "1:20"]
    with pytest.raises(InputError, match=r"a\.yaml:1: word: expected one of on, 1:20, not 'off'"):
        read("word: off")


def test_nothing_is_nothing_where_that_may_be() -> None:
    assert [read(f"perhaps: {word}").perhaps for word in ("null", "~", "", "none")] == [None, None, None, "none"]
    with pytest.raises(InputError, match="expected text, not nothing"):
        read("text:")


def test_numbers_and_truths_are_read_where_they_are_wanted() -> None:
    found = read("truth: yes\nnumber: 1e-3\nanything: {a: 4, b: on, c: 0.5, d: 1:20, e: ~}")
    assert (found.truth, found.number) == (True, 0.001)
    assert found.anything == {"a": 4, "b": True, "c": 0.5, "d": "1:20", "e": None}


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijklmnopqrst", "bcdefghijklmnopqrstu", strict=True)
    )
    with pytest.raises(InputError):
        parse_yaml(bomb, Outer, "bomb.yaml")


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

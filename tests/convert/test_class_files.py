"""Names of classes as people have them in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.convert.class_files import class_words
from streamseg.errors import InputError


@pytest.mark.parametrize(
    ("name", "raw", "names"),
    [
        ("n.txt", b"a\nb b\nc\n", ["a", "b b", "c"]),
        ("n.txt", b"\xef\xbb\xbfa\r\nb\r\n\r\n", ["a", "b"]),
        ("n.names", "gr\u00fcn\nb".encode(), ["gr\u00fcn", "b"]),
        ("n.txt", b"0: a\n1: b b\n", ["a", "b b"]),
        ("n.txt", b"1 a\n2 b\n", ["a", "b"]),
        ("n.txt", b"2 c\n0 a\n1 b\n", ["a", "b", "c"]),
        ("n.txt", b"1. a\n2. b\n", ["a", "b"]),
        ("n.txt", b"0,a\n1 , b\n", ["a", "b"]),
        ("n.txt", b"0 a\n2 b\n", ["0 a", "2 b"]),
        ("n.txt", b"0 a\n0 b\n", ["0 a", "0 b"]),
        ("n.txt", b"1.5 t\n2.5 t\n", ["1.5 t", "2.5 t"]),
        ("n.txt", b"a\x1b[31m\nb\n", ["a\\x1b[31m", "b"]),
        ("data.yaml", b'names: ["a\\nb", c]', ["a\\nb", "c"]),
        ("n.txt", b"3 wheels\n4 wheels\n", ["3 wheels", "4 wheels"]),
        ("n.txt", b"0: a\nb\n", ["0: a", "b"]),
        ("data.yaml", b"train: images\nnc: 3\nnames: [a, no, 7]\n", ["a", "no", "7"]),
        ("data.yml", b"names:\n  1: b\n  0: a\n", ["a", "b"]),
    ],
)
def test_every_form_gives_its_names(name: str, raw: bytes, names: list[str], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw)
    assert class_words(str(tmp_path / name)) == names


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("n.txt", "gr\u00fcn\nb".encode("latin-1"), "n.txt: not UTF-8 text"),
        ("n.txt", "a\nb".encode("utf-16"), "n.txt: not UTF-8 text"),
        ("n.txt", "a\nb".encode("utf-16-le"), "n.txt: not UTF-8 text"),
        ("n.txt", b"a\n\nb\n", "n.txt:2: an empty line among the names"),
        ("n.txt", b"\n", "n.txt: holds no names"),
        ("data.yaml", "names: [gr\u00fcn]".encode("latin-1"), "data.yaml: not UTF-8 text"),
        ("data.yaml", b"nc: 3\n", "data.yaml: has no `names`"),
        ("data.yaml", b"- a\n", "data.yaml: has no `names`"),
        ("data.yaml", b"names: {0: a, 2: b}\n", "names: expected numbers from 0 on, without a gap"),
        ("data.yaml", b"names: [a, [b]]\n", "names: expected a word for each class"),
        ("data.yaml", b"names: []\n", "names: expected a word for each class"),
    ],
)
def test_what_holds_no_names_is_said_in_a_line(name: str, raw: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=words) as caught:
        class_words(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a,,c", "", "a,b,"])
def test_an_empty_name_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="an empty name"):
        class_words(text)

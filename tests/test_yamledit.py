"""One value of a YAML file is changed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from streamseg.errors import InputError
from streamseg.yamledit import patched
from streamseg.yamlfile import parse_tree

SITE = """\
# the site
defaults: {model: otsu}  # for all
streams:
  # at the gate
  door:            # its name
    source: test://?size=64x64   # src
    opacity: 0.50
    settings:
      k: 4   # four
      at: 1:20
    outputs:
      - a.mp4   # one
      - b.jsonl
  # behind the house
  yard: {source: 'test://', view: mask}  # on one line
# the end
"""


def changed(text: str, at: tuple[str, ...], patch: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The lines that went and those that came."""
    new = patched(text, at, patch, "site.yaml")
    before, after = text.splitlines(), new.splitlines()
    return [line for line in before if line not in after], [line for line in after if line not in before]


@pytest.mark.parametrize(
    "patch", [{"opacity": 0.7}, {"view": "blur", "settings": {"k": None}}, {"outputs": None}], ids=str
)
def test_line_ends_of_windows_stay(patch: dict[str, Any]) -> None:
    windows = SITE.replace("\n", "\r\n")
    assert patched(windows, ("streams", "door"), patch, "site.yaml") == patched(
        SITE, ("streams", "door"), patch, "site.yaml"
    ).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("at", "patch", "went", "came"),
    [
        (("streams", "door"), {"opacity": 0.7}, ["    opacity: 0.50"], ["    opacity: 0.7"]),
        (("streams", "door"), {"settings": {"k": 5}}, ["      k: 4   # four"], ["      k: 5   # four"]),
        (("streams", "door"), {"opacity": None}, ["    opacity: 0.50"], []),
        (("streams", "door"), {"view": "blur", "fps": None}, [], ["    view: blur"]),
        (("streams", "door"), {"start": "1:20"}, [], ["    start: '1:20'"]),
        (
            ("streams", "door"),
            {"outputs": ["c.mp4"]},
            ["      - a.mp4   # one", "      - b.jsonl"],
            ["      [c.mp4]"],
        ),
        (
            ("streams", "yard"),
            {"view": None, "legend": True},
            ["  yard: {source: 'test://', view: mask}  # on one line"],
            ["  yard: {source: 'test://', legend: true}  # on one line"],
        ),
        (
            ("streams", "yard"),
            {"source": None, "settings": {"k": 3, "l": None}},
            ["  yard: {source: 'test://', view: mask}  # on one line"],
            ["  yard: {view: mask, settings: {k: 3}}  # on one line"],
        ),
        (("streams",), {"yard": None}, ["  yard: {source: 'test://', view: mask}  # on one line"], []),
        (
            ("streams",),
            {"belt": {"source": 0, "outputs": ["x: y"], "settings": {}}},
            [],
            ["  belt:", "    source: 0", "    outputs: ['x: y']", "    settings: {}"],
        ),
    ],
    ids=str,
)
def test_only_the_place_of_the_change_is_written(
    at: tuple[str, ...], patch: dict[str, Any], went: list[str], came: list[str]
) -> None:
    assert changed(SITE, at, patch) == (went, came)


def test_what_is_taken_away_leaves_the_comments_of_its_neighbours() -> None:
    text = patched(SITE, ("streams",), {"door": None}, "site.yaml")
    assert "  # behind the house\n  yard:" in text and "  # at the gate\n" in text
    text = patched(text, ("streams",), {"yard": None}, "site.yaml")
    assert parse_tree(text, "").value["streams"] == {}
    text = patched(text, ("streams",), {"belt": {"source": 0}}, "site.yaml")
    assert parse_tree(text, "").value["streams"] == {"belt": {"source": 0}}
    assert text.count("#") == SITE.count("#") - 4  # those that stood on lines of the door


@pytest.mark.parametrize(
    "text",
    [
        "streams: {}",
        "streams: {}  # none\ndefaults: {}\n",
        "{streams: {}}",
        "streams: {a: {source: 1}}",
        "streams:\n    a:\n        source: |\n            x\n    b: {source: 2}\n",
        "streams:\n  a:\n    source:\n",
        "---\nstreams:\n  ä: {source: 'ü'}\n...\n",
        "streams:\r\n  a:\r\n    source: 1\r\n",
    ],
)
def test_any_style_is_written_in(text: str) -> None:
    for value in (
        {"source": 0},
        {"source": "a\nb\u2028\x07ß: #x", "outputs": [], "zones": {"z": [[0, 0.5], [1e-9, 2]]}},
    ):
        new = patched(text, ("streams",), {"n": value, "a": None}, "site.yaml")
        wanted = parse_tree(text, "").value
        wanted["streams"].pop("a", None)
        assert parse_tree(new, "").value == {**wanted, "streams": {**wanted["streams"], "n": value}}


def test_keys_that_no_yaml_takes_change_nothing() -> None:
    for key in ("\0", "? x", "a: b", "#", "- x", "&a", "*a", "!t", "x\n  y: {source: 1}", "é" * 200):
        try:
            new = patched(SITE, ("streams",), {key: {"source": 0}}, "site.yaml")
        except InputError:
            continue
        assert list(parse_tree(new, "").value["streams"]) == ["door", "yard", key]


@pytest.mark.parametrize("patch", [{"": 2.5, "model": "otsu"}, {"": {"a": 1}, "b": {"c": 2}}, {"\x85": 1, "b": 2}])
def test_a_change_that_leaves_no_yaml_behind_is_said(patch: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="edit the file by hand"):
        patched("streams:\n  a:\n    source: '0'\n", ("streams", "a"), patch, "site.yaml")


def test_what_cannot_be_changed_in_place_is_said() -> None:
    with pytest.raises(InputError, match="edit the file by hand"):
        patched("streams: {a: {source}}\n", ("streams", "a"), {"source": "x"}, "site.yaml")

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, field

from streamseg.options import Size
from streamseg.validation import MisfitError, described, fit

_Fraction = Annotated[float, Meta(ge=0, le=1)]


class Part(Struct, forbid_unknown_fields=True):
    size: tuple[int, int] = (1, 1)
    even: int = 0

    def __post_init__(self) -> None:
        if self.even % 2:
            raise ValueError("only even numbers will do")


@dataclass
class Noted:
    sides: list[int] | None = None


class Whole(Struct, forbid_unknown_fields=True):
    text: str = ""
    fraction: _Fraction = 0.0
    perhaps: Annotated[_Fraction | None, Meta(description="of one")] = None
    count: Annotated[int, Meta(ge=1, description="of them")] = 1
    above: Annotated[float, Meta(gt=0, lt=5)] = 1.0
    word: Literal["tcp", "udp"] = "tcp"
    tiles: Annotated[int, Meta(ge=1, le=64)] | Literal["auto"] | None = None
    letters: Annotated[str, Meta(pattern="^....$", title="four letters")] | None = None
    truth: bool = False
    names: str | int | tuple[str, ...] = ()
    pixels: Annotated[Size | None, Meta(description="of it")] = None
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}
    numbers: dict[str, list[int]] = {}
    noted: Noted | None = None
    pair: tuple[int, str] = (0, "")
    renamed_s: float = field(default=1.0, name="renamed")
    part: Part = field(default_factory=Part)


class Needed(Struct):
    name: str
    part: Part | None = None


MISFITS = [
    ({"text": 3}, "text: expected text, not 3"),
    ({"text": None}, "text: expected text, not nothing"),
    ({"fraction": 7}, "fraction: expected a number from 0 to 1, not 7"),
    ({"fraction": "much"}, "fraction: expected a number from 0 to 1, not 'much'"),
    ({"perhaps": -0.5}, "perhaps: expected a number from 0 to 1, not -0.5"),
    ({"count": 0}, "count: expected a whole number from 1, not 0"),
    ({"count": 1.5}, "count: expected a whole number from 1, not 1.5"),
    ({"above": 5.0}, "above: expected a number above 0 below 5, not 5.0"),
    ({"word": "pigeon"}, "word: expected one of tcp, udp, not 'pigeon'"),
    ({"tiles": 65}, "tiles: expected a whole number from 1 to 64 or auto, not 65"),
    ({"letters": "abc"}, "letters: expected four letters, not 'abc'"),
    ({"truth": 2}, "truth: expected true or false, not 2"),
    ({"names": 1.5}, "names: expected text or a whole number or a list of text, not 1.5"),
    ({"names": ["a", 2]}, "names[1]: expected text, not 2"),
    ({"pixels": "big"}, "pixels: expected WIDTHxHEIGHT, such as 1280x720"),
    ({"parts": {}}, "parts: expected a list of keys with values, not keys with values"),
    ({"parts": [{}, {"size": [1, "a"]}]}, "parts[1].size[1]: expected a whole number, not 'a'"),
    ({"parts": [{"size": [1, 2, 3]}]}, "parts[0].size: expected a list of 2, not a list of 3"),
    ({"parts": [{"width": 1}]}, "parts[0]: unknown key 'width' (known: size, even)"),
    ({"by_name": {"left side": {"even": 3}}}, "by_name.left side: only even numbers will do"),
    ({"numbers": {"a": [1, 2, "x"]}}, "numbers.a[2]: expected a whole number, not 'x'"),
    ({"numbers": {"a": 1}}, "numbers.a: expected a list of whole numbers, not 1"),
    ({"noted": {"sides": [1, True]}}, "noted.sides[1]: expected a whole number, not true"),
    ({"pair": [1, 2]}, "pair[1]: expected text, not 2"),
    ({"renamed": "x"}, "renamed: expected a number, not 'x'"),
    ({"renamed_s": 1}, "unknown key 'renamed_s' (did you mean renamed?)"),
    ({"wordd": "tcp"}, "unknown key 'wordd' (did you mean word?)"),
    ({"zzz": 1}, "unknown key 'zzz'"),
    ({"part": {"even": 1}}, "part: only even numbers will do"),
    ({"part": 3}, "part: expected keys with values, not 3"),
    ([], "expected keys with values, not a list of 0"),
    ({"text": {"a": 1}}, "text: expected text, not keys with values"),
    ({"word": "x" * 500}, f"word: expected one of tcp, udp, not '{'x' * 59}…"),
]


@pytest.mark.parametrize(("value", "said"), MISFITS)
def test_what_does_not_fit_is_told_with_its_place_and_what_is_wanted(value: Any, said: str) -> None:
    with pytest.raises(MisfitError) as caught:
        fit(value, Whole)
    assert str(caught.value) == said


def test_the_words_are_the_same_whatever_msgspec_says(monkeypatch: pytest.MonkeyPatch) -> None:
    convert = msgspec.convert

    def otherwise(*asked: Any, **more: Any) -> Any:
        try:
            return convert(*asked, **more)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError("of another version") from error.__cause__

    monkeypatch.setattr(msgspec, "convert", otherwise)
    for value, said in MISFITS:
        with pytest.raises(MisfitError) as caught:
            fit(value, Whole)
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "'name' is missing"),
        ({"name": "x", "part": {"size": "y"}}, "part.size: expected a list of 2, not 'y'"),
        ({"part": {"wide": 1}}, "part: unknown key 'wide' (known: size, even)"),
    ],
)
def test_what_is_missing_is_told_after_what_is_wrong(value: Any, said: str) -> None:
    with pytest.raises(MisfitError) as caught:
        fit(value, Needed)
    assert str(caught.value) == said


def test_the_place_is_a_field_and_so_is_a_key_that_is_not_wanted() -> None:
    with pytest.raises(MisfitError) as caught:
        fit({"parts": [{"width": 1}]}, Whole)
    assert (caught.value.place, caught.value.unknown) == (("parts", 0), "width")
    assert caught.value.where == "parts[0]"


def test_text_is_a_number_or_a_truth_where_that_is_allowed() -> None:
    found = fit(
        {"fraction": "0.5", "truth": "true", "names": ["a"], "pixels": "4x3", "tiles": "auto"}, Whole, strict=False
    )
    assert (found.fraction, found.truth, found.pixels, found.tiles) == (0.5, True, (4, 3), "auto")
    with pytest.raises(MisfitError, match="fraction: expected a number from 0 to 1, not '0.5'"):
        fit({"fraction": "0.5"}, Whole)
    with pytest.raises(MisfitError, match="fraction: expected a number from 0 to 1, not '7'"):
        fit({"fraction": "7"}, Whole, strict=False)


def test_a_value_that_is_of_its_class_already_stays() -> None:
    size = Size((4, 3))
    assert fit({"pixels": size}, Whole).pixels is size


@pytest.mark.parametrize("key", ["word", "fraction", "pixels"])
def test_half_a_character_is_written_out(key: str) -> None:
    with pytest.raises(MisfitError) as caught:
        fit({key: "a\ud800"}, Whole, strict=False)
    assert str(caught.value).startswith(f"{key}: expected ")
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "text"),
        (_Fraction, "a number from 0 to 1"),
        (tuple[_Fraction, ...], "a list of numbers from 0 to 1"),
        (dict[str, Any], "keys with values"),
        (Annotated[int | None, Meta(ge=2)], "a whole number from 2"),
    ],
)
def test_a_type_has_words(kind: Any, words: str) -> None:
    assert described(kind) == words

from __future__ import annotations

import pytest

from streamseg.errors import InputError
from streamseg.sinks.query import byte_count, percent, seconds, split_query, without_query


@pytest.mark.parametrize(
    ("uri", "name", "asked"),
    [
        ("cam.mp4", "cam.mp4", {}),
        ("cam.mp4?keep=7d", "cam.mp4", {"keep": "7d"}),
        ("cam.mp4?segment=60&keep=7d", "cam.mp4", {"segment": "60", "keep": "7d"}),
        ("cam.mp4?keep=", "cam.mp4", {"keep": ""}),
        ("cam.mp4?keep=1d&keep=2d", "cam.mp4", {"keep": "2d"}),
        ("cam.mp4?segment=a%26b", "cam.mp4", {"segment": "a&b"}),
    ],
)
def test_options_stand_behind_the_question_mark(uri: str, name: str, asked: dict[str, str]) -> None:
    assert split_query(uri, ("segment", "keep")) == (name, asked)
    assert without_query(uri) == name


@pytest.mark.parametrize("uri", ["what?.mp4", "what?", "?", "a?b.png", "what? really=1.mp4"])
def test_a_question_mark_that_no_option_follows_belongs_to_the_name(uri: str) -> None:
    assert split_query(uri, ("keep",)) == (uri, {})
    assert without_query(uri) == uri


def test_the_options_begin_at_the_first_question_mark_that_one_follows() -> None:
    assert split_query("what?.mp4?keep=7d", ("keep",)) == ("what?.mp4", {"keep": "7d"})
    assert split_query("a?keep=1?segment=2", ("keep",)) == ("a", {"keep": "1?segment=2"})


def test_an_option_that_is_none_names_those_there_are() -> None:
    with pytest.raises(InputError, match="there is no option crf here") as caught:
        split_query("cam.mp4?keep=7d&crf=20&zoom=1", ("segment", "keep"))
    assert caught.value.hint == "cam.mp4?segment=…&keep=…"


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("12h", 43_200), ("7d", 604_800), ("15M", 900), (" 2 h ", 7200)],
)
def test_a_time_is_told_in_seconds(text: str, value: float) -> None:
    assert seconds({"keep": text}, "keep") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("500", 500), ("500MB", 5e8), ("20GB", 2e10), ("1.5 kb", 1500), ("1tb", 1e12)],
)
def test_a_size_is_told_in_bytes(text: str, value: float) -> None:
    assert byte_count({"max": text}, "max") == value


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "0.0", "-5", "soon", "5w", "1e3", "5 minutes", "1:30", ".5", "٣", "5mm", "9" * 400]
)
def test_what_is_no_time_is_one_line_with_the_option_and_an_example(text: str) -> None:
    with pytest.raises(InputError, match="such as 60, 15m, 12h or 7d") as caught:
        seconds({"keep": text}, "keep")
    assert str(caught.value).startswith(f"keep={text}: ")


@pytest.mark.parametrize("text", ["", "0", "0GB", "-1GB", "big", "5m", "1 GiB", "1,5GB", "9" * 400 + "GB"])
def test_what_is_no_size_is_one_line_with_the_option_and_an_example(text: str) -> None:
    with pytest.raises(InputError, match="such as 500MB or 20GB") as caught:
        byte_count({"max": text}, "max")
    assert str(caught.value).startswith(f"max={text}: ")


def test_what_is_not_asked_for_is_the_default() -> None:
    assert seconds({}, "keep") is None
    assert seconds({}, "keep", 5.0) == 5.0
    assert byte_count({}, "max") is None
    assert percent({}, "area", 1.0) == 1.0
    assert percent({"area": "0.5"}, "area", 1.0) == 0.5
    assert percent({"area": "100"}, "area", 1.0) == 100


@pytest.mark.parametrize("text", ["0", "100.1", "101", "5%", "half", "-1", "5s"])
def test_what_is_no_share_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match="a share in percent, such as 5"):
        percent({"area": text}, "area", 1.0)

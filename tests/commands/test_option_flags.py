from __future__ import annotations

import argparse
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from streamseg.commands.helptext import Formatter, Rare, leaves_out
from streamseg.commands.option_flags import about, add_options
from streamseg.config import OPTIONS


class Options(msgspec.Struct, kw_only=True):
    """One of each kind."""

    source: Annotated[str, Meta(description="from where", extra={"group": "source"})]
    codec: Annotated[
        Literal["h264", "av1"] | None,
        Meta(description="how", extra={"group": "picture", "value": "NAME", "default": "the best"}),
    ] = None
    half_size: Annotated[bool, Meta(description="100 % or 50 %", extra={"group": "picture"})] = True
    rate: Annotated[
        float, Meta(description="frames a second", extra={"group": "speed", "value": "RATE", "rare": True})
    ] = 25.0
    settings: Annotated[dict[str, Any], Meta(description="any", extra={"group": "speed", "value": "KEY=VALUE"})] = {}


@pytest.fixture
def command() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="x", formatter_class=Formatter)
    add_options(made, Options)
    return made


def test_an_option_becomes_a_flag_whose_value_stays_text(command: argparse.ArgumentParser) -> None:
    found = command.parse_args(
        ["0", "--codec", "vp9", "--no-half-size", "--rate", "1e1", "--set", "a=1", "--set", "b=2"]
    )
    assert vars(found) == {
        "source": "0", "codec": "vp9", "half_size": False, "rate": "1e1", "settings": ["a=1", "b=2"]
    }  # fmt: skip
    assert set(vars(command.parse_args([])).values()) == {None}  # so that a file's values are kept


def test_help_has_groups_choices_and_defaults_from_the_declaration(command: argparse.ArgumentParser) -> None:
    text = command.format_help()
    assert [text.index(title) for title in ("\nsource:", "\npicture:", "\nspeed:")] == sorted(
        text.index(title) for title in ("\nsource:", "\npicture:", "\nspeed:")
    )
    words = " ".join(text.split())
    assert "--codec NAME how: h264, av1 (default: the best)" in words
    assert "--half-size, --no-half-size 100 % or 50 % (default: on)" in words
    assert "frames a second" not in words
    assert leaves_out(command)


def test_what_is_rare_is_no_other_text() -> None:
    assert Rare("x (default: 5)") == "x (default: 5)"


@pytest.mark.parametrize("field", msgspec.structs.fields(OPTIONS), ids=lambda field: field.name)
def test_every_option_says_what_it_is_and_where_help_has_it(field: msgspec.structs.FieldInfo) -> None:
    said = about(field.type)
    assert said["description"]
    assert said["group"] in {"source", "output", "model", "picture", "rules", "speed"}
    assert set(said) <= {"description", "group", "value", "choices", "default", "rare"}

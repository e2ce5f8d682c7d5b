"""Options out of the flags that were given, as `make_options` takes them."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Iterable

from streamseg.commands.option_flags import FLAGS, NAMED
from streamseg.config import OPTIONS
from streamseg.errors import InputError
from streamseg.rules.shapes import is_name

_Name = typing.TypeVar("_Name", str, int)
_Value = typing.TypeVar("_Value")


def given_by(arguments: argparse.Namespace) -> dict[str, object]:
    """The options of a run that have a value among `arguments`, by name.

    Raises:
        InputError: one of `--set`, `--zone`, `--line` or `--rule` is no NAME=VALUE, or is there twice.
    """
    asked = vars(arguments)
    given = {name: asked[name] for name in OPTIONS.__struct_fields__ if asked.get(name) not in (None, [])}
    if "settings" in given:
        given["settings"] = once("--set", map(_setting, given["settings"]))
    for name in NAMED & given.keys():
        given[name] = once(FLAGS[name][0], [_named(name, text) for text in given[name]])
    return given


def once(flag: str, pairs: Iterable[tuple[_Name, _Value]]) -> dict[_Name, _Value]:
    """The pairs by name; raises InputError where one is there twice."""
    found: dict[_Name, _Value] = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"{flag} {name} is there twice")
        found[name] = value
    return found


def _setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE")
    return key, [part.strip() for part in value.split(",")] if "," in value else value


def _named(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not is_name(name.strip()):
        raise InputError(f"{FLAGS[option][0]} {text}: expected NAME=…", "a name has letters, digits and dashes")
    return name.strip(), value.strip()

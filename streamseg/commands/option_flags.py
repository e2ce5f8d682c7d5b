"""Flags made of the table of options: what stands beside an option's declaration is what its help says."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from streamseg.commands.flags import Known
from streamseg.commands.helptext import Rare

_ARGUMENTS = {"source": ("SOURCE", "?"), "outputs": ("OUTPUT", "*")}  # named by place: what help calls them, how many
FLAGS = {  # where they are not the option's own name
    "settings": ("--set",),
    "view": ("--view", "--show"),
    "zones": ("--zone",),
    "lines": ("--line",),
    "rules": ("--rule",),
}
NAMED = {"zones", "lines", "rules"}
"""Of which each is written as NAME=VALUE."""


def add_options(
    command: argparse.ArgumentParser, options: type[msgspec.Struct], without: Collection[str] = ()
) -> dict[str, argparse._ArgumentGroup]:
    """A flag for each option, in the group that it names; values stay text.

    Returns:
        The groups by title, for further flags.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in msgspec.structs.fields(options):
        if field.name in without:
            continue
        said = about(field.type)
        if (title := said["group"]) not in groups:
            groups[title] = command.add_argument_group(title)
        _add(groups[title], field, said)
    return groups


def _add(group: argparse._ArgumentGroup, field: msgspec.structs.FieldInfo, said: Mapping[str, Any]) -> None:
    name, kinds, text = field.name, set(_members(field.type)), _help(field, said)
    if name in _ARGUMENTS:
        called, count = _ARGUMENTS[name]
        group.add_argument(name, metavar=called, nargs=count, help=text)
        return
    flags = FLAGS.get(name, (f"--{name.replace('_', '-')}",))
    if bool in kinds:
        group.add_argument(*flags, dest=name, action=argparse.BooleanOptionalAction, help=text)
    elif any(typing.get_origin(kind) is dict for kind in kinds):
        group.add_argument(*flags, dest=name, action="append", metavar=said["value"], help=text)
    else:
        group.add_argument(*flags, dest=name, metavar=said["value"], choices=_choices(field, said), help=text)


def _help(field: msgspec.structs.FieldInfo, said: Mapping[str, Any]) -> str:
    """What it is, its choices and its default, in one line."""
    choices = _choices(field, said)
    text = said["description"] + (f": {', '.join(choices)}" if choices else "")
    default = said.get("default") or _in_words(field.default)
    text = (f"{text} (default: {default})" if default else text).replace("%", "%%")
    return Rare(text) if said.get("rare") else text


def _in_words(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if default in (None, (), msgspec.NODEFAULT):
        return ""
    return f"{default:g}" if isinstance(default, int | float) else str(default)


def _choices(field: msgspec.structs.FieldInfo, said: Mapping[str, Any]) -> Known | None:
    literals = [kind for kind in _members(field.type) if kind is not type(None)]
    if all(typing.get_origin(kind) is typing.Literal for kind in literals):
        return Known(name for kind in literals for name in typing.get_args(kind))
    return Known(said["choices"]) if "choices" in said else None


def about(kind: Any) -> Mapping[str, Any]:
    """What the declaration of an option says for help: its `description`, and what stands in `extra`."""
    (meta,) = (each for each in kind.__metadata__ if isinstance(each, msgspec.Meta) and each.extra)
    return {**(meta.extra or {}), "description": meta.description or ""}


def _members(kind: Any) -> Iterator[Any]:
    """The members of a union, or a type alone, without their limits."""
    if hasattr(kind, "__metadata__"):
        yield from _members(kind.__origin__)
    elif typing.get_origin(kind) is not None and type(None) in typing.get_args(kind):
        for member in typing.get_args(kind):
            yield from _members(member)
    else:
        yield kind

"""Values from outside into typed ones; what does not fit is told in plain words, with the place where it lies.

msgspec judges, and its messages are never read, since they differ between its versions: the place is found by fitting
part after part, and the words come from the type that is wanted there.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")
Place = tuple[str | int, ...]
_REFUSED = (msgspec.ValidationError, UnicodeEncodeError)  # the latter for half characters
_LONGEST = 60  # characters of a value that are repeated
_FEW = 6  # keys that are listed where one is unknown and none is near
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
_LIMITS = (("from", "ge"), ("above", "gt"), ("to", "le"), ("below", "lt"))


class MisfitError(ValueError):
    """A value that is not of the type that is wanted: `place` is where it lies, `unknown` a key that is not wanted."""

    def __init__(self, message: str, place: Place = (), unknown: str = "") -> None:
        self.message, self.place, self.unknown = message, place, unknown
        super().__init__(f"{self.where}: {message}" if place else message)

    @property
    def where(self) -> str:
        """The place as a person writes it: `items[1].size`."""
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.place).removeprefix(".")


def fit(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """`value`, of mappings, lists, text and numbers, as a `kind`; not `strict`: numbers and truths may be text.

    A class of our own in `kind` is called with what stands in its place, and raises ValueError where that is wrong.

    Raises:
        MisfitError: it does not fit.
    """
    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=_read)
    except _REFUSED as error:
        raise _misfit(value, kind, strict, error) from None


def plain(value: Any) -> Any:
    """`value` with what NumPy makes as Python's own numbers and lists."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, Fraction):
        return float(value)
    return value.tolist() if hasattr(value, "tolist") else value


def described(kind: Any) -> str:
    """A type in words, with its limits: `a number from 0 to 1`."""
    metas, kind = _bare(kind)
    if titles := [meta.title for meta in metas if meta.title]:
        return titles[-1]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(kind):
        limits = _limits(metas)
        return " or ".join(" ".join([described(each), *limits]) for each in arguments if each is not type(None))
    if origin is typing.Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(map(str, arguments))
    if origin is tuple and ... not in arguments:
        return f"a list of {len(arguments)}"
    if origin in (list, tuple):
        return f"a list of {described(arguments[0]).removeprefix('a ').replace('number', 'numbers', 1)}"
    return " ".join([_NAMES.get(kind, "keys with values"), *_limits(metas)])


def _read(kind: type[T], value: Any) -> T:
    return value if isinstance(value, kind) else kind(value)  # type: ignore[call-arg]


class _Field(NamedTuple):
    key: str
    kind: Any
    required: bool


def _misfit(value: Any, kind: Any, strict: bool, error: Exception) -> MisfitError:
    """What is wrong with a `value` that msgspec refused with this `error`."""
    fields = _fields(_chosen(value, kind)) if isinstance(value, dict) else None
    known = [field.key for field in fields or ()]
    if fields is not None and (unknown := [key for key in value if key not in known]):
        near = difflib.get_close_matches(str(unknown[0]), known, n=1)
        listed = f" (known: {', '.join(known)})" if len(known) <= _FEW else ""
        guess = f" (did you mean {near[0]}?)" if near else listed
        return MisfitError(f"unknown key '{unknown[0]}'{guess}", unknown=str(unknown[0]))
    for key, part, wanted in _parts(value, kind):
        try:
            msgspec.convert(part, wanted, strict=strict, dec_hook=_read)
        except _REFUSED as inner:
            found = _misfit(part, wanted, strict, inner)
            return MisfitError(found.message, (key, *found.place), found.unknown)
    if missing := [field.key for field in fields or () if field.required and field.key not in value]:
        return MisfitError(f"'{missing[0]}' is missing")
    if error.__cause__ is not None:  # what a class of ours says
        return MisfitError(str(error.__cause__))
    return MisfitError(f"expected {described(kind)}, not {_shown(value)}")


def _parts(value: Any, kind: Any) -> Iterator[tuple[str | int, Any, Any]]:
    """The parts of a mapping or list: key, what lies there, and the type that it is to have."""
    kind = _chosen(value, kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(value, dict) and (fields := _fields(kind)) is not None:
        yield from ((field.key, value[field.key], field.kind) for field in fields if field.key in value)
    elif isinstance(value, dict) and origin is dict:
        yield from ((str(key), part, arguments[1]) for key, part in value.items())
    elif isinstance(value, list | tuple) and origin in (list, tuple):
        each = [arguments[0]] * len(value) if origin is list or ... in arguments else arguments
        yield from ((number, part, wanted) for number, (part, wanted) in enumerate(zip(value, each, strict=False)))


def _chosen(value: Any, kind: Any) -> Any:
    """The member of a union that such a value must be meant for; any other type as it is."""
    _, kind = _bare(kind)
    if not _is_union(kind):
        return kind
    members = [_bare(each)[1] for each in typing.get_args(kind)]
    wanted = (dict,) if isinstance(value, dict) else (list, tuple)
    return next(
        (each for each in members if typing.get_origin(each) in wanted or (dict in wanted and _fields(each))), kind
    )


def _fields(kind: Any) -> list[_Field] | None:
    """Those of a struct or dataclass, by the names that they have outside; None for any other type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [_Field(each.encode_name, each.type, each.required) for each in msgspec.structs.fields(kind)]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints, none = typing.get_type_hints(kind, include_extras=True), dataclasses.MISSING
        return [
            _Field(each.name, hints[each.name], each.default is none and each.default_factory is none)
            for each in dataclasses.fields(kind)
        ]
    return None


def _bare(kind: Any) -> tuple[list[Meta], Any]:
    """What is noted of a type, innermost last, and the type itself."""
    metas: list[Meta] = []
    while hasattr(kind, "__metadata__"):
        metas = [each for each in kind.__metadata__ if isinstance(each, Meta)] + metas
        kind = kind.__origin__
    return metas, kind


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _limits(metas: list[Meta]) -> list[str]:
    limits = [(word, getattr(meta, key)) for word, key in _LIMITS for meta in metas]
    return [f"{word} {limit:g}" for word, limit in limits if limit is not None]


def _shown(value: Any) -> str:
    """A value as it may stand in a message of one line."""
    if isinstance(value, dict | list | tuple):
        return "keys with values" if isinstance(value, dict) else f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

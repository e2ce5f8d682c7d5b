"""What stands behind the question mark of an output: its own options, as in `cam-%H%M%S.mp4?segment=60&keep=7d`.

An option is `name=value`, or behind the name of a table a word alone, as in `all.csv?summary`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import overload
from urllib.parse import parse_qsl

from streamseg.errors import InputError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BEGINNING = re.compile(r"\?(?=\w+=)|(?<=\.csv)\?(?=\w+$)")
_AMOUNT = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?P<unit>[A-Za-z]*)")


def split_query(uri: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """The name before the question mark, and the options after it.

    Raises:
        InputError: one is not in `known`.
    """
    name, query = _halves(uri)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(asked.keys() - set(known))
    if unknown:
        right = f"{name}?{'&'.join(f'{key}=…' for key in known)}" if known else name
        raise InputError(f"{uri}: there is no option {unknown[0]} here", right)
    return name, asked


def without_query(uri: str) -> str:
    """The name before the question mark."""
    return _halves(uri)[0]


@overload
def seconds(asked: dict[str, str], key: str) -> float | None: ...
@overload
def seconds(asked: dict[str, str], key: str, default: float) -> float: ...
def seconds(asked: dict[str, str], key: str, default: float | None = None) -> float | None:
    """`asked[key]` as in 90, 90s, 1.5m, 12h, 7d; `default` where it is not asked.

    Raises:
        InputError: it is no time above 0.
    """
    return _amount(asked[key], key, _SECONDS, "a time such as 60, 15m, 12h or 7d") if key in asked else default


def byte_count(asked: dict[str, str], key: str) -> float | None:
    """`asked[key]` as in 500MB, 20GB; None where it is not asked.

    Raises:
        InputError: it is no size above 0.
    """
    return _amount(asked[key], key, _BYTES, "a size such as 500MB or 20GB") if key in asked else None


def percent(asked: dict[str, str], key: str, default: float) -> float:
    """`asked[key]` as in 5 or 0.5; `default` where it is not asked.

    Raises:
        InputError: it is no share above 0 and up to 100.
    """
    value = _amount(asked[key], key, {"": 1}, "a share in percent, such as 5") if key in asked else default
    if value > 100:
        raise InputError(f"{key}={asked[key]}: not a share in percent, such as 5")
    return value


def _halves(uri: str) -> tuple[str, str]:
    """A question mark that no option follows belongs to the name."""
    name, *query = _BEGINNING.split(uri, maxsplit=1)
    return name, "".join(query)


def _amount(text: str, key: str, units: dict[str, int], wanted: str) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    unit = units.get(match["unit"].lower()) if match else None
    if match is None or unit is None or float(match["number"]) == 0:
        raise InputError(f"{key}={text}: not {wanted}")
    return float(match["number"]) * unit

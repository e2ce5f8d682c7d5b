"""What may be asked in the queries of routes, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamseg.options import VIEW_NAMES


class Query(NamedTuple):
    """One name in a query, and what may be behind it."""

    name: str
    schema: dict[str, Any]
    about: str


PICTURE = (
    Query("view", {"enum": list(VIEW_NAMES)}, "by default the stream's own"),
    Query("opacity", {"type": "number", "minimum": 0, "maximum": 1}, "of the colours; by default the stream's own"),
    Query("zones", {"enum": ["on", "off"]}, "whether zones and lines are drawn; by default on"),
    Query("hide_classes", {"type": "array", "items": {"type": "string"}}, "classes that are not drawn"),
)

_TEXT: dict[str, Any] = {"type": "string"}
_MOMENT = {**_TEXT, "format": "date-time"}
STREAM = Query("stream", _TEXT, "of this stream alone")
MOST_ROWS, USUAL_ROWS = 1000, 100
_ROWS = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": USUAL_ROWS}
LIMIT = Query("limit", _ROWS, "how many, newest first")
EVENTS = (
    STREAM,
    Query("rule", _TEXT, "of this rule alone"),
    Query("class", _TEXT, "of this class alone"),
    Query("from", _MOMENT, "those that lasted then or began later"),
    Query("to", _MOMENT, "those that had begun by then"),
    LIMIT,
)
RECORDINGS = (
    STREAM,
    Query("from", _MOMENT, "those that were still written to then or later"),
    Query("to", _MOMENT, "those that were whole by then"),
    LIMIT,
)

_POINTS = {"type": "array", "items": _TEXT, "maxItems": 20}
TRIAL = (
    Query("zone", _POINTS, "NAME=0,0.5 1,0.5 1,1"),
    Query("line", _POINTS, "NAME=0.5,0 0.5,1"),
)

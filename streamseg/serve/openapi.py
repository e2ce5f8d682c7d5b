"""The OpenAPI document of a service, made of the types that its routes use."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple

import msgspec

from streamseg.config import ANY_SOURCE
from streamseg.serve import api
from streamseg.serve.pagefiles import FILES
from streamseg.serve.queries import EVENTS, PICTURE, RECORDINGS, TRIAL, Query

VERSION = "1.2.1"
"""Of what goes over HTTP: the first number rises where a client of before would fail."""

_REF = "#/components/schemas/{name}"
_REASONS = {
    400: "the body or the query is not what it should be: the line says what",
    401: "no token, or a wrong one",
    429: "too many wrong tokens came from this address; Retry-After says for how long none is looked at",
    403: "a token that may only look, or a request of another site",
    404: "no such stream, or no picture of it yet",
    405: "this service has no operator's token: nothing can be changed",
    408: "the body did not come in time",
    409: "it does not go with what is there: a stream of that name, or a file that was edited by hand",
    413: "the body is over 64 KiB",
    416: "there are no such bytes in the file",
    415: "the body is of another type of media",
    422: "what the file would refuse: the line says what and where",
    500: "the file cannot be written",
    501: "a package is missing on this machine; the answer names it",
    503: "not every stream shows a fresh frame; or there are too many viewers",
}
_IN_NAMES = str.maketrans("/.", "__", "{}")
_EMPTY = "`{}`: its type of media is looked at alone, which no page of another site can send"
_TOLD = (404, 409, 422, 500)
"""Answers to an operator that carry a line about what is wrong."""
_TOLD_SIGNING_IN = (401, 422)
"""Those to a browser that signs in."""


class _Route(NamedTuple):
    method: str
    path: str
    about: str
    gives: Any = None
    """A type, or the types of media, with spaces between them."""
    takes: str = ""
    """The schema of the body, or its type of media."""
    refuses: tuple[int, ...] = ()
    status: int = 200
    operator: bool = False
    public: bool = False
    query: tuple[Query, ...] = ()


def _changes(method: str, path: str, about: str, *refuses: int, takes: str = "", status: int = 200) -> _Route:
    always = (403, 405, 409, 415, 500) + ((408, 413, 422) if takes else ())
    return _Route(method, path, about, api.Done, takes, (*always, *refuses), status, True)


ROUTES = (
    *(
        _Route("get", path, "The page." if path == "/" else "Part of it.", media, public=True)
        for path, (_, media) in FILES.items()
    ),
    _Route("get", "/session", "Who asks.", api.SignedIn),
    _Route(
        "post",
        "/session",
        "Signs a browser in: for a token it gets a cookie, which lasts for a week, or half a day without a request.",
        api.SignedIn,
        "SignIn",
        (400, 403, 405, 408, 413, 415, 422),
        201,
        public=True,
    ),
    _Route("delete", "/session", "Signs it out.", refuses=(403, 415), status=204),
    _Route("get", "/openapi.json", "This document.", "application/json"),
    _Route("get", "/healthz", "200 while the process answers.", dict[str, str]),
    _Route(
        "get",
        "/readyz",
        "Whether every stream that is neither finished nor stopped shows a fresh frame.",
        api.Readiness,
        refuses=(503,),
    ),
    _Route("get", "/metrics", "For Prometheus.", "text/plain"),
    _Route("get", "/streams", "Every stream at this moment, in the file's order.", list[api.StreamRow]),
    _Route("get", "/streams/{name}.jpg", "The latest picture.", "image/jpeg", refuses=(400, 404), query=PICTURE),
    _Route(
        "get",
        "/streams/{name}.mjpeg",
        "Pictures as they come.",
        "multipart/x-mixed-replace",
        refuses=(400, 404, 503),
        query=PICTURE,
    ),
    _Route("get", "/events", "What rules gave, newest first.", list[api.EventRow], refuses=(400,), query=EVENTS),
    _Route(
        "get",
        "/streams/{name}/events/{file}",
        "The clip or picture of an event.",
        "video/mp4 image/jpeg",
        refuses=(404, 416),
    ),
    _Route("get", "/recordings", "Films, the newest first.", list[api.RecordingRow], refuses=(400,), query=RECORDINGS),
    _Route(
        "get",
        "/streams/{name}/recordings/{file}",
        "A film, or a part of it.",
        "video/mp4 video/quicktime video/x-matroska video/mp2t",
        refuses=(404, 416),
    ),
    _Route(
        "get",
        "/streams/{name}/hls/{list}/{file}",
        "Of an HLS output, counted from 1: its list `index.m3u8`, a segment, or as `index.ts` all that the list names.",
        "application/vnd.apple.mpegurl video/mp2t",
        refuses=(404, 416),
    ),
    _Route(
        "post",
        "/streams/{name}/whep",
        "Live pictures as H.264 over WebRTC: takes an offer, gives the answer (WHEP); Location names the session.",
        "application/sdp",
        "application/sdp",
        (400, 403, 404, 413, 415, 501, 503),
        201,
    ),
    _Route("delete", "/streams/{name}/whep/{session}", "Ends a session.", "text/plain", refuses=(403, 404)),
    _Route(
        "get",
        "/streams/{name}",
        "What the file says of a stream, without secrets.",
        api.Written,
        refuses=(403, 404, 409),
        operator=True,
    ),
    _Route(
        "get",
        "/streams/{name}/zones",
        "Its zones and lines in fractions; keeps what is found for half a minute, so that others can be tried.",
        api.Drawn,
        refuses=(400, 403, 404),
        operator=True,
    ),
    _Route(
        "get",
        "/streams/{name}/trial",
        "What zones and lines would have measured in the last minute, since it has been kept.",
        api.Trial,
        refuses=(400, 403, 404),
        operator=True,
        query=TRIAL,
    ),
    _changes(
        "post",
        "/streams/{name}/prompts",
        "Points at an object in the newest picture, for a model that is asked (`follow`).",
        404,
        takes="Pointed",
    ),
    _changes("delete", "/streams/{name}/prompts", "Lets go of every object that was pointed at.", 404, 422),
    _changes("post", "/streams", "Adds a stream, at the file's end.", takes="NewStream", status=201),
    _changes(
        "patch",
        "/streams/{name}",
        "Merges options into those of a stream (RFC 7396), and restarts it where they differ; null takes a key away.",
        404,
        takes="Change",
    ),
    _changes("delete", "/streams/{name}", "Takes a stream away; its outputs are closed and kept.", 404, 422),
    _changes("post", "/streams/{name}/stop", "Stops a stream until it is started, or the service is.", 404),
    _changes("post", "/streams/{name}/start", "Starts a stream that was stopped.", 404),
    _changes("post", "/streams/{name}/restart", "Begins a stream again.", 404),
    _changes("post", "/reload", "Reads the file, as SIGHUP does.", 422),
    _changes("post", "/undo", "Brings back the file as it was before the last change over HTTP.", 422),
)


@functools.cache
def document() -> dict[str, Any]:
    """The document, as JSON has it (OpenAPI 3.1)."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    made = {
        "openapi": "3.1.0",
        "info": {"title": "streamseg serve", "version": VERSION, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "look": {"type": "http", "scheme": "bearer", "description": "the token of --token-file, if any"},
                "operator": {"type": "http", "scheme": "bearer", "description": "one of --operator-token-file"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "streamseg-PORT",
                    "description": "stands for either token; over TLS its name begins with __Host-",
                },
            },
        },
    }
    written: dict[str, Any] = json.loads(msgspec.json.encode(made), object_hook=_readable)
    return written


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    """Without `items: false` at rows of a fixed length: `maxItems` says it too, and makers of clients stop at it."""
    return {key: each for key, each in found.items() if (key, each) != ("items", False)}


def _schemas() -> dict[str, Any]:
    """Every type by its name; and `Options` and `Change`, which are made of the table of options."""
    shown = [api.Readiness, api.EventRow, api.RecordingRow, api.Drawn, api.Trial]
    taken = [api.NewStream, api.Pointed, api.SignIn]
    kinds = [*shown, *taken, api.SignedIn, api.Written, api.Done, api.Refused, ANY_SOURCE]
    _, found = msgspec.json.schema_components(kinds, schema_hook=_written_as, ref_template=_REF)
    options = found.pop(ANY_SOURCE.__name__)
    named = {key: each for key, each in options.items() if key not in ("title", "required")}
    nullable = {key: {"anyOf": [each, {"type": "null"}]} for key, each in _undefaulted(named["properties"]).items()}
    found["Options"] = {**named, "description": "What stands in the file under a stream's name."}
    found["Change"] = {**named, "properties": nullable, "description": "Options to set, or with null to take away."}
    found["NewStream"]["properties"]["options"] = {"$ref": _REF.format(name="Options")}
    return dict(sorted(found.items()))


def _undefaulted(properties: dict[str, Any]) -> dict[str, Any]:
    return {key: {word: each[word] for word in each if word != "default"} for key, each in properties.items()}


def _written_as(kind: type) -> dict[str, Any]:
    """How a class of ours is written: rules as text, shapes as rows of numbers or as text."""
    text: dict[str, Any] = {"type": "string"}
    if issubclass(kind, str):
        return text
    rows = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    return {"anyOf": [rows, text], "description": f"expected: {getattr(kind, 'expected', '')}"}


def _operation(route: _Route) -> dict[str, Any]:
    told: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(name="Refused")}}}
    content = _content(route.gives)
    lines = _TOLD_SIGNING_IN if route.takes == "SignIn" else _TOLD if route.gives in (api.Done, api.Written) else ()
    answers: dict[str, Any] = {str(route.status): {"description": "done", **content}}
    for status in sorted({401, 429, *route.refuses} if not route.public or route.takes else route.refuses):
        answers[str(status)] = {"description": _REASONS[status]}
        if status in lines:
            answers[str(status)]["content"] = told
    if 416 in route.refuses:
        answers["206"] = {"description": "the part that Range asks for", **content}
    if route.gives is api.Readiness:
        answers["503"] |= content
    made: dict[str, Any] = {
        "operationId": f"{route.method}{route.path}".translate(_IN_NAMES),
        "summary": route.about,
        "security": _security(route),
        "responses": answers,
    }
    named = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    asked = [
        {"name": each.name, "in": "query", "schema": each.schema, "description": each.about} for each in route.query
    ]
    if named or asked:
        made["parameters"] = named + asked
    if "/" in route.takes:
        made["requestBody"] = {"required": True, "content": {route.takes: {}}}
    elif route.takes:
        body = {"schema": {"$ref": _REF.format(name=route.takes)}}
        made["requestBody"] = {"required": True, "content": {"application/json": body}}
    elif 415 in route.refuses:
        empty = {"schema": {"type": "object"}, "example": {}}
        made["requestBody"] = {"description": _EMPTY, "required": True, "content": {"application/json": empty}}
    return made


def _security(route: _Route) -> list[dict[str, list[str]]]:
    if route.public:
        return [{}]
    operator: list[dict[str, list[str]]] = [{"operator": []}, {"session": []}]
    return operator if route.operator else [{"look": []}, *operator, {}]


def _content(gives: Any) -> dict[str, Any]:
    if gives is None:
        return {}
    if isinstance(gives, str):
        return {"content": {media: {} for media in gives.split()}}
    (schema,), _ = msgspec.json.schema_components([gives], schema_hook=_written_as, ref_template=_REF)
    return {"content": {"application/json": {"schema": schema}}}

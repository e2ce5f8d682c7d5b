"""`streamseg ctl`: see and change a service that runs, from a shell."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import typing
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import msgspec

from streamseg.errors import InputError, OutputError, SourceError, StreamsegError, printable
from streamseg.validation import fit

_VARIABLE = "STREAMSEG_OPERATOR_TOKEN"
_USUAL = "http://127.0.0.1:8090"
_PATIENCE_S = 120.0  # a model that is loaded first, and outputs that are closed
_WITH_NAME = {
    "remove": ("DELETE", "", "take a stream away; its outputs are closed and kept"),
    "stop": ("POST", "/stop", "stop a stream until it is started, or the service is"),
    "start": ("POST", "/start", "start a stream that was stopped"),
    "restart": ("POST", "/restart", "begin a stream again"),
}
_ALONE = {
    "reload": "read the file again, as SIGHUP does",
    "undo": "bring the file back as it was before the last change over HTTP",
}


class _Stream(msgspec.Struct):
    """What is shown of a stream; a service tells more."""

    name: str
    state: str
    fps: float
    source: str
    error: str


class _Done(msgspec.Struct):
    """What came of a change."""

    done: str


def add_flags(command: argparse.ArgumentParser) -> None:
    """What is asked of which service."""
    command.add_argument("--url", help=f"of the service (default: $STREAMSEG_URL, else {_USUAL})")
    command.add_argument("--token-file", type=Path, metavar="FILE", help=f"holds an operator's token; or ${_VARIABLE}")
    command.add_argument("--json", action="store_true", help="print what the service answers")
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True, help="what to do")
    actions.add_parser("list", help="show every stream and its state")
    for name, about in (("add", "add a stream"), ("change", "set options of a stream; KEY=null takes one away")):
        action = actions.add_parser(name, help=about, description=about)
        action.add_argument("name", metavar="NAME")
        action.add_argument(
            "options", nargs="+", metavar="KEY=VALUE", help="as in the file: opacity=0.5 outputs=[a.mp4]"
        )
    for name, (_, _, about) in _WITH_NAME.items():
        actions.add_parser(name, help=about, description=about).add_argument("name", metavar="NAME")
    for name, about in _ALONE.items():
        actions.add_parser(name, help=about, description=about)


def run(arguments: argparse.Namespace) -> int:
    """Asks, prints what came of it, and gives 0 only where it was done."""
    action = arguments.action
    if action == "list":
        told = _ask(arguments, "GET", "/streams")
    elif action == "add":
        told = _ask(arguments, "POST", "/streams", {"name": arguments.name, "options": _options(arguments.options)})
    elif action == "change":
        told = _ask(arguments, "PATCH", _path(arguments.name), _options(arguments.options))
    elif action in _WITH_NAME:
        method, behind, _ = _WITH_NAME[action]
        told = _ask(arguments, method, _path(arguments.name) + behind)
    else:
        told = _ask(arguments, "POST", f"/{action}")
    if arguments.json:
        print(json.dumps(told, ensure_ascii=False))
    elif action == "list":
        _print_streams(told)
    else:
        print(printable(str(told["done"])))
    return 0


def _path(name: str) -> str:
    return f"/streams/{quote(name, safe='')}"


def _options(words: list[str]) -> dict[str, typing.Any]:
    """Keys with values as they would be in the file."""
    from streamseg.yamlfile import parse_tree

    found: dict[str, typing.Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError(f"{key}: expected KEY=VALUE")
        if key in found:
            raise InputError(f"{key} is there twice")
        found[key] = parse_tree(f"value: {value}\n", key).value["value"]
    return found


def _ask(arguments: argparse.Namespace, method: str, path: str, body: object = None) -> typing.Any:
    """The service's answer.

    Raises:
        InputError: it refuses.
        SourceError: it cannot be reached.
        OutputError: it cannot write its file.
    """
    url = (arguments.url or os.environ.get("STREAMSEG_URL") or _USUAL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise InputError(f"--url {url}: expected http://HOST:PORT")
    headers = {"Content-Type": "application/json"}
    if token := _token(arguments.token_file):
        headers["Authorization"] = f"Bearer {token}"
    data = None if method == "GET" else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url + path, data, headers, method=method)
        with _opener().open(request, timeout=_PATIENCE_S) as response:
            told = json.loads(response.read())
        fit(told, list[_Stream] if method == "GET" else _Done)
        return told
    except urllib.error.HTTPError as error:
        raise _refused(error) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if unchecked := getattr(reason, "verify_message", ""):
            raise SourceError(f"{url}: certificate refused: {unchecked}", "SSL_CERT_FILE=FILE has it trusted") from None
        raise SourceError(f"{url}: {getattr(reason, 'strerror', None) or reason}") from None
    except (ValueError, RecursionError):
        raise SourceError(f"{url}: answers, but is no service of streamseg") from None


def _opener() -> urllib.request.OpenerDirector:
    """One that carries the token to nobody else: neither through a proxy nor after a redirection."""

    class Stays(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    return urllib.request.build_opener(urllib.request.ProxyHandler({}), Stays)


def _refused(error: urllib.error.HTTPError) -> StreamsegError:
    if where := error.headers.get("Location", "") if 300 <= error.code < 400 else "":
        return InputError(f"{error.url}: leads elsewhere, where a token is not sent", f"--url, if {where} is trusted")
    raw = error.read(1 << 16).decode("utf-8", "replace")
    try:
        said = str(json.loads(raw)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        said = raw.strip().splitlines()[0] if raw.strip() else str(error.reason)
    hints = {
        401: f"--token-file FILE, or ${_VARIABLE}",
        405: "serve --operator-token-file FILE lets streams be changed",
    }
    kind = OutputError if error.code == 500 else InputError
    return kind(said[:1000], hints.get(error.code, ""))


def _token(file: Path | None) -> str:
    """The token; of a file with several, the first. Empty where there is none, as for looking."""
    try:
        text = file.read_text() if file else os.environ.get(_VARIABLE, "")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from None
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    token = lines[0][-1] if lines else ""
    if not token.isascii():
        raise InputError("a token of other letters than ASCII cannot be sent")
    return token


def _print_streams(rows: list[dict[str, typing.Any]]) -> None:
    wide = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        error = f"  {row['error']}" if row["error"] else ""
        print(printable(f"{row['name']:{wide}}  {row['state']:8}  {row['fps']:5.1f} fps  {row['source']}{error}"))

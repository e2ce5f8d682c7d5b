"""Writes the tables of the documentation that are read from the program itself into their pages, below `docs/`.

python tools/docs_reference.py

A page has `<!-- made: WHAT -->` above such a table and `<!-- end -->` below it.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from streamseg.commands.option_flags import about
from streamseg.commands.parser import parser
from streamseg.config import OPTIONS
from streamseg.infer import list_models
from streamseg.serve.openapi import document
from streamseg.validation import described

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OPENAPI = DOCS / "reference" / "openapi.json"
"""What a service shows at /openapi.json."""
MADE = re.compile(r"(?<=<!-- made: )([\w .]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
"""What is made, and all of it up to its end."""

_EXIT_CODES = (
    ("0", "done, or stopped on request"),
    ("1", "a defect in streamseg; for `compare`, the results differ; for `eval --against`, the model is no better"),
    ("2", "wrong usage, file, model or configuration"),
    ("3", "a source that cannot be reached"),
    ("4", "an output that cannot be written, or that exists already"),
    ("5", "a model that cannot run on this machine"),
    ("130, 143", "a command that makes something was interrupted"),
)


def main() -> int:
    for page in DOCS.rglob("*.md"):
        text = page.read_text()
        if text != (anew := written(text)):
            page.write_text(anew)
            print(f"written  {page.relative_to(ROOT)}")
    OPENAPI.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n")
    return 0


def written(text: str) -> str:
    """`text` of a page with each of its tables made again."""
    return MADE.sub(lambda mark: f"{mark[1]}{mark[2]}\n{made(mark[1])}\n", text)


def made(what: str) -> str:
    """Markdown of one of `MAKERS`, or of the names in the module `what`."""
    return MAKERS[what]() if what in MAKERS else names(what)


def command_line() -> str:
    """Markdown for every command, its arguments and its flags, from the argparse parser."""
    parts = ["| exit code | means |\n| --- | --- |\n" + "\n".join(f"| {code} | {text} |" for code, text in _EXIT_CODES)]
    top = parser()
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            for name, command in action.choices.items():
                parts += _command(name, helps.get(name, ""), command)
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Markdown for every key of a configuration file, from the table of options."""
    rows = [
        _row(f"`{field.name}`", described(field.type).removeprefix("a "), _default(field), _meaning(field.type))
        for field in msgspec.structs.fields(OPTIONS)
    ]
    return "\n".join(["| key | type | default | meaning |", "| --- | --- | --- | --- |", *rows]) + "\n"


def models() -> str:
    """A table of the networks: the card of each, what it finds, and its licence."""
    rows = ["| card | finds | licence |", "| --- | --- | --- |"]
    known = {model.name: model for model in list_models()}
    for card in cards():
        for name in card.read_text().splitlines()[0].lstrip("# ").split(", "):
            model = known[name]
            rows.append(_row(f"[`{name}`]({os.path.relpath(card, DOCS)})", model.summary, model.licence))
    return "\n".join(rows) + "\n"


def cards() -> list[Path]:
    """What says of each model what it was trained on, and how well it does."""
    found = [*ROOT.glob("streamseg/infer/models/*.md"), *ROOT.glob("*-models/streamseg_*/*.md")]
    return sorted(found, key=lambda path: path.name)


def names(module: str) -> str:
    """A table of the public classes and functions of a module, each with the first sentence of its docstring."""
    found = importlib.import_module(module)
    public = getattr(found, "__all__", None) or [
        name for name, each in vars(found).items() if not name.startswith("_") and _is_part(each, module)
    ]
    rows = [_row(f"`{name}`", _first_sentence(getattr(found, name))) for name in public if not name.startswith("_")]
    return "\n".join(["| name | is |", "| --- | --- |", *rows]) + "\n"


def _is_part(each: object, module: str) -> bool:
    return (inspect.isclass(each) or inspect.isfunction(each)) and each.__module__ == module


def _first_sentence(each: object) -> str:
    return re.split(r"(?<=[.!])\s|\n\n", inspect.getdoc(each) or "", maxsplit=1)[0]


def _command(name: str, summary: str, command: argparse.ArgumentParser) -> list[str]:
    usage = _wrapped(command.format_usage().removeprefix("usage: "))
    parts = [f"## {name}", _sentence(summary), f"```text\n{usage}\n```"]
    for group in command._action_groups:
        rows = [_argument(each) for each in group._group_actions if each.help != argparse.SUPPRESS]
        rows = [*filter(None, rows), *_actions(group)]
        if group.description and not rows:
            parts += [f"{_sentence(group.title or '')}", f"```text\n{group.description}\n```"]
        if rows:
            title = {"positional arguments": "argument", "options": "flag"}.get(
                group.title or "", group.title or "flag"
            )
            parts.append("\n".join([f"| {title} | meaning | default |", "| --- | --- | --- |", *rows]))
    if command.epilog:
        parts.append(f"```text\n{command.epilog.strip()}\n```")
    return parts


def _actions(group: argparse._ArgumentGroup) -> list[str]:
    """A row for each word that may stand in the place of an argument such as ACTION, with the names behind it."""
    rows = []
    for action in group._group_actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action._choices_actions:
                behind = [str(one.metavar) for one in action.choices[each.dest]._actions if not one.option_strings]
                rows.append(_row(f"`{' '.join([each.dest, *behind])}`", each.help or "", ""))
    return rows


def _wrapped(usage: str) -> str:
    """In lines of equal width whatever Python and terminal; what stands in brackets stays together."""
    kept = re.sub(r"\[[^]]*\]", lambda part: part[0].replace(" ", "\0"), " ".join(usage.split()))
    lines = textwrap.wrap(kept, 100, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def _argument(action: argparse.Action) -> str:
    if isinstance(action, argparse._HelpAction):
        return ""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    names = ", ".join(f"`{each}`" for each in action.option_strings) or f"`{value}`"
    if action.option_strings and action.nargs != 0 and (action.metavar or not action.choices):
        names += f" `{value}`"
    text = (action.help or "") % {"default": action.default, "prog": "streamseg"}
    at = text.rfind(" (default: ") if text.endswith(")") else -1
    text, default = (text[:at], text[at:].removeprefix(" (default: ")[:-1]) if at >= 0 else (text, "")
    if action.choices and not action.metavar:
        text = "; ".join(filter(None, ("one of " + ", ".join(f"`{each}`" for each in action.choices), text)))
    return _row(names, text, default)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    if field.default in (None, (), msgspec.NODEFAULT):
        return str(about(field.type).get("default", ""))
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _meaning(kind: Any) -> str:
    said = about(kind)
    return str(said["description"]) + (f": {', '.join(said['choices'])}" if "choices" in said else "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(re.sub(r"(?<!\\)\|", r"\\|", cell).split()) for cell in cells) + " |"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


MAKERS: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "configuration": configuration,
    "models": models,
}

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())

"""What `${NAME}` stands for in a service's file: the environment, systemd's credentials, and a file of secrets."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from streamseg.errors import InputError
from streamseg.files import text_lines

_log = logging.getLogger(__name__)
_NAME = re.compile(r"\w+")
_READABLE_BY_OTHERS = 0o004


def read_secrets(file: Path | None) -> Mapping[str, str]:
    """Name to value: of the environment, over these of the files in $CREDENTIALS_DIRECTORY, and over these of `file`.

    Raises:
        InputError: one cannot be read; the message names file and line, and repeats nothing that stands there.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and not folder:
        return os.environ
    return {**os.environ, **(_credentials(Path(folder)) if folder else {}), **(dict(_secrets(file)) if file else {})}


def _credentials(folder: Path) -> dict[str, str]:
    """Each file is a value; those of other names than a variable can have are for other purposes."""
    try:
        files = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    return {path.name: "\n".join(text_lines(path)) for path in files}


def _secrets(file: Path) -> Iterator[tuple[str, str]]:
    """The lines `NAME=value`; a value may stand in quotes, and is otherwise taken as it is."""
    lines = text_lines(file)
    if file.stat().st_mode & _READABLE_BY_OTHERS:
        _log.warning("%s: every user of this machine can read it (chmod o-r)", file)
    seen: set[str] = set()
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line[0] in "#;":
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise InputError(f"{file}:{number}: expected NAME=value")
        if name in seen:
            raise InputError(f"{file}:{number}: {name} is there twice")
        seen.add(name)
        if value[:1] in ("'", '"'):
            if len(value) < 2 or value[-1] != value[0]:
                raise InputError(f"{file}:{number}: {name}: the quote does not end")
            value = value[1:-1]
        yield name, value

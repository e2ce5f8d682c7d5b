"""URLs as a person writes them."""

from __future__ import annotations

import os
import re

from streamseg.errors import InputError


def expand(uri: str) -> str:
    """`uri` with every `${NAME}` replaced from the environment.

    Raises:
        InputError: one is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in os.environ:
            raise InputError(f"{uri}: the environment has no {name}")
        return os.environ[name]

    return re.sub(r"\$\{(?P<name>\w+)\}", value, uri)

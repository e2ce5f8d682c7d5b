"""What a folder of labelled pictures does not say of some of them."""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def tell_left_out(folder: Path, found: int, shown: int, lack: str = "mask") -> None:
    """Says how many of the pictures `shown` in a folder lack something, where any does; `found` is how many do not."""
    if found < shown:
        _log.warning("%s: %d of %d pictures have no %s, and are left out", folder, shown - found, shown, lack)

"""Where a user's own files are kept, as the system has it; some users have no home, and so no such place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from streamseg.errors import OutputError


def models_folder() -> Path | None:
    """`$STREAMSEG_MODELS`, or `streamseg/models` in the user's data folder; None where there is neither."""
    return _named("STREAMSEG_MODELS") or _below(platformdirs.user_data_path, "models")


def engines_folder() -> Path | None:
    """`$STREAMSEG_ENGINES`, or `streamseg/engines` in the user's cache folder; None where there is neither."""
    return _named("STREAMSEG_ENGINES") or _below(platformdirs.user_cache_path, "engines")


def tuned_folder() -> Path | None:
    """`streamseg/tuned` in the user's cache folder; None where there is none."""
    return _below(platformdirs.user_cache_path, "tuned")


def messages_folder() -> Path | None:
    """`messages` in `$STREAMSEG_STATE`, in the folder that systemd gives a service, or in the user's state folder.

    None where there is none of them.
    """
    given = os.environ.get("STREAMSEG_STATE") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(given) / "messages" if given else _below(platformdirs.user_state_path, "messages")


def needed(folder: Path | None, variable: str) -> Path:
    """`folder`, to be written into.

    Raises:
        OutputError: there is none; `variable` of the environment could name one.
    """
    if folder is None:
        raise OutputError("this user has no home folder to keep files in", f"set HOME, or {variable} to a folder")
    return folder


def _named(variable: str) -> Path | None:
    return Path(own) if (own := os.environ.get(variable)) else None


def _below(folder_of: Callable[[str], Path], kind: str) -> Path | None:
    try:
        folder = folder_of("streamseg")
    except RuntimeError:  # no home
        return None
    return folder / kind if folder.is_absolute() else None  # older platformdirs leave a `~` that nobody has

"""What every test needs, so that none depends on how, where and by whom it was started."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

_CHANGES_WHAT_IS_SEEN = ("PYTHON", "STREAMSEG_", "XDG_", "DISPLAY", "WAYLAND_", "TERM", "COLUMNS", "NO_COLOR", "FORCE_")
_NAMES_THE_DATA = "STREAMSEG_DATA"


def pytest_configure() -> None:
    """Before any test is read: no variable that changes what Python or streamseg does, and Ctrl-C is heard.

    A shell starts its background jobs with Ctrl-C ignored, and their children inherit that.
    """
    for name in set(os.environ) - {_NAMES_THE_DATA}:
        if name.startswith(_CHANGES_WHAT_IS_SEEN) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["PYTHONFAULTHANDLER"] = "1"  # a child that is aborted because it hangs says where
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first, so that no worker is left with one of them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="session")
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder in which nothing was tuned or built, and a state folder in which no message waits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """What a test sets of streamseg's log goes with it: a run in this process takes the log to itself."""
    log = logging.getLogger("streamseg")
    before = log.level, log.propagate, list(log.handlers)
    log.setLevel(logging.NOTSET)
    log.propagate, log.handlers = True, []
    yield
    log.setLevel(before[0])
    log.propagate, log.handlers = before[1:]

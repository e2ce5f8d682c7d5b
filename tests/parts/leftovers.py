"""What a test must not leave behind: threads of ours, open files, and objects that hold much."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.parts.patience import until


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ours() -> list[str]:
    """The threads of ours that are alive, by name."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("streamseg")]


@contextlib.contextmanager
def nothing_left(kept_files: int = 0) -> Iterator[None]:
    """What starts within it ends sooner or later. Threads of other tests may end meanwhile, or try their cameras."""
    threads, files = set(threading.enumerate()), open_files()
    yield

    def new() -> set[str]:
        return {each.name for each in set(threading.enumerate()) - threads if each.name.startswith("streamseg")}

    until(lambda: not new() and open_files() <= files + kept_files, "the end of every thread, and of every file")


@contextlib.contextmanager
def without_collector(kind: type) -> Iterator[Callable[[], int]]:
    """Python's garbage collector does not come within it: it may not for hours, and knows nothing of megabytes.

    Gives what tells how many objects of `kind` there are more than before. Other tests' may go meanwhile.
    """

    def there() -> int:  # not by isinstance: modules of PyTorch's warn when they are asked for their class
        return sum(issubclass(type(each), kind) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = there()
        yield lambda: max(0, there() - before)
    finally:
        gc.enable()

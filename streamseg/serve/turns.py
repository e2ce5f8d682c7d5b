"""Work that clients ask for and that takes time of the machine: one piece after the other, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


class Turns:
    """Lets one thread work at a time, or as many as are named, so that others are left to those who encode pictures."""

    def __init__(self, at_once: int = 1) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """What `work` gives, which runs in a thread. A client that leaves meanwhile lets nobody in before it is done.

        Raises:
            Exception: whatever `work` does.
        """
        async with self._free:
            doing = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(doing)
            finally:
                if not doing.done():
                    await asyncio.wait([doing])


class Threads(ThreadPoolExecutor):
    """Those of an event loop, which ends without waiting for them: a disk that hangs would hold it."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing begins any more; nobody waits for what is under way, whatever `wait` says."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)

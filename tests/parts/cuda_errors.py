"""What doubles of a GPU and its driver answer where a program breaks a rule of CUDA; and the bytes that say so."""

from __future__ import annotations

EARLY, FREED = 0xCD, 0xDD


class ContractBrokenError(AssertionError):
    """A rule that a real driver does not watch over."""


class Error(Exception):
    """Base of what the driver reports."""


class LogicError(Error):
    pass


class LaunchError(Error):
    pass


class CompileError(Error):
    pass


class OutOfMemoryError(Error, MemoryError):
    """`pycuda.driver.MemoryError`."""


def must(kept: bool, rule: str) -> None:
    if not kept:
        raise ContractBrokenError(rule)

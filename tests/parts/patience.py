"""How long a test waits: so long that only what hangs is late, and then it is said where it hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

PATIENCE_S = 100.0
"""For whatever has to happen sooner or later. It says nothing of how long it should take."""
_LAST_WORDS_S = 10.0


def until(met: Callable[[], object], what: str = "", child: subprocess.Popen[Any] | None = None) -> None:
    """Waits until `met` gives something true, before which `child` may not end."""
    end_s = time.monotonic() + PATIENCE_S
    while not met():
        assert child is None or child.poll() is None, f"ended before {what or 'that was seen'}"
        if time.monotonic() > end_s:
            pytest.fail(f"hung: never {what or 'seen'}")
        time.sleep(0.01)


def output_of(child: subprocess.Popen[str]) -> tuple[str, str]:
    """What a child prints until it ends; where it does not, the test fails with the stacks of all its threads."""
    try:
        return child.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGABRT)  # to which Python answers with its stacks: conftest.py asks it to
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=_LAST_WORDS_S)
        child.kill()
        pytest.fail(f"hung: {child.args!r}\n" + "".join(map(_said, child.communicate())), pytrace=False)


def finished(command: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """A child run to its end, with what it printed; more as for `subprocess.Popen`."""
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    said["env"] = {**(more.get("env") or os.environ), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(command, **said) as child:  # type: ignore[call-overload]
        out, err = output_of(child)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def _said(text: str | None) -> str:
    return text or ""

from __future__ import annotations

import logging
import os
import sys
import threading

import pytest

from streamseg.pipeline.threads import join, step_behind
from tests.parts.patience import PATIENCE_S, finished

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")


def started(until: threading.Event, name: str = "late") -> threading.Thread:
    thread = threading.Thread(target=until.wait, args=(PATIENCE_S,), name=name, daemon=True)
    thread.start()
    return thread


@LINUX
def test_a_thread_that_steps_behind_leaves_the_others_where_they_are() -> None:
    before, seen = os.getpriority(os.PRIO_PROCESS, 0), []

    def inner() -> None:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def outer() -> None:
        step_behind()
        inner()
        child = threading.Thread(target=inner)
        child.start()
        child.join()

    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert len(seen) == 2
    assert all(niceness > before or niceness == 19 for niceness in seen)


@LINUX
def test_a_thread_of_a_process_that_is_nice_itself_steps_behind_the_others_of_it() -> None:
    code = """
import os, threading
from streamseg.pipeline.threads import step_behind

def stage():
    step_behind()
    print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) > os.getpriority(os.PRIO_PROCESS, os.getpid()))

thread = threading.Thread(target=stage)
os.nice(max(0, 10 - os.nice(0)))  # only root may ask for less
thread.start()
thread.join()
"""
    assert finished([sys.executable, "-c", code]).stdout == "True\n"


@pytest.mark.parametrize("error", [AttributeError, PermissionError])
def test_where_threads_have_no_niceness_nothing_happens(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "setpriority", refuses, raising=False)
    step_behind()


def test_without_hurry_an_end_is_waited_for_however_late_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    done, asked = threading.Event(), []

    def hurried() -> bool:
        asked.append(True)
        if len(asked) == 3:
            done.set()
        return False

    thread = started(done)
    join([thread], hurried, 0.0)
    assert not thread.is_alive()
    assert len(asked) >= 3
    assert caplog.records == []


def test_who_is_late_in_a_hurry_is_left_behind_and_named(caplog: pytest.LogCaptureFixture) -> None:
    never = threading.Event()
    late, ended = started(never, "streamseg-late"), started(never, "streamseg-later")
    with caplog.at_level(logging.WARNING):
        join([late, ended], lambda: True, 0.05)
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} did not end in time and is left behind" for name in ("streamseg-late", "streamseg-later")
    ]
    never.set()
    join([late, ended], lambda: False, 0.0)
    assert not late.is_alive() and not ended.is_alive()


def test_the_time_that_is_left_is_for_all_of_them_together() -> None:
    """Asked once, however many there are: the first that is late has used it up."""
    never, asked = threading.Event(), []

    def hurried() -> bool:
        asked.append(True)
        return True

    threads = [started(never, f"late-{number}") for number in range(5)]
    join(threads, hurried, 0.0)
    assert len(asked) == 1
    never.set()
    join(threads, lambda: False, 0.0)


def test_nobody_to_wait_for_is_no_trouble() -> None:
    join([], lambda: True, 0.0)

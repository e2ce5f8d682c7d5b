"""Requests to end: one, however often it is sent; each command ends as it should."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from streamseg.infer.backends.openvino import _mend_signal_stack
from streamseg.signals import Signals
from tests.parts.patience import PATIENCE_S, output_of, until
from tests.parts.program import PROGRAM, environment, hears_signals

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def own_stack() -> None:
    """Signals are taken on this thread's own stack: a library of an earlier test may have left one that is gone."""
    _mend_signal_stack()


@contextlib.contextmanager
def started(*words: object, **more: object) -> Iterator[subprocess.Popen[str]]:
    """The program at work, with what it says to be read."""
    with subprocess.Popen(  # type: ignore[call-overload]
        [*PROGRAM, *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "PYTHONFAULTHANDLER": "1"},
        preexec_fn=hears_signals,
        **more,
    ) as run:
        try:
            yield run
        finally:
            run.kill()


@pytest.mark.parametrize("sent", ASKED)
@pytest.mark.parametrize("apart_s", [0.0, 0.01, 0.3])
def test_a_signal_that_is_sent_twice_is_one_request(sent: signal.Signals, apart_s: float, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    with started("run", "test://", video, "--model", "otsu") as run:
        until(lambda: list(tmp_path.glob("*.part")), child=run)
        run.send_signal(sent)
        time.sleep(apart_s)
        run.send_signal(sent)
        _, said = run.communicate(timeout=100)
    assert (run.returncode, said.count("frames captured")) == (0, 1), said
    assert list(tmp_path.iterdir()) == [video]
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


@pytest.mark.slow
def test_timeout_which_sends_its_signal_twice_leaves_a_whole_video(tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    command = ["timeout", "--preserve-status", "1000", *PROGRAM, "run", "test://", str(video), "--model", "otsu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as run:
        until(lambda: list(tmp_path.glob("*.part")), child=run)
        run.terminate()  # which it passes on as it does at the end of its time: to the program, and to their group
        _, said = run.communicate(timeout=100)
    assert (run.returncode, said.count("frames captured")) == (0, 1), said
    assert list(tmp_path.iterdir()) == [video]


def test_only_one_who_asks_again_after_two_seconds_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    asked: list[bool] = []
    left: list[int] = []
    # Its own clock and exit alone: what else lives in this process goes on by the real ones.
    monkeypatch.setattr("streamseg.signals.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    monkeypatch.setattr("streamseg.signals.os", SimpleNamespace(_exit=left.append))
    with Signals() as signals, signals.calling(lambda: asked.append(True)):
        for now_s[0] in (100.0, 100.1, 101.9):
            signal.raise_signal(signal.SIGTERM)
        assert (asked, left) == ([True], [])
        now_s[0] = 102.1
        signal.raise_signal(signal.SIGINT)
    assert (asked, left) == ([True], [128 + signal.SIGINT])


@pytest.fixture
def no_alarm(monkeypatch: pytest.MonkeyPatch) -> float:
    """An interruption does not come again before the test is over, however slow the machine is; when it would."""
    again_s = 10 * PATIENCE_S
    monkeypatch.setattr("streamseg.signals._AGAIN_S", again_s)
    return again_s


def test_before_and_after_it_is_watched_a_request_interrupts_once(no_alarm: float) -> None:
    with Signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert signals.number == signal.SIGTERM


def test_an_interruption_comes_again_and_again_until_it_is_heard(no_alarm: float) -> None:
    """One that comes after Python's last look and before a call that waits is not seen until another ends that call."""
    with Signals() as signals:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert signal.getitimer(signal.ITIMER_REAL) == pytest.approx((no_alarm, no_alarm), abs=PATIENCE_S)
        signals.heard()
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_interruption_that_python_swallowed_still_counts(no_alarm: float) -> None:
    with Signals() as signals:
        with contextlib.suppress(KeyboardInterrupt):  # as the clean-up of a module's import lock does
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), signals.calling(lambda: None):
            pass


def test_an_interruption_that_falls_into_a_destructor_comes_again_and_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    class Wrong:
        def __del__(self) -> None:
            raise ValueError("told as ever")

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    with Signals(), pytest.raises(KeyboardInterrupt):
        Wrong()
        Dying()
        threading.Event().wait(PATIENCE_S)
    said = capfd.readouterr().err
    assert "told as ever" in said and "KeyboardInterrupt" not in said
    assert sys.unraisablehook is sys.__unraisablehook__


def test_an_interruption_waits_for_a_line_of_the_log_to_be_written() -> None:
    said = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            signal.raise_signal(signal.SIGTERM)
            try:
                time.sleep(0.2)
            except BaseException:
                self.handleError(record)
            said.append(record)

    log = logging.Logger("apart")
    log.addHandler(Slow())
    with Signals(), pytest.raises(KeyboardInterrupt):
        log.warning("a line")
        threading.Event().wait(PATIENCE_S)
    assert len(said) == 1


def test_an_interruption_does_not_come_again_while_things_are_put_away_nor_once_it_was_heard() -> None:
    alarms = []

    class Counting(Signals):
        def _ask(self, number: int, stack: FrameType | None) -> None:
            alarms.append(number)
            super()._ask(number, stack)

    with Counting() as signals:
        try:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                until(lambda: alarms == [signal.SIGTERM, signal.SIGALRM])
        except KeyboardInterrupt:
            signals.heard()
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_import_is_finished_before_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled modules that are interrupted while they set themselves up crash later."""
    (tmp_path / "slow_to_import.py").write_text(
        "import signal\nsignal.raise_signal(signal.SIGINT)\nfor _ in range(1000): pass\nready = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with Signals(), pytest.raises(KeyboardInterrupt):
        importlib.import_module("slow_to_import")
        signal.pause()
    assert sys.modules["slow_to_import"].ready


def test_a_terminal_that_closes_does_not_end_what_nohup_started() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


LONG = {
    "tune": ["tune", "person", "--seconds", "600"],
    "bench": ["bench", "person", "--seconds", "600", "--rounds", "1"],
    "compare": ["compare", "nuclei"],
    "eval": ["eval", "lane", "{pictures}", "{masks}"],
    "quantise": ["quantise", "lane", "{pictures}", "{out}/q.onnx"],
    "train": ["train", "{fifo}", "--out", "{out}"],
    "build": ["build", "nuclei", "--for", "sm86", "--out", "{out}"],
}
NEEDS = {"train": "torch", "build": "tensorrt_rtx_bindings"}


def many_pictures(folder: Path) -> None:
    """Two folders in which work for minutes lies."""
    for name, value in (("pictures", 100), ("masks", 1)):
        (folder / name).mkdir()
        first = folder / name / "0.png"
        cv2.imwrite(str(first), np.full((360, 480), value, np.uint8))
        for number in range(1, 3000):
            (folder / name / f"{number}.png").hardlink_to(first)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", LONG)
def test_an_interrupted_command_says_so_in_one_line_and_leaves_nothing_torn(
    name: str, sent: signal.Signals, tmp_path: Path
) -> None:
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    many_pictures(tmp_path)
    (out := tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "fifo")
    places = {name: tmp_path / name for name in ("pictures", "masks", "out", "fifo")}
    with started(*(word.format(**places) for word in LONG[name]), cwd=out) as run:
        if name == "build":  # which is short
            until(lambda: list(out.iterdir()), child=run)
        else:
            time.sleep(2)
        run.send_signal(sent)
        _, said = output_of(run)
    assert run.returncode == 128 + sent, said
    assert said.splitlines()[-1] == "streamseg: interrupted"
    assert "Traceback" not in said and "Exception ignored" not in said
    assert [path for path in out.iterdir() if path.suffix != ".lock"] == []


def test_a_service_that_is_told_to_read_its_file_while_it_starts_goes_on() -> None:
    code = (
        "import os, signal, sys; import streamseg.serve.service as service; from streamseg.cli import program\n"
        "def run(*_, **more):\n    os.kill(os.getpid(), signal.SIGHUP); print('goes on', flush=True)\n"
        "service.run, sys.argv = run, ['streamseg', 'serve', '--config', 'site.yaml']; program()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert (run.returncode, run.stdout) == (0, "goes on\n"), run.stderr

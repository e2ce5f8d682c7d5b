"""Too much work, too slow readers, too little to do."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from streamseg.pipeline.pipeline import Pipeline
from tests.parts.fakes import CountingSource, ListSink, Marker
from tests.parts.program import PROGRAM, environment
from tests.parts.rtsp import free_port
from tests.soak import SLOW_MACHINE, Row

_MODEL_S, _FRAME_S = 0.2, 0.04
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def overload(seconds: float = 60.0, busy: int = 2) -> Row:
    """A model of 200 ms on a live source of 25 frames a second, while `busy` processes take the processor away.

    Frames are dropped, exactly accounted for, and what is shown stays young: twice the model's time and a frame.
    """
    source = CountingSource(int(seconds / _FRAME_S), live=True, interval_s=_FRAME_S)
    pipeline = Pipeline(source, lambda: Marker(lambda _: time.sleep(_MODEL_S)), sinks=[ListSink(work=_forget)])
    with _busy(busy):
        ages_ms = [shown.timings_ms["age"] for shown in pipeline]
    metrics = pipeline.metrics()
    exact = metrics.captured == metrics.shown + metrics.failed + sum(metrics.dropped.values())
    half = len(ages_ms) // 2
    early, late = _median(ages_ms[:half]), _median(ages_ms[half:])
    promise_ms = (2 * _MODEL_S + _FRAME_S) * 1e3
    ages = f"{early:.0f} then {late:.0f} ms old (median), {max(ages_ms):.0f} at most"
    found = f"{metrics.shown} of {metrics.captured} shown, {ages}"
    return Row(found, exact and late < promise_ms * (1 + busy) and metrics.shown > 0)


def unread(seconds: float = 20.0) -> Row:
    """JSON lines into a pipe that nobody reads: the run goes on and counts; told to end, it does."""
    source = "test://?size=64x48&fps=200"
    with _running("run", source, "-", "null", "--model", "otsu", stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        fcntl.fcntl(run.stdout, fcntl.F_SETPIPE_SZ, 4096)  # full after a few lines, however slow the machine is
        time.sleep(seconds + 3)
        run.terminate()
        asked_s = time.monotonic()
        assert run.stderr is not None
        said = run.stderr.read().decode()
        run.wait(60)
        took_s = time.monotonic() - asked_s
    summary = next((line for line in said.splitlines() if "frames captured" in line), said)
    captured = int(summary.split(" frames captured")[0].rpartition(" ")[2]) if "captured" in summary else 0
    found = (
        f"{captured} frames captured, {'not written' in summary and 'the unwritten counted'}, ended in {took_s:.1f} s"
    )
    return Row(found, captured > seconds * 20 and "not written" in summary and took_s < 2 * SLOW_MACHINE)


def closed_pipe() -> Row:
    """A reader that leaves ends the run with code 0 and without a word of complaint."""
    with _running("run", "test://?size=64x48&fps=200", "-", "--model", "otsu", stdout=subprocess.PIPE) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        said = run.stderr.read().decode()
        code = run.wait(60)
    quiet = "Traceback" not in said and "defect" not in said and "Exception" not in said
    return Row(f"code {code}, {'quiet' if quiet else said}", code == 0 and quiet)


def idle(seconds: float = 600.0) -> Row:
    """Share of a core, and lines a second, of a run whose camera has gone away."""
    with _camera_that_leaves() as port, _running("run", f"http://127.0.0.1:{port}/", "null", "--model", "otsu") as run:
        time.sleep(5)
        used_s, from_s = _cpu_s(run.pid), time.monotonic()
        time.sleep(seconds)
        share = (_cpu_s(run.pid) - used_s) / (time.monotonic() - from_s)
        run.terminate()
        assert run.stderr is not None
        lines = len(run.stderr.read().decode().splitlines())
    return Row(
        f"{share:.2%} of a core, {lines} lines in {seconds:.0f} s", share < 0.05 and lines < max(10, seconds / 10)
    )


def _forget(_: object) -> None:
    """A sink that is quick."""


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * _TICK_S


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    spin = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in spin:
            each.kill()
            each.wait()


@contextlib.contextmanager
def _running(*words: str, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([*PROGRAM, *words], stdout=stdout, stderr=subprocess.PIPE, env=environment()) as run:
        try:
            yield run
        finally:
            run.kill()


@contextlib.contextmanager
def _camera_that_leaves() -> Iterator[int]:
    """Serves some pictures to the first who asks, then is gone, port and all."""
    port = free_port()
    code = (
        "import sys, socket, cv2, numpy as np\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('ready', flush=True)\n"
        "client, _ = server.accept(); client.recv(4096)\n"
        "body = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()\n"
        "head = b'--frame\\r\\nContent-Type: image/jpeg\\r\\n\\r\\n'\n"
        "client.sendall(b'HTTP/1.0 200 OK\\r\\nContent-Type: multipart/x-mixed-replace; boundary=frame\\r\\n\\r\\n')\n"
        "client.sendall((head + body + b'\\r\\n') * 20)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(port)], stdout=subprocess.PIPE) as camera:
        assert camera.stdout is not None and camera.stdout.readline()
        try:
            yield port
        finally:
            camera.kill()

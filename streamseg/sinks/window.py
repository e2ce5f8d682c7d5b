"""A window with keys; asked for only where a display really answers, because without one the toolkit aborts."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import cv2

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.files import write_whole
from streamseg.frame import StreamInfo, squared
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.pointer import Pointer

_log = logging.getLogger(__name__)
_TITLE = "streamseg"
_QT_RULES = "QT_LOGGING_RULES"
_MAX_WAIT_S = 1.0
_STEP = 0.1
_Address = str | tuple[str, int]


class WindowSink:
    """Shows each picture: q or Esc quits, space pauses, s saves a picture, + and - change opacity, v the view.

    A click points at something, with the right button or Shift at what is not part of it; a box is dragged.

    Runs in the caller's thread, where window systems want to be called. A file is shown at its own speed: a picture
    waits until its time has come.
    """

    blocking = False
    needs_image = True
    unwritten = 0

    def __init__(self, info: StreamInfo, controls: Controls) -> None:
        problem = display_problem()
        if problem is not None:
            raise OutputError(f"no window: {problem}", "name another output, such as out.mp4")
        self._live, self._controls = info.live, controls
        self._ahead_s: float | None = None
        self._open = False
        self._pointer = Pointer(controls)
        self._keys: dict[int, Callable[[], None]] = {
            ord("q"): self._quit,
            27: self._quit,
            ord(" "): self._pause,
            ord("v"): self._next_view,
            ord("+"): lambda: self._opacity(_STEP),
            ord("="): lambda: self._opacity(_STEP),
            ord("-"): lambda: self._opacity(-_STEP),
        }

    def write(self, shown: Shown) -> None:
        """Shows one picture and obeys the keys pressed since the last."""
        image = squared(shown.image, shown.frame.pixel_aspect)
        if not self._open:
            with _quiet_qt():
                cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            height, width = image.shape[:2]
            cv2.resizeWindow(_TITLE, max(320, min(width, 1600)), max(240, min(height, 900)))
            cv2.setMouseCallback(_TITLE, self._pointer.heard)
            self._open = True
        self._pointer.shows(shown)
        cv2.imshow(_TITLE, self._pointer.drawn(image))
        self._obey(self._until_due_ms(shown.frame.time_s, time.monotonic()), shown)
        if cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            self._quit()

    def close(self) -> None:
        """Takes the window away."""
        if self._open:
            cv2.destroyWindow(_TITLE)
            self._open = False

    def _until_due_ms(self, time_s: float, now_s: float) -> int:
        """How long this picture stays; the clock is set by the first picture, and again by one that is late."""
        lead_s = 0.0 if self._ahead_s is None else time_s - (now_s - self._ahead_s)
        if self._live or self._ahead_s is None or not 0 <= lead_s <= _MAX_WAIT_S:
            self._ahead_s = now_s - time_s
            return 1
        return max(1, round(lead_s * 1e3))

    def _obey(self, wait_ms: int, shown: Shown) -> None:
        key = cv2.waitKey(wait_ms) & 0xFF
        if key == ord("s"):
            save(shown)
        elif key in self._keys:
            self._keys[key]()

    def _quit(self) -> None:
        self._controls.quit = True

    def _pause(self) -> None:
        while not self._controls.quit and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1:
            key = cv2.waitKey(50) & 0xFF
            if key == ord(" "):
                break
            if key in (ord("q"), 27):
                self._quit()
        self._ahead_s = None

    def _next_view(self) -> None:
        views = self._controls.views
        now = self._controls.view
        shown = views.index(now) if isinstance(now, str) and now in views else -1  # -1: a custom view
        self._controls.view = views[(shown + 1) % len(views)]

    def _opacity(self, change: float) -> None:
        self._controls.opacity = min(1.0, max(0.0, self._controls.opacity + change))


@contextlib.contextmanager
def _quiet_qt() -> Iterator[None]:
    """Qt misses fonts that nothing here uses; how much it says is read with the first window."""
    given = os.environ.get(_QT_RULES)
    os.environ.setdefault(_QT_RULES, "default.warning=false")
    try:
        yield
    finally:
        if given is None:
            del os.environ[_QT_RULES]


def save(shown: Shown) -> None:
    """Writes what is shown into the working folder, named by the time of day."""
    path = Path(f"streamseg-{datetime.now():%Y%m%d-%H%M%S}-{shown.frame.index}.png")
    try:
        _log.info("saved %s", write_whole(path, cv2.imencode(".png", shown.image)[1].tobytes(), replace=False))
    except OutputError as error:
        _log.warning("%s", error)


def display_problem() -> str | None:
    """Why no window can be shown here, or None where one can; opens nothing."""
    if "GUI:                           NONE" in cv2.getBuildInformation():
        return "this OpenCV was built without windows, as the headless packages are"
    if os.name != "posix" or os.uname().sysname == "Darwin":
        return None
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not wayland and not x11:
        return "no display (DISPLAY is not set)"
    if x11 and _x11_answers(x11):
        return None
    if wayland and (Path(os.environ.get("XDG_RUNTIME_DIR", "/run")) / wayland).exists():
        return None
    return f"the display {x11 or wayland} does not answer"


def _x11_answers(display: str) -> bool:
    """Whether an X server listens where DISPLAY=`[host]:number[.screen]` points."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdecimal():
        return False
    targets: list[tuple[socket.AddressFamily, _Address]] = []
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        targets = [(socket.AF_UNIX, "\0" + path), (socket.AF_UNIX, path)]
    else:
        targets = [(socket.AF_INET, (host, 6000 + int(number)))]
    return any(_answers(family, address) for family, address in targets)


def _answers(family: socket.AddressFamily, address: _Address) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


WINDOW = OutputKind(
    forms="window",
    means=lambda uri: uri == "window",
    open=lambda uri, info, controls, existing: WindowSink(info, controls),
)

"""Frames that arrive in a callback, as in ROS: each is pushed, and the newest wins where masks take longer.

Under ROS 2 the callback is that of a subscription, and bgr comes from `CvBridge().imgmsg_to_cv2(message, "bgr8")`.
"""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

import streamseg

camera = streamseg.PushSource(fps=30, name="front camera")


def on_image(bgr: NDArray[np.uint8], stamp_s: float) -> None:
    """The callback; it never waits."""
    camera.put(bgr, time_s=stamp_s)


def middleware() -> None:
    """Stands for ROS: calls back thirty times a second, for a second."""
    for step in range(30):
        on_image(np.full((120, 160, 3), 8 * step, np.uint8), stamp_s=100 + step / 30)
        time.sleep(1 / 30)
    camera.end()


threading.Thread(target=middleware, daemon=True).start()
with streamseg.open(camera, model="threshold", settings={"value": 128}) as stream:
    for shown in stream:
        print(f"{shown.frame.time_s:.2f} s: {shown.segmentation.areas()[1]:.0%} bright, {shown.dropped} dropped")

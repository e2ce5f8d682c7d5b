"""A loop of one's own with OpenCV: each frame is given to a model, and the result drawn.

python examples/opencv_loop.py dashcam.mp4 masked.avi
"""

from __future__ import annotations

import sys

import cv2

import streamseg


def main(source: str, target: str) -> None:
    video = cv2.VideoCapture(source)
    if not video.isOpened():
        sys.exit(f"{source}: OpenCV cannot open it")
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(target, cv2.VideoWriter.fourcc(*"MJPG"), video.get(cv2.CAP_PROP_FPS), size)
    with streamseg.load("person") as model:
        while True:
            taken, bgr = video.read()
            if not taken:
                break
            result = model(bgr)
            print(f"person {result.areas()[1]:.0%}")
            writer.write(result.draw(bgr, "blur"))
    writer.release()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python examples/opencv_loop.py SOURCE TARGET.avi", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])

"""Masks as `supervision.Detections`, drawn by its annotators.

pip install supervision
python examples/supervision_annotate.py photo.jpg annotated.png
"""

from __future__ import annotations

import sys

import cv2
import supervision as sv

import streamseg


def main(source: str, target: str) -> None:
    with streamseg.open(source, model="person") as stream:
        for shown in stream:
            detections = streamseg.Result.of(shown).to_supervision()
            scene = shown.frame.image.copy()  # annotators draw in place
            sv.MaskAnnotator().annotate(scene, detections)
            sv.BoxAnnotator().annotate(scene, detections)
            cv2.imwrite(target, scene)
            print(len(detections), detections.data.get("class_name"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python examples/supervision_annotate.py PICTURE TARGET.png", file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])

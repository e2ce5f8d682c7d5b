"""Imports one model of the zoo, runs it on both backends, and compares with what its own framework finds."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.segmentation import Instances, Segmentation
from zoo.row import MODEL, Found, Row, pictures, read_row

BACKENDS = ("ort-cpu", "openvino")
NEAR_PX, NEAR_SCORE = 0.5, 1e-3
FAR_PX = 5.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A row of the table."""

    name: str
    row: Row
    imported: str
    """What `streamseg import` said where it refused; empty where it wrote a file."""
    found: tuple[str, ...] = ()
    """A sentence for each backend."""

    def __str__(self) -> str:
        found = self.found or ("", "")
        flags = f"`{shlex.join(self.row.flags)}`" if self.row.flags else "none"
        return f"| {self.name} | {self.row.exporter} | {flags} | {self.imported or 'right'} | {' | '.join(found)} |"


def compare(folder: Path) -> Compared:
    row, expected = read_row(folder)
    made = folder / "imported.onnx"
    command = [sys.executable, "-m", "streamseg", "import", str(folder / MODEL), str(made), "--overwrite", *row.flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Compared(folder.name, row, " ".join(done.stderr.split())[:300])
    print(done.stdout.strip(), file=sys.stderr)
    return Compared(folder.name, row, "", tuple(_on(backend, made, folder, row, expected) for backend in BACKENDS))


def _on(backend: str, made: Path, folder: Path, row: Row, expected: list[Found]) -> str:
    try:
        network = load_segmenter(str(made), backend=backend).make(1)
    except Exception as error:  # a backend that has not all of a graph's operators is a row too
        return f"refused: {str(error).splitlines()[0][:120]}"
    try:
        frames = [Frame(image, i, 0.0, 0.0) for i, image in enumerate(pictures(folder.parent, row))]
        given = [network([frame])[0] for frame in frames]
    except Exception as error:
        return f"failed: {str(error).splitlines()[0][:120]}"
    finally:
        network.close()
    pairs = list(zip(given, expected, strict=True))
    return _labels(pairs) if expected[0].labels is not None else _objects(pairs, frames)


def _labels(pairs: list[tuple[Segmentation, Found]]) -> str:
    shares, several = [], set()
    for given, expected in pairs:
        assert expected.labels is not None
        if given.labels.shape != expected.labels.shape:
            return f"labels of {given.labels.shape}, not {expected.labels.shape}"
        shares.append(float((given.labels == expected.labels).mean()))
        several |= set(np.unique(expected.labels).tolist())
    return f"{min(shares):.4f} of labels, {len(several)} classes"


def _objects(pairs: list[tuple[Segmentation, Found]], frames: list[Frame]) -> str:
    theirs = ours = near = 0
    far_px, far_score, overlaps = 0.0, 0.0, []
    for (given, expected), frame in zip(pairs, frames, strict=True):
        assert given.instances is not None
        boxes = expected.boxes.clip(0, (frame.width, frame.height) * 2)
        inside = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(1))  # others are no part of the picture
        theirs, ours = theirs + len(inside), ours + len(given.instances)
        for i, j in _paired(given.instances, expected, boxes, inside):
            px = float(np.abs(given.instances.boxes[j] - boxes[i]).max())
            apart = float(abs(given.instances.scores[j] - expected.scores[i]))
            far_px, far_score = max(far_px, px), max(far_score, apart)
            near += px < NEAR_PX and apart < NEAR_SCORE
            if expected.masks is not None:
                overlaps.append(_overlap(given.instances, j, expected.masks[i], frame))
    told = f"{near} of {theirs} objects ({ours} here), box {far_px:.3f} px, score {far_score:.5f}"
    return f"{told}, mask IoU {np.mean(overlaps):.4f} (lowest {min(overlaps):.4f})" if overlaps else told


def _paired(
    given: Instances, expected: Found, boxes: NDArray[np.float32], inside: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Expected and given objects of one class, each once, that lie and score most alike."""
    left = set(range(len(given)))
    pairs = []
    for i in inside.tolist():
        apart = {
            j: float(np.abs(given.boxes[j] - boxes[i]).max() + 100 * abs(given.scores[j] - expected.scores[i]))
            for j in left
            if given.class_ids[j] == expected.class_ids[i]
        }
        best = min(apart, key=lambda j: apart[j], default=None)
        if best is not None and apart[best] < FAR_PX:
            left.remove(best)
            pairs.append((i, best))
    return pairs


def _overlap(given: Instances, index: int, mask: NDArray[np.bool_], frame: Frame) -> float:
    """Intersection over union at the size of `mask`; two empty ones are alike."""
    mine = given.mask(index, (frame.height, frame.width), (mask.shape[0], mask.shape[1]))
    union = int((mine | mask).sum())
    return int((mine & mask).sum()) / union if union else 1.0

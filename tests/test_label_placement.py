"""Labels of one size brought to another lie where they were: nothing drawn, written or measured is shifted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.result import Result
from streamseg.segmentation import Segmentation
from streamseg.sinks.images import MasksSink
from tests.parts.fakes import CLASSES


def disc(size: tuple[int, int], labels: tuple[int, int]) -> tuple[Shown, tuple[float, float], float]:
    """A frame of `size` with a disc found in `labels`; its centre and its area in pixels of the frame."""
    y, x = np.mgrid[: labels[0], : labels[1]] + 0.5
    inside = (x / labels[1] - 0.4) ** 2 + (y / labels[0] - 0.6) ** 2 < 0.3**2
    frame = Frame(np.zeros((*size, 3), np.uint8), 0, 0.0, 0.0, "disc")
    found = Segmentation(inside.astype(np.uint8), CLASSES, 0, 0.0)
    return Shown(frame, found, frame.pixels, 0, {}), (0.4 * size[1], 0.6 * size[0]), inside.mean() * size[0] * size[1]


def written(shown: Shown, folder: Path) -> np.ndarray:
    sink = MasksSink(f"masks:{folder}")
    sink.write(shown)
    sink.close()
    (file,) = folder.glob("*.png")
    with Image.open(file) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("size", [(144, 176), (97, 131), (288, 384), (333, 500), (1080, 1920)])
@pytest.mark.parametrize("labels", [(256, 256), (180, 320)])
def test_a_mask_lies_where_it_was_found_and_is_as_large(
    size: tuple[int, int], labels: tuple[int, int], tmp_path: Path
) -> None:
    shown, centre, area = disc(size, labels)
    png = written(shown, tmp_path / "masks") == 1
    assert png.shape == size
    y, x = np.nonzero(png)
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx(centre, abs=0.2)
    assert png.sum() == pytest.approx(area, rel=0.004)
    assert np.array_equal(Result.of(shown).full_labels() == 1, png)

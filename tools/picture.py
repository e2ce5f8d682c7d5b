"""Makes the README's picture: NASA's portrait of Eileen Collins (public domain, in scikit-image) in four views.

python tools/picture.py docs/pictures/person.jpg
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from streamseg.assembly import assemble
from streamseg.config import make_options

HEIGHT = 420
VIEWS: dict[str, dict[str, object]] = {
    "source": {},
    "overlay": {"outline": True, "legend": True},
    "blur": {},
    "replace": {"background": "#2f6f8f"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    target = parser.parse_args().file
    with tempfile.TemporaryDirectory() as folder:
        portrait = Path(folder) / "portrait.png"
        cv2.imwrite(
            str(portrait), cv2.resize(data.astronaut()[:, :, ::-1], (HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA)
        )
        pictures = [
            next(iter(assemble(make_options({"source": str(portrait), "view": view, **options})))).image
            for view, options in VIEWS.items()
        ]
    cv2.imwrite(target, np.hstack(pictures), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()

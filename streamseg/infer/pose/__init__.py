"""People at any distance, in any number and position: found, then looked at closely one by one, then followed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.infer.model.catalogue import Listed, added_folders

NAME = "person-pose"
SUMMARY = "people at any distance and in any position, up to six at once, as one class"
LICENCE = "Apache-2.0"
SCORE = "90.7 % IoU of people who fill the picture (person-pose.md)"
CLOSE_UP = "person"
"""The network that is asked where nobody is found: it knows people of whom only the face is to be seen."""
_FOLDER = "pose"
"""Its networks are in a folder of that name beside those that are models by themselves."""


def files() -> tuple[Path, ...]:
    """Those of the detector and the landmarks; empty where the package that has them is not installed."""
    there = (folder / _FOLDER for folder in added_folders() if (folder / _FOLDER).is_dir())
    return next((tuple(folder / f"{part}.onnx" for part in ("detector", "landmarks")) for folder in there), ())


def list_itself() -> Iterator[Listed]:
    """Its line in a list of models, where it is installed."""
    if found := files():
        size = sum(file.stat().st_size for file in found)
        yield Listed(NAME, "network", ("background", "person"), size, LICENCE, SCORE, SUMMARY)


def load(backend: str | None = None, gpu: int = 0) -> SegmenterFactory:
    """The recipe of `person-pose`; its networks are small, and run on the processor where no `backend` is named.

    Raises:
        InputError: there is no such backend, or the model is not installed.
    """
    from streamseg.infer import load_segmenter, unknown_model
    from streamseg.infer.backends import REFERENCE, check_wanted, open_backend
    from streamseg.infer.pose.people import People

    check_wanted(backend)
    found = files()
    if not found:
        raise unknown_model(NAME)
    close_up = load_segmenter(CLOSE_UP, backend=backend or REFERENCE, gpu=gpu or None)

    def make(threads: int) -> Segmenter:
        detector, landmarks = (open_backend(file, threads, backend or REFERENCE, gpu=gpu) for file in found)
        return People(detector, landmarks, close_up.make(threads))

    return SegmenterFactory(NAME, close_up.classes, make, parallel=False, licence=LICENCE)

"""What `streamseg models --try` does: says what a model is, lets it look, and writes what it found as a picture."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamseg.errors import InputError, printable

if TYPE_CHECKING:
    from streamseg.convert.importer import Imported
    from streamseg.frame import Image
    from streamseg.model import Model
    from streamseg.result import Result

_SCENE = "test://?frames=40&size=1280x720"
_EVERY = 4
_FEW = 4  # classes that are named
_LEAST = 5e-4  # of the picture, to be worth a word


def try_model(name: str, picture: Path | None, *, overwrite: bool, gpu: int | None = None) -> None:
    """Tells of the model `name` on the standard output, and writes NAME-try.png here: before, and after.

    A file that was not imported is taken as `streamseg import` would take it; nothing is kept of that.
    `gpu` is the number of an NVIDIA GPU.

    Raises:
        InputError: there is no such model or picture, or the import would have a question.
        OutputError: there is a picture of that name already, or it cannot be written.
        BackendError: the model does not run here.
    """
    from streamseg.files import refuse_existing
    from streamseg.imagefile import read_image
    from streamseg.model import load

    image = None if picture is None else read_image(picture)
    target = Path(f"{Path(name).stem}-try.png")
    refuse_existing(target, overwrite=overwrite, read=[picture] if picture else [])
    with tempfile.TemporaryDirectory() as folder:
        file, told = _told(name, Path(folder))
        print(printable(told))
        with load(file, gpu=gpu) as model:
            found, scene = _look_at_scene(model)
            print(printable(f"test scene:  {found}"))
            if image is None or picture is None:
                image = scene
            else:
                print(printable(f"{picture}:  {in_words(model(image))}"))
            print(printable(f"look at it:  {before_and_after(model, image, target, overwrite=overwrite)}"))


def before_and_after(model: Model, picture: Image, target: Path, *, overwrite: bool) -> Path:
    """Writes `picture` beside what the model finds in it; gives the file's name.

    Raises:
        OutputError: it is there already, or cannot be written.
    """
    import cv2

    from streamseg.files import write_whole

    after = model(picture).draw(picture, outline=True, legend=True)
    raw = cv2.imencode(".png", np.concatenate([picture, after], axis=1 if picture.shape[0] > picture.shape[1] else 0))
    return write_whole(target, raw[1].tobytes(), replace=overwrite)


def in_words(result: Result) -> str:
    """`3 person, 1 car`, or the largest areas: `road 41 %, sky 20 %`."""
    classes = result.classes
    if result.instances is not None:
        ids, counts = np.unique(result.instances.class_ids, return_counts=True)
        most = np.argsort(-counts, kind="stable")
        words = [f"{counts[i]} {classes.names[ids[i]]}" for i in most]
    else:
        areas = result.areas()
        order = [i for i in np.argsort(-areas, kind="stable") if i != classes.background and areas[i] > _LEAST]
        words = [f"{classes.names[i]} {areas[i]:.1%}" for i in order]
    return ", ".join(words[:_FEW] + (["…"] if len(words) > _FEW else [])) or "nothing found"


def _told(name: str, folder: Path) -> tuple[str, str]:
    """What to load, and what it is in a line or two."""
    from streamseg.convert.words import described
    from streamseg.infer import list_models, network_file
    from streamseg.infer.model.onnxfile import inspect_onnx
    from streamseg.infer.model.spec import METADATA_KEY, spec_beside, spec_inside

    listed = next((each for each in list_models() if each.name == name), None)
    if listed is not None and not (listed.kind == "network" and listed.size_bytes):
        return name, f"{name}: {listed.summary}; {len(listed.classes)} classes"
    file = network_file(name)
    found = inspect_onnx(file)
    beside = spec_beside(file)
    if beside is None and METADATA_KEY not in found.metadata:
        made = _imported(file, folder)
        return str(made.file), f"{file}, not imported yet: {made.assumed}"
    spec = beside or spec_inside(file, found.metadata)
    where = f", by {file.with_suffix('.yaml').name}" if beside else ""
    return str(file), f"{file}{where}: {described(spec, found.inputs, found.outputs)}"


def _imported(file: Path, folder: Path) -> Imported:
    from streamseg.convert.importer import import_model

    try:
        return import_model(file, folder / f"{file.stem}.onnx")
    except InputError as error:
        hint = f"{error.hint}, in `streamseg import`" if "--" in error.hint else error.hint
        raise InputError(error.message, hint) from None


def _look_at_scene(model: Model) -> tuple[str, Image]:
    """What it finds in the last picture of a generated scene, how long one takes, and that picture."""
    from streamseg.capture import open_source

    source = open_source(_SCENE)
    try:
        images = [frame.image for frame in source][::_EVERY]
    finally:
        source.close()
    seconds = []
    for image in images:
        started_s = time.perf_counter()
        result = model(image)
        seconds.append(time.perf_counter() - started_s)
    return f"{in_words(result)}; {statistics.median(seconds) * 1e3:.0f} ms a picture of 1280x720", images[-1]

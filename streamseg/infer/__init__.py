"""What is in the picture: networks and classical methods, each a segmenter behind one name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from streamseg.contracts import Recipe
from streamseg.errors import InputError
from streamseg.infer.catalogue import find_model, network_names

_PICKLED = "pickled files can run code and are not read; export it with torch.onnx.export where it was trained"
_ENGINE = "an engine runs code of whoever built it and is not read; name the .onnx file"
_NO_MODELS = {
    ".pt": _PICKLED,
    ".pth": _PICKLED,
    ".pkl": _PICKLED,
    ".tflite": "convert it to ONNX, then `streamseg import`",
    ".engine": _ENGINE,
    ".plan": _ENGINE,
    ".trt": _ENGINE,
}


def load_recipe(
    name_or_path: str, settings: Mapping[str, object] | None = None, *, backend: str | None = None
) -> Recipe:
    """Finds and checks a model: a network's name, a classical method's name, or the path of an .onnx file.

    `settings` are a classical method's own; `backend` is a name out of `backends.BACKENDS`, tried first.

    Raises:
        InputError: there is no such model, it is wrong in itself, or the settings are not its own.
    """
    from streamseg.infer import classical

    settings = settings or {}
    file = find_model(name_or_path)
    if file is None and name_or_path in classical.METHODS:
        return classical.load(name_or_path, settings)
    if settings:
        raise InputError(f"'{name_or_path}' takes no settings", "only classical methods do")
    return _network(file or _onnx_path(name_or_path), backend)


def _network(file: Path, backend: str | None) -> Recipe:
    from streamseg.infer.backends import check_wanted, open_backend
    from streamseg.infer.check import check_model, input_info
    from streamseg.infer.network import Network
    from streamseg.infer.onnxfile import inspect_onnx
    from streamseg.infer.spec import spec_beside, spec_classes, spec_inside

    check_wanted(backend)
    found = inspect_onnx(file)
    spec = spec_beside(file) or spec_inside(file, found.metadata)
    check_model(spec, found.inputs, found.outputs)
    shape = input_info(spec, found.inputs).shape
    return Recipe(
        name=spec.name,
        classes=spec_classes(spec),
        make=lambda threads: Network(spec, open_backend(file, threads, backend)),
        parallel=True,
        batch=(shape[0] if shape else None) or 1,
        instances=spec.task == "instance",
        licence=spec.licence,
    )


def _onnx_path(text: str) -> Path:
    path = Path(text)
    hint = _NO_MODELS.get(path.suffix.lower())
    if hint:
        raise InputError(f"{text}: streamseg runs ONNX files, not {path.suffix}", hint)
    if path.suffix.lower() == ".onnx":
        if path.is_file():
            return path
        raise InputError(f"{text}: no such file")
    raise _unknown(text)


def _unknown(name: str) -> InputError:
    from streamseg.infer import classical

    close = difflib.get_close_matches(name, [*network_names(), *classical.METHODS], n=3)
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    return InputError(f"no model '{name}'", f"{guess}see `streamseg models`")

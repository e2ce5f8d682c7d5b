"""What is in the picture: networks and classical methods, each a segmenter behind one name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.contracts import Recipe, Segmenter, Tuned
from streamseg.errors import InputError
from streamseg.infer.catalogue import find_model, network_names

if TYPE_CHECKING:
    from streamseg.infer.backends.contract import Backend
    from streamseg.infer.spec import ModelSpec
    from streamseg.infer.tuned import Choice

_PICKLED = "pickled files can run code and are not read; export it with torch.onnx.export where it was trained"
_ENGINE = "an engine runs code of whoever built it: name the .onnx file, or --trust-engine if that was you"
_ENGINES = (".engine", ".plan", ".trt")
_NO_MODELS = {
    ".pt": _PICKLED,
    ".pth": _PICKLED,
    ".pkl": _PICKLED,
    ".tflite": "convert it to ONNX, then `streamseg import`",
    **dict.fromkeys(_ENGINES, _ENGINE),
}


def load_recipe(
    name_or_path: str,
    settings: Mapping[str, object] | None = None,
    *,
    backend: str | None = None,
    trust_engine: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Recipe:
    """Finds and checks a model: a network's name, a classical method's name, or the path of an .onnx file.

    `settings` are a classical method's own; `backend` is a name out of `backends.BACKENDS`, taken instead of the best.
    `trust_engine` admits the path of a TensorRT engine, which can run any code. Whatever takes long asks `stopped`.

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
    if trust_engine and Path(name_or_path).suffix.lower() in _ENGINES:
        return _engine(Path(name_or_path), backend)
    return _network(file or _onnx_path(name_or_path), backend, stopped)


def find_network(name_or_path: str) -> Path:
    """The file of a network: by its name, or by its path.

    Raises:
        InputError: there is none.
    """
    return find_model(name_or_path) or _onnx_path(name_or_path)


def _network(file: Path, backend: str | None, stopped: Callable[[], bool]) -> Recipe:
    from streamseg.infer.backends import REFERENCE, check_wanted, openers
    from streamseg.infer.check import check_model, input_info
    from streamseg.infer.network import MOST_AT_ONCE
    from streamseg.infer.onnxfile import inspect_onnx
    from streamseg.infer.spec import spec_beside, spec_classes, spec_inside
    from streamseg.infer.stepping import SteppingNetwork

    check_wanted(backend)
    found = inspect_onnx(file)
    spec = spec_beside(file) or spec_inside(file, found.metadata)
    check_model(spec, found.inputs, found.outputs)
    shape = input_info(spec, found.inputs).shape
    batch = shape[0] if shape else None
    reference = openers(file, 1, REFERENCE)[REFERENCE]
    tuned = {} if backend else _tuned(spec, file, reference, stopped)
    return Recipe(
        name=spec.name,
        classes=spec_classes(spec),
        make=tuned["file"].make
        if "file" in tuned
        else lambda threads: SteppingNetwork(spec, openers(file, threads, backend, stopped), reference),
        parallel=True,
        batch=batch or 1,
        most=batch or MOST_AT_ONCE,
        instances=spec.task == "instance",
        licence=spec.licence,
        tuned=tuned,
    )


def _tuned(
    spec: ModelSpec, file: Path, reference: Callable[[], Backend], stopped: Callable[[], bool]
) -> dict[str, Tuned]:
    """What `streamseg tune` found."""
    from streamseg.infer.stepping import SteppingNetwork
    from streamseg.infer.tuned import remembered, tuned_openers

    def maker(choice: Choice) -> Callable[[int], Segmenter]:
        return lambda threads: SteppingNetwork(
            spec, tuned_openers(file, threads, choice, stopped), reference, compared=choice.backend
        )

    return {goal: Tuned(choice.workers, choice.threads, maker(choice)) for goal, choice in remembered(file).items()}


def _engine(file: Path, backend: str | None) -> Recipe:
    """A recipe of an engine that somebody vouches for; only the YAML beside it can say what it is."""
    from streamseg.infer.backends import check_wanted
    from streamseg.infer.backends.tensorrt.opening import open_foreign
    from streamseg.infer.network import Network
    from streamseg.infer.spec import spec_beside, spec_classes

    check_wanted(backend)
    spec = spec_beside(file)
    if spec is None:
        raise InputError(f"{file}: nothing says how to feed this engine", f"write {file.with_suffix('.yaml').name}")
    return Recipe(
        name=spec.name,
        classes=spec_classes(spec),
        make=lambda threads: Network(spec, open_foreign(file, spec, backend)),
        parallel=True,
        instances=spec.task == "instance",
        licence=spec.licence,
    )


def network_file(name_or_path: str) -> Path:
    """The file of a network.

    Raises:
        InputError: there is none of that name.
    """
    from streamseg.infer import classical

    if name_or_path in classical.METHODS:
        raise InputError(f"'{name_or_path}' is a classical method", "this is for networks; see `streamseg models`")
    return find_model(name_or_path) or _onnx_path(name_or_path)


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

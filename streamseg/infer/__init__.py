"""What is in the picture: networks and classical methods, each a segmenter behind one name."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg import installing
from streamseg.contracts import Segmenter, SegmenterFactory, SimpleSegmenter, Workers
from streamseg.errors import InputError
from streamseg.files import missing
from streamseg.infer.model.catalogue import (
    IN_PACKAGES,
    SHIPPED,
    Listed,
    added_names,
    find_added,
    find_model,
    list_added,
    list_networks,
    network_names,
)
from streamseg.infer.model.foreign import what_it_is
from streamseg.infer.own import OwnSegmenter
from streamseg.machine import nvidia_gpus
from streamseg.prompts import Prompts
from streamseg.said import Said
from streamseg.segmentation import Classes

if TYPE_CHECKING:
    from streamseg.infer.tuning_store import Choice

_PICKLED = (
    "pickled files can run code: export it where it was made, by torch.onnx.export or `yolo export model=FILE.pt "
    "format=onnx`, then streamseg import FILE.onnx"
)
_ENGINE = "an engine can run code of those who built it: name the .onnx file, or --trust-engine if that was you"
_ENGINES = (".engine", ".plan", ".trt")
_NO_MODELS = {
    ".pt": _PICKLED,
    ".pth": _PICKLED,
    ".pkl": _PICKLED,
    ".ckpt": _PICKLED,
    ".torchscript": _PICKLED,
    **dict.fromkeys(
        (".tflite", ".h5", ".keras", ".safetensors"), "convert it to ONNX, then streamseg import FILE.onnx"
    ),
    **dict.fromkeys(_ENGINES, _ENGINE),
}
"""Suffixes of models that are not run, and what to do with each."""


def load_segmenter(
    name_or_path: str,
    settings: Mapping[str, object] | None = None,
    *,
    backend: str | None = None,
    gpu: int | None = None,
    trust_engine: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    said: Said | None = None,
    prompts: Prompts | None = None,
) -> SegmenterFactory:
    """Finds and checks a model: a network's name, a classical method's name, or the path of an .onnx file.

    `settings` are a classical method's own; `backend` is a name out of `backends.BACKENDS`, taken instead of the best.
    `gpu` is the number of an NVIDIA GPU, by default the first.
    `trust_engine` admits the path of a TensorRT engine, which can run any code. Whatever takes long asks `stopped`.
    Recipes that share `said` say what their backends miss only once. A model that is asked reads `prompts`.

    Raises:
        InputError: there is no such model or GPU, it is wrong in itself, or the settings are not its own.
    """
    from streamseg.infer import choosing, classical, pose

    check_gpu(gpu)
    gpu = gpu or 0
    settings = settings or {}
    file = find_model(name_or_path)
    if file is None and name_or_path in classical.METHODS:
        return classical.load(name_or_path, settings, prompts, backend, gpu)
    if settings:
        raise InputError(f"'{name_or_path}' takes no settings", "only classical methods do")
    if file is None and name_or_path == pose.NAME:
        return pose.load(backend, gpu)
    if file is None and name_or_path == choosing.NAME:
        said = said or Said()
        find = functools.partial(load_segmenter, backend=backend, gpu=gpu or None, stopped=stopped, said=said)
        return choosing.load(find, said)
    if trust_engine and Path(name_or_path).suffix.lower() in _ENGINES:
        return _engine(Path(name_or_path), backend, gpu)
    if file is None and not Path(name_or_path).suffix:
        added = find_added(name_or_path)
        if added is not None and not isinstance(added, str | os.PathLike):
            return _of_package(name_or_path, added)
    return _network(file or _onnx_path(name_or_path), backend, gpu, stopped, said)


def check_gpu(number: int | None) -> None:
    """Raises InputError where CUDA shows no NVIDIA GPU of that number; None is the first, which need not be there."""
    if number is None:
        return
    there = len(nvidia_gpus())
    if number >= there:
        shown = f"CUDA shows {there}, counted from 0" if there else "there is none here"
        raise InputError(f"no NVIDIA GPU {number}: {shown}", "`streamseg doctor` lists them")


def list_models() -> list[Listed]:
    """Everything that `--model` takes by name; a model that cannot be read is logged and left out."""
    from streamseg.infer import choosing, classical, pose

    methods = [
        Listed(name, "classical", classical.load(name, {}).classes.names, 0, "Apache-2.0", "", method.summary)
        for name, method in classical.METHODS.items()
    ]
    ours = [*list_networks(), *pose.list_itself(), *choosing.list_itself(), *methods]
    taken = {model.name for model in ours}
    return [*ours, *(model for model in list_added() if model.name not in taken)]


def _network(
    file: Path, backend: str | None, gpu: int, stopped: Callable[[], bool], said: Said | None
) -> SegmenterFactory:
    from streamseg.infer.backends import REFERENCE, check_wanted, is_remote, openers, paying_workers
    from streamseg.infer.failover import FailoverNetwork
    from streamseg.infer.memory import refuse_states, with_states
    from streamseg.infer.model.geometry import sized
    from streamseg.infer.model.onnxfile import inspect_onnx
    from streamseg.infer.model.spec import spec_beside, spec_classes, spec_inside
    from streamseg.infer.model.validate import check_model, input_info
    from streamseg.infer.network import MOST_AT_ONCE
    from streamseg.infer.remote import RemoteNetwork, Server
    from streamseg.infer.tuning_store import remembered, tuned_openers

    check_wanted(backend)
    said = said or Said()
    found = inspect_onnx(file)
    spec = spec_beside(file) or spec_inside(file, found.metadata)
    spec = with_states(spec, found.inputs, found.outputs)
    check_model(spec, found.inputs, found.outputs)
    shape = input_info(spec, found.inputs).shape
    whole, remembers = sized(spec.input, shape), bool(spec.states)
    batch = 1 if remembers else shape[0] if shape else None
    reference = openers(file, 1, REFERENCE)[REFERENCE]
    choices = {} if backend or remembers else remembered(file)
    servers: list[Server] = []
    if is_remote(backend):
        refuse_states(spec, file, "a server")
        servers = [Server(*each) for each in openers(file, 1, backend).items()]

    def make(choice: Choice | None, threads: int) -> Segmenter:
        if choice is None:
            chain, compared = openers(file, threads, None if servers else backend, stopped, gpu), REFERENCE
        else:
            chain, compared = tuned_openers(file, threads, choice, stopped, gpu), choice.backend
        network = FailoverNetwork(spec, chain, reference, compared, said, gpu)
        return RemoteNetwork(spec, servers, network, said) if servers else network

    return SegmenterFactory(
        name=spec.name,
        classes=spec_classes(spec),
        make=functools.partial(make, choices.get("file")),
        parallel=not remembers,
        workers=paying_workers(backend),
        batch=batch or 1,
        most=None if remembers else batch or MOST_AT_ONCE,
        instances=spec.task == "instance",
        licence=spec.licence,
        side=max(whole.height or 0, whole.width or 0) or whole.largest or whole.side,
        tuned={
            goal: Workers(choice.workers, choice.threads, functools.partial(make, choice))
            for goal, choice in choices.items()
        },
    )


def _engine(file: Path, backend: str | None, gpu: int) -> SegmenterFactory:
    """A recipe of an engine that the user vouches for; only the YAML beside it can say what it is."""
    from streamseg.infer.backends import check_wanted, paying_workers
    from streamseg.infer.backends.tensorrt.load import open_foreign
    from streamseg.infer.model.spec import spec_beside, spec_classes
    from streamseg.infer.network import Network

    check_wanted(backend)
    spec = spec_beside(file)
    if spec is None:
        raise InputError(f"{file}: nothing says how to feed this engine", f"write {file.with_suffix('.yaml').name}")
    return SegmenterFactory(
        name=spec.name,
        classes=spec_classes(spec),
        make=lambda threads: Network(spec, open_foreign(file, spec, backend, gpu)),
        parallel=True,
        workers=paying_workers(backend or "tensorrt"),
        instances=spec.task == "instance",
        licence=spec.licence,
    )


def network_file(name_or_path: str) -> Path:
    """The file of a network: by its name, or by its path.

    Raises:
        InputError: there is none, or it is no network, or several.
    """
    from streamseg.infer import classical

    file = find_model(name_or_path)
    if file is None and name_or_path in classical.METHODS:
        raise InputError(f"'{name_or_path}' is a classical method", "this is for networks; see `streamseg models`")
    return file or _onnx_path(name_or_path)


def _onnx_path(text: str) -> Path:
    from streamseg.infer import choosing, pose

    if text in (pose.NAME, choosing.NAME):
        raise InputError(f"{text}: is several networks", "this is for one; see `streamseg models`")
    check_format(text)
    path = Path(text)
    if path.suffix.lower() == ".onnx":
        try:
            there = path.is_file()
        except OSError as error:  # in a folder that is not this user's, or too long a name
            raise InputError(f"{text}: {error.strerror}") from None
        if there:
            return path
        raise missing(text)
    added = find_added(text)
    if isinstance(added, str | os.PathLike):
        return Path(added)
    raise unknown_model(text)


def check_format(path: str) -> None:
    """Looks at what the name of a file ends in.

    Raises:
        InputError: it is that of a model, and not of one that streamseg takes.
    """
    suffix = Path(path).suffix
    if hint := _NO_MODELS.get(suffix.lower()):
        raise InputError(f"{path}: streamseg runs ONNX files, not {suffix}", hint)


def _of_package(name: str, make: Callable[[], SimpleSegmenter]) -> SegmenterFactory:
    """Of a model that another package makes; each stream has one of its own."""
    classes = getattr(make, "classes", None)
    if not isinstance(classes, Classes):
        segmenter = make()
        classes = segmenter.classes
        segmenter.close()
    return SegmenterFactory(name, classes, lambda threads: OwnSegmenter(make()), parallel=True, workers=1)


def unknown_model(name: str) -> InputError:
    """What to say of a name that no model has here: how to install it, or what comes near."""
    from streamseg.infer import choosing, classical

    if name in IN_PACKAGES:
        return InputError(f"model '{name}' is in a package of its own", installing.models(IN_PACKAGES[name]))
    if not SHIPPED.is_dir():
        hint = "a program that is packed needs streamseg's data files beside its modules, and neither in a zip"
        return InputError(f"no model '{name}': streamseg's own models are not in {SHIPPED}", hint)
    known = dict.fromkeys([*network_names(), choosing.NAME, *IN_PACKAGES, *classical.METHODS, *added_names()])
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        return InputError(f"no model '{name}'", f"did you mean {' or '.join(close)}? see `streamseg models`")
    what, hint = what_it_is(Path(name)) if name else ("", "")
    if what:
        return InputError(f"{name}: not an ONNX model but {what}", hint)
    return InputError(f"no model '{name}'", "see `streamseg models`; one of your own: streamseg import FILE.onnx")

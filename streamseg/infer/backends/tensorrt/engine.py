"""The engine of a model: out of the cache, or built and kept."""

from __future__ import annotations

import logging
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from streamseg.errors import OutputError
from streamseg.folders import engines_folder, needed
from streamseg.infer.backends.kept import Key
from streamseg.infer.backends.tensorrt.builder import Plan, Profile, Progress, build_plan, make_profiles
from streamseg.infer.backends.tensorrt.cache import cached, plan_path
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.prepare import Precision, preparation, prepare
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.onnxfile import inspect_onnx, model_sha256
from streamseg.infer.model.validate import check_model

_log = logging.getLogger(__name__)
_unkept: dict[Path, bytes] = {}
"""Plans that were built and could not be written, by where they would lie."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A plan on disk."""

    path: Path
    plan: bytes
    layers: int | None
    """None where it came out of the cache."""
    seconds: float
    why: str
    """Why it was built; empty where it was not."""


def get_engine(
    library: Library,
    file: Path,
    precision: Precision,
    *,
    target: str | None,
    gpu: str,
    progress: Progress,
    folder: Path | None = None,
    refused: bytes | None = None,
    must_be_kept: bool = True,
) -> Engine:
    """The engine of the model in `file` for `target` ("sm86") or, where that is None, for this machine's `gpu`.

    A kept plan that is the `refused` one is built again. One that was built and cannot be written, for want of space
    say, is given all the same unless it `must_be_kept`; others of this process get it too.

    Raises:
        InputError: the model is broken, or its spec is that of another.
        BackendError: it cannot be built.
        OutputError: the folder cannot be written.
        KeyboardInterrupt: `progress` stopped the build.
    """
    started_s = time.monotonic()
    found, spec = inspect_onnx(file), load_spec(file)
    check_model(spec, found.inputs, found.outputs)
    profiles = make_profiles(spec, found.inputs)
    key = make_key(library, file, precision, profiles, target or gpu)
    path = plan_path(folder or needed(engines_folder(), "STREAMSEG_ENGINES"), file.stem, key)
    built: Plan | None = None
    why = ""

    def build(reason: str) -> bytes:
        nonlocal built, why
        unkept = _unkept.get(path)
        if unkept is not None and unkept != refused:
            return unkept
        _log.info("%s: building an engine for %s with %s: %s", file.stem, target or gpu, library.kind, reason)
        built, why = build_plan(library, prepare(file, precision), profiles, target=target, progress=progress), reason
        _unkept[path] = built.data
        return built.data

    def wait() -> None:
        if not progress(0.0):
            raise KeyboardInterrupt

    try:
        plan = cached(path, key, build, refused, wait)
        _unkept.pop(path, None)
    except OutputError as error:
        unkept = _unkept.get(path)
        if must_be_kept or unkept is None:
            raise
        if built:
            _log.warning("%s: the engine is not kept, the next start builds it again: %s", file.stem, error.message)
        plan = unkept
    return Engine(path, plan, built.layers if built else None, time.monotonic() - started_s, why)


def make_key(library: Library, file: Path, precision: Precision, profiles: dict[str, Profile], gpu: str) -> Key:
    """Everything that makes an engine unusable elsewhere, by the names that messages use."""
    shapes = (f"{name}: {each.least} to {each.most} at {each.usual}" for name, each in sorted(profiles.items()))
    return {
        "model": model_sha256(file),
        "preparation": preparation(),
        "library": f"{library.kind} {library.version}",
        "gpu": gpu,
        "precision": precision,
        "size": "; ".join(shapes),
        "system": f"{sys.platform} {platform.machine()}",
    }

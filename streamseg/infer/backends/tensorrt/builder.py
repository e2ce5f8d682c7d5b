"""From a prepared model to a plan: what an engine is called on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt.library import Library, is_news
from streamseg.infer.model.geometry import input_size, sized
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.model.tensors import TensorInfo

if TYPE_CHECKING:
    import tensorrt as trt

    from streamseg.infer.backends.tensorrt.library import Bindings

Progress = Callable[[float], bool]
"""Told how far the build is, 0..1; answers False to stop it."""
_MOST_AT_ONCE = 4  # frames in one run
_USUAL_FRAME = (1080, 1920)
# Where one side is fixed the other follows from the frame's aspect; every pixel of the most costs GPU memory.
_WIDEST_FRAME = (9, 22)


@dataclass(frozen=True, slots=True)
class Profile:
    """The shapes that an input may have: the least, the one to be fastest at, the most."""

    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A built engine, serialised."""

    data: bytes
    layers: int


def make_profiles(spec: ModelSpec, inputs: Sequence[TensorInfo]) -> dict[str, Profile]:
    """For every input the shapes that `spec` can lead to; fixed sides stay fixed."""
    return {info.name: _profile_of(info, sized(spec.input, info.shape)) for info in inputs}


def _profile_of(info: TensorInfo, wanted: InputSpec) -> Profile:
    def shape(batch: int, size: tuple[int, int]) -> tuple[int, ...]:
        free = wanted.shape(batch, size)
        return tuple(given if given is not None else free[i] for i, given in enumerate(info.shape or free))

    least, most = _sides(wanted)
    return Profile(shape(1, least), shape(1, input_size(wanted, _USUAL_FRAME)), shape(_MOST_AT_ONCE, most))


def _sides(wanted: InputSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """Least and most height and width."""
    if wanted.height is None and wanted.width is None:
        longest = (wanted.largest or wanted.side) + wanted.stride
        return (wanted.stride, wanted.stride), (longest, longest)
    (rows, columns) = zip(*(input_size(wanted, frame) for frame in (_WIDEST_FRAME, _WIDEST_FRAME[::-1])), strict=True)
    return (min(rows), min(columns)), (max(rows), max(columns))


def build_plan(
    library: Library, model: bytes, profiles: Mapping[str, Profile], *, target: str | None, progress: Progress
) -> Plan:
    """Builds `model` for `target` ("sm86"; TensorRT-RTX alone), or for the GPU of this machine.

    Raises:
        BackendError: the parser or the builder refuses; the message has the first reason given.
        KeyboardInterrupt: `progress` stopped it.
    """
    module = library.module
    if not progress(0.0):
        raise KeyboardInterrupt
    builder = library.make(lambda: module.Builder(library.logger))
    network = builder.create_network(_flags(module))
    parser = library.make(lambda: module.OnnxParser(network, library.logger))
    if not parser.parse(model):
        said = _parse_error(parser)
        raise BackendError(f"{library.kind} {library.version} does not take the model: {said}", _remedy(said))
    library.listen()
    config = builder.create_builder_config()
    if target is not None:
        _aim(library, config, target)
    config.add_optimization_profile(_profile(module, builder, profiles))
    monitor = _monitor(module, progress)
    config.progress_monitor = monitor
    plan: Any = builder.build_serialized_network(network, config)  # None where it failed; the stubs know no buffer
    if monitor.stopped:
        raise KeyboardInterrupt
    if plan is None:
        raise BackendError(f"{library.kind} {library.version} cannot build the model: {library.reason()}")
    return Plan(bytes(plan), network.num_layers)


def targets(library: Library) -> list[str]:
    """Architectures that can be built for without such a GPU: ["sm75", …]; none with TensorRT proper."""
    known = _capabilities(library)
    return [name.lower() for name in known.__members__ if name.startswith("SM")] if known else []


def _capabilities(library: Library) -> Any:
    """TensorRT-RTX's enumeration; None with TensorRT proper, which builds only for the GPU of this machine."""
    return getattr(library.module, "ComputeCapability", None)


def _flags(module: Bindings) -> int:
    """TensorRT 10 asks for strong typing; 11 and RTX know nothing else and may lack the flag."""
    flag = getattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _aim(library: Library, config: Any, target: str) -> None:
    known = targets(library)
    if target not in known:
        raise BackendError(
            f"{library.kind} builds for no {target}", f"one of {', '.join(known)}" if known else "leave out --for"
        )
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(_capabilities(library), target.upper()), 0)


def _profile(module: Bindings, builder: trt.Builder, profiles: Mapping[str, Profile]) -> trt.IOptimizationProfile:
    made = builder.create_optimization_profile()
    for name, profile in profiles.items():
        made.set_shape(name, *(module.Dims(list(shape)) for shape in (profile.least, profile.usual, profile.most)))
    return made


def _parse_error(parser: trt.OnnxParser) -> str:
    if not parser.num_errors:
        return "it did not say why"
    error = parser.get_error(0)
    lines = [line for line in str(error.desc()).splitlines() if is_news(line)]
    return f"node '{error.node_name()}': {' '.join(' '.join(lines).split())[:240]}"


def _remedy(said: str) -> str:
    """For networks that give as many objects as there are: TensorRT-RTX knows no outputs of such a shape."""
    many = any(op in said for op in ("NonZero", "NonMaxSuppression"))
    return "export it without suppression inside, as YOLO can be (nms=False)" if many else ""


def _monitor(module: Bindings, progress: Progress) -> Any:
    if TYPE_CHECKING:
        from tensorrt import IProgressMonitor
    else:
        IProgressMonitor = module.IProgressMonitor  # noqa: N806

    class Monitor(IProgressMonitor):
        """Counts the steps of the outermost phase, asks at every one; TensorRT calls it from threads of its own."""

        def __init__(self) -> None:
            IProgressMonitor.__init__(self)
            self.stopped = False
            self._outer = "", 1
            self._done = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._outer = phase_name, max(1, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            pass

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name == self._outer[0]:
                self._done = min(1.0, (step + 1) / self._outer[1])
            self.stopped = self.stopped or not progress(self._done)
            return not self.stopped

    return Monitor()

"""The import of networks that remember: which inputs are states, and what else they are fed besides the picture.

Lin et al., "Robust High-Resolution Video Matting with Temporal Guidance", WACV 2022, is the best known of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.hints import Hints, filled
from streamseg.convert.inputs import Probe
from streamseg.convert.job import Job
from streamseg.convert.neighbours import Told
from streamseg.errors import InputError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.memory import RememberingBackend, named_states, usual_values
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo, agree

if TYPE_CHECKING:
    import onnx

_SIDE = InputSpec().side
_PICTURES = (1, 3)  # channels: what has as many may be a picture, a trimap, a background
_MATTE, _FOREGROUND = "pha", "fgr"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a graph is fed besides the picture; both are empty for most."""

    states: Mapping[str, str]
    """Input to the output that it is fed with the next frame."""
    values: Mapping[str, float]
    """Inputs that are always the same number."""

    def around(self, backend: Backend) -> Backend:
        """The backend as one that takes a picture alone; a state is an output still where there is no other."""
        if not self.states:
            return backend
        hidden = {info.name for info in backend.outputs} != {*self.states.values()}
        return RememberingBackend(backend, self.states, self.values, hidden=hidden)

    def bound(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """`model` with the numbers as constants in it."""
        import onnx

        for value in [value for value in model.graph.input if value.name in self.values]:
            kind = value.type.tensor_type
            dims = [dim.dim_value or 1 for dim in kind.shape.dim]
            numbers = [self.values[value.name]] * (len(dims) and dims[0] or 1)
            model.graph.initializer.append(onnx.helper.make_tensor(value.name, kind.elem_type, dims, numbers))
            model.graph.input.remove(value)
        return model


def find_memory(source: Path, backend: Backend, given: Hints) -> Memory:
    """The states that a person names, then those that names tell of, then those that only one output can be.

    Raises:
        InputError: a pair that was given is none, or it is not clear which input the picture is.
    """
    inputs = {info.name: info for info in backend.inputs}
    outputs = {info.name: info for info in backend.outputs}
    states = _given(source, inputs, outputs, given.state or ())
    if len(inputs) < 2:
        return Memory({}, {})
    rest = [name for name in inputs if name not in states]
    named = named_states(rest, outputs.keys() - {*states.values()})
    states |= {name: pair for name, pair in named.items() if _fit(inputs[name], outputs[pair])}
    rest = [name for name in inputs if name not in states]
    alike = _alike([inputs[name] for name in rest], [outputs[name] for name in outputs if name not in states.values()])
    if len(alike) < len(rest) and len(states) + len(alike) < len(outputs):
        states |= alike
    rest = [name for name in inputs if name not in states]
    sides = [side or 0 for name in rest for side in inputs[name].shape or ()]
    values = usual_values(rest, max([*sides, given.height or 0, given.width or 0]) or _SIDE)
    pictures = [name for name in rest if name not in values]
    if len(pictures) != 1 or len({*states.values()}) < len(states):
        hint = "export it with all but the picture as constants in it"
        if any(_fit(inputs[name], info) for name in rest for info in outputs.values()):
            hint = (
                f"where it is fed what it gave for the frame before: --state IN=OUT, IN one of {', '.join(rest)}, OUT"
                f" one of {', '.join(outputs)}"
            )
        raise InputError(f"{source}: expected one input, found {len(inputs)} ({', '.join(inputs)})", hint)
    if (count := (inputs[pictures[0]].shape or (1,))[0] or 1) > 1 and len(inputs[pictures[0]].shape or ()) == 4:
        raise InputError(f"{source}: remembers frames, and takes {count} at once", "export it for one")
    return Memory(states, values)


def matting_hints(original: Backend, memory: Memory, told: Told) -> Told:
    """`told`, and what the names of a matting network's outputs tell."""
    if not {_MATTE, _FOREGROUND} <= {info.name for info in original.outputs}:
        return told
    hints, where = Hints(output=_MATTE, role="probability"), "the names of its outputs"
    if memory.values:
        robust = Hints(normalise="0..1", classes=("background", "person"), background=0)
        hints, where = filled(hints, robust), "the names of Robust Video Matting"
    return replace(told, hints=filled(told.hints, hints), where=(*told.where, where))


def write_sizes(job: Job, taken: InputSpec, seen: Probe) -> None:
    """Where the picture's size is known, shapes of all inputs are written into the graph: those of states as they came.

    A state that is exported as one pixel, which is repeated, gets the size that it has from the first frame on.
    """
    if taken.height is None or taken.width is None or not isinstance(job.original, RememberingBackend):
        return
    shapes = {taken.name or "": seen.shape} | job.original.shapes
    shapes |= {pair: shapes[name] for name, pair in job.states.items()}
    for value in (*job.model.graph.input, *job.model.graph.output):
        if value.name in shapes:
            del value.type.tensor_type.shape.dim[:]
            for side in shapes[value.name]:
                value.type.tensor_type.shape.dim.add(dim_value=side)
    del job.model.graph.value_info[:]  # they speak of free sides


def _given(
    source: Path, inputs: Mapping[str, TensorInfo], outputs: Mapping[str, TensorInfo], pairs: Sequence[str]
) -> dict[str, str]:
    states = {}
    for pair in pairs:
        name, _, output = pair.partition("=")
        for what, word, known in (("input", name, inputs), ("output", output, outputs)):
            if word not in known:
                raise InputError(f"{source}: state '{pair}': no {what} '{word}'", f"one of {', '.join(known)}")
        if not _fit(inputs[name], outputs[output]):
            told = " and ".join(f"{each.dtype} {each.shape}" for each in (inputs[name], outputs[output]))
            raise InputError(f"{source}: state '{pair}': they are {told}", "what comes out must be able to go in")
        states[name] = output
    return states


def _alike(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> dict[str, str]:
    """Inputs that can be no picture, each with the only output that has its shape."""
    found = {}
    for info in inputs:
        shape = info.shape
        if shape is None or None in shape or len(shape) < 2 or {shape[1], shape[-1]} & {*_PICTURES}:
            continue
        same = [each for each in outputs if (each.shape, each.dtype) == (shape, info.dtype)]
        if len(same) == 1 and [each.shape for each in inputs].count(shape) == 1:
            found[info.name] = same[0].name
    return found


def _fit(fed: TensorInfo, given: TensorInfo) -> bool:
    """Whether what was given can be fed."""
    return fed.dtype == given.dtype and fed.shape is not None and agree(fed.shape, given.shape)

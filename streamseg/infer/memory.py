"""Networks that remember: tensors that they give for one frame are fed to them with the next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from streamseg.errors import InputError, StreamsegError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.model.tensors import Tensor, TensorInfo

_STRIDES = (0, 1, 2, 4, 8, 16, 32)
"""How much smaller than the picture a state may be where the graph does not say; 0: one pixel, which is repeated."""
_RATIO, _RATIO_SIDE = "downsample_ratio", 512
"""Of Robust Video Matting (Lin et al. 2021): it looks for the person at about this many pixels."""
_USUAL = (
    ("_in", "_out"),
    ("_input", "_output"),
    ("i", "o"),  # r1i, r1o of Robust Video Matting
    ("", "_out"),
    ("", "_next"),
    ("", "n"),  # h, hn of PyTorch's recurrent layers
)
_USUAL_FRONT = (("in_", "out_"), ("past_", "present_"), ("", "new_"), ("", "next_"), ("prev_", ""))


def with_states(spec: ModelSpec, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> ModelSpec:
    """`spec` with the states that a graph's names tell of, where it declares none and more than a picture goes in.

    They are inputs and outputs that are called alike: `r1i` and `r1o`, `h_in` and `h_out`, `past_x` and `present_x`.
    """
    if spec.states or len(inputs) < 2:
        return spec
    given = {info.name for info in inputs} - {spec.input.name}
    states = named_states(given, {info.name for info in outputs} - {*spec.outputs.values()})
    if len(states) == len(inputs):  # one of them must be the picture, and nothing tells which
        return spec
    values = dict(spec.values)
    if states:
        longest = max(spec.input.height or 0, spec.input.width or 0) or spec.input.side
        values = usual_values({info.name for info in inputs}, longest) | values
    return msgspec.structs.replace(spec, states=states, values=values)


def usual_values(inputs: Iterable[str], longest: int) -> dict[str, float]:
    """What those of the inputs are fed whose name tells it, for a picture whose longer side has so many pixels."""
    return {name: min(1.0, _RATIO_SIDE / longest) for name in inputs if name == _RATIO}


def named_states(inputs: Iterable[str], outputs: Iterable[str]) -> dict[str, str]:
    """Those of the inputs that are called like an output, and that."""
    names = set(outputs)
    pairs = ((name, next(_called_alike(name, names), None)) for name in inputs)
    return {name: pair for name, pair in pairs if pair is not None}


def _called_alike(name: str, outputs: set[str]) -> Iterator[str]:
    for end, other in _USUAL:
        if name.endswith(end) and (found := name[: len(name) - len(end)] + other) in outputs:
            yield found
    for front, other in _USUAL_FRONT:
        if name.startswith(front) and (found := other + name[len(front) :]) in outputs:
            yield found


def refuse_states(spec: ModelSpec, file: Path, what: str) -> None:
    """For what feeds a network single pictures.

    Raises:
        InputError: it remembers the frames before.
    """
    found = inspect_onnx(file)
    if with_states(spec, found.inputs, found.outputs).states:
        raise InputError(f"{spec.name}: remembers earlier frames; {what} is for networks that see each by itself")


class RememberingBackend:
    """A backend without its states: they stay here from one run to the next, and begin with zeros.

    They begin again with a picture of another size, and after `forget`.
    """

    def __init__(
        self, backend: Backend, states: Mapping[str, str], values: Mapping[str, float], *, hidden: bool = True
    ) -> None:
        """`states`: input to output, which is `hidden` or an output still; `values`: inputs that are always the same.

        Owns `backend`.
        """
        self.name = backend.name
        self._backend, self._states = backend, states
        self._fed = {info.name: info for info in backend.inputs if info.name in states or info.name in values}
        self.inputs = tuple(info for info in backend.inputs if info.name not in self._fed)
        self.outputs = tuple(info for info in backend.outputs if not hidden or info.name not in states.values())
        self._memory: dict[str, Tensor] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._stride = _STRIDES[0]
        shapes = {name: _sides(self._fed[name], 1) for name in values}
        self._always = {name: np.full(shapes[name], value, self._fed[name].dtype) for name, value in values.items()}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the states, by input; empty before the first run."""
        return {name: state.shape for name, state in self._memory.items()}

    def forget(self) -> None:
        """The next run is the first of another video."""
        self._memory = {}

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """One pass for the next frame; raises what the backend raises."""
        shapes = {name: feed.shape for name, feed in feeds.items()}
        if shapes != self._shapes:
            self._shapes, self._memory = shapes, {}
        outputs = self._backend.run({**feeds, **self._always, **self._memory}) if self._memory else self._first(feeds)
        self._memory = {name: np.array(outputs[pair]) for name, pair in self._states.items()}
        return {info.name: outputs[info.name] for info in self.outputs}

    def close(self) -> None:
        """Frees everything; may be called twice."""
        self._memory = {}
        self._backend.close()

    def _first(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The first frame's outputs, from zeros of the shapes that the states come out with.

        Where the graph leaves them free, what is usual is tried: most networks spread one pixel over the picture.
        """
        picture = next(iter(feeds.values())).shape
        failed: StreamsegError = InputError("none of the usual sizes of its states fits", "export it with their shapes")
        free = any(None in (self._fed[name].shape or ()) for name in self._states)
        # What fitted once is tried first: OpenVINO runs what does not, and may give what it gave for another size.
        for stride in sorted(_STRIDES, key=lambda each: each != self._stride) if free else (1,):
            shapes = {name: _sides(self._fed[name], stride, picture) for name in self._states}
            try:
                outputs = self._from_zeros(feeds, shapes)
                given = {name: outputs[pair].shape for name, pair in self._states.items()}
                if not all(map(math.prod, given.values())):
                    continue
                if given != shapes:
                    outputs, shapes = self._from_zeros(feeds, given), given
            except StreamsegError as error:
                failed = error
                continue
            if all(outputs[pair].shape == shapes[name] for name, pair in self._states.items()):
                self._stride = stride
                return outputs
        raise failed

    def _from_zeros(self, feeds: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Tensor]:
        zeros = {name: np.zeros(shape, self._fed[name].dtype) for name, shape in shapes.items()}
        return self._backend.run({**feeds, **self._always, **zeros})


def _sides(info: TensorInfo, stride: int, picture: Sequence[int] = ()) -> tuple[int, ...]:
    """The shape of a tensor: sides that are free are those of the picture, so many times smaller; a batch is 1."""
    shape = info.shape or ()
    free = picture if stride and len(picture) == len(shape) and len(shape) > 2 else (1,) * len(shape)
    sides = [side or (1 if axis == 0 else -(-free[axis] // max(1, stride))) for axis, side in enumerate(shape)]
    return tuple(sides)

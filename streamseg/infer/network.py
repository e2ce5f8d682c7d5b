"""A segmenter made of a network: fitted frames in, labels that cover each frame out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import cv2
import msgspec
import numpy as np

from streamseg.errors import BackendError, InputError
from streamseg.frame import Frame
from streamseg.gpu import GpuLabels, GpuPlanes
from streamseg.infer.backends.contract import Backend, ImageBackend
from streamseg.infer.memory import RememberingBackend, with_states
from streamseg.infer.model.geometry import Fit, input_size, sized
from streamseg.infer.model.spec import ModelSpec, spec_classes
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.model.validate import check_model, check_output_shape, input_info
from streamseg.infer.postprocess import strange_labels
from streamseg.infer.preprocess import Preprocessor
from streamseg.infer.readers import READERS
from streamseg.motion.flow import Cuts
from streamseg.said import Said
from streamseg.segmentation import Segmentation

MOST_AT_ONCE = 16
"""Frames in one run where the batch is free: more saves nothing and costs memory."""


class Network:
    """Runs `backend` as `spec` says; called by one thread at a time.

    `scale`, which may be set between two calls, makes the input smaller where the graph leaves its size free.
    """

    def __init__(self, spec: ModelSpec, backend: Backend, said: Said | None = None) -> None:
        """Checks one against the other and warms up; owns the backend from here on. `said` is the run's own.

        Raises:
            InputError: spec and graph differ.
            BackendError: it does not run, or gives what is no number.
        """
        self.classes = spec_classes(spec)
        self.scale = 1.0
        self._backend = backend
        self._memory: RememberingBackend | None = None
        self._cuts = Cuts()
        try:
            spec = with_states(spec, backend.inputs, backend.outputs)
            check_model(spec, backend.inputs, backend.outputs)
            info = input_info(spec, backend.inputs)
            self._input = info.name
            self._batch = info.shape[0] if info.shape else None
            if spec.states or spec.values:
                self._backend = self._memory = RememberingBackend(backend, spec.states, spec.values)
                self._batch = 1  # each frame needs what the one before left
            self._images = self._backend if isinstance(self._backend, ImageBackend) else None
            self._spec = msgspec.structs.replace(spec, input=sized(spec.input, info.shape))
            self._preprocess = Preprocessor(self._spec.input)
            self._reader = READERS[spec.task](self._spec, said or Said())
            self.warmed_up = self._warm_up()
            """What it found in a generated picture, always the same one."""
            self._forget()
        except BaseException:
            backend.close()
            raise

    @property
    def batch(self) -> int:
        """The graph's own batch; 1 where it is free, which is quickest to the first mask."""
        return self._batch or 1

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order; frames may differ in size.

        Raises:
            InputError, BackendError: the network failed on them.
        """
        found: list[Segmentation] = []
        for size, run in self._runs(frames):
            if self._memory and self._cuts(run[0]):
                self._forget()
            outputs, fits, kept = self._run(run, size, self._batch or len(run))
            read = self._reader.read(run, fits, outputs)
            named = self._named(outputs)
            found += (_kept_too(each, labels, named) for each, labels in zip(read, kept, strict=True))
        return found

    def close(self) -> None:
        """Lets the backend go; may be called twice."""
        self._backend.close()

    def _named(self, outputs: Mapping[str, Tensor]) -> bool:
        """Whether all labels that the network gives have a name: others become void on the CPU alone."""
        classes = self.warmed_up.classes
        return "labels" not in outputs or strange_labels(outputs["labels"], len(classes), classes.ignore_index) is None

    def _forget(self) -> None:
        if self._memory:
            self._memory.forget()

    def _runs(self, frames: Sequence[Frame]) -> Iterator[tuple[tuple[int, int], list[Frame]]]:
        """Neighbours that go to the same input size, in portions that the batch holds."""

        def size_of(frame: Frame) -> tuple[int, int]:
            return input_size(self._spec.input, (frame.height, frame.width), self.scale)

        most = self._batch or MOST_AT_ONCE
        for size, group in itertools.groupby(frames, size_of):
            alike = list(group)
            for start in range(0, len(alike), most):
                yield size, alike[start : start + most]

    def _run(
        self, frames: Sequence[Frame], size: tuple[int, int], batch: int
    ) -> tuple[Mapping[str, Tensor], list[Fit], Sequence[GpuLabels | None]]:
        """Outputs by role, checked: shapes that the graph left open are known only now."""
        kept: Sequence[GpuLabels | None] = [None] * len(frames)
        by_kernels = self._images
        if by_kernels and (by_kernels.gains or all(_there(frame, by_kernels.gpu) for frame in frames)):
            pictures = [_there(frame, by_kernels.gpu) or frame.image for frame in frames]
            by_role, fits, kept = by_kernels.segment(pictures, size, batch, self._preprocess.cell)
        else:
            images, fits = self._preprocess([frame.pixels for frame in frames], size, batch)
            outputs = self._backend.run({self._input: images})
            by_role = {role: outputs[name] for role, name in self._spec.outputs.items()}
        for role, output in by_role.items():
            check_output_shape(self._spec, role, output.shape)
            nothing = not output.size and self._spec.task == "semantic"  # there may be no object
            if self._reader.count(output) != batch or nothing:
                raise InputError(f"{self._spec.name}: {batch} pictures in, {role} of shape {output.shape} out")
        return by_role, fits, kept

    def _warm_up(self) -> Segmentation:
        """The first run is slow and shows what the graph did not declare: shapes, whether it runs at all, and how.

        Raises:
            BackendError: what should be numbers are none: some value overflowed.
        """
        height, width = self._spec.input.height, self._spec.input.width
        side = self._spec.input.side
        ((size, frames),) = self._runs([_blots(height or width or side, width or height or side)])
        outputs, fits, _ = self._run(frames, size, self._batch or 1)
        for role, output in outputs.items():
            if output.dtype.kind == "f" and np.isnan(output).any():
                said = f"{self._spec.name}: on {self._backend.name} {np.isnan(output).mean():.0%} of its {role} are NaN"
                raise BackendError(said, "a value overflowed: another precision or backend may have room for it")
        self._preprocess.cell = self._reader.cell(size, outputs)
        return next(self._reader.read(frames, fits, outputs))


def _there(frame: Frame, gpu: int) -> GpuPlanes | None:
    """The frame on that GPU; None where it is elsewhere."""
    return frame.on_gpu if frame.on_gpu and frame.on_gpu.gpu == gpu else None


def _kept_too(found: Segmentation, labels: GpuLabels | None, named: bool) -> Segmentation:
    """With those on the GPU; where not all are `named`, they are others there, and what is here goes up when wanted."""
    if labels is None:
        return found
    return replace(found, on_gpu=replace(labels, came_down=(found.labels, found.confidence) if named else None))


def _blots(height: int, width: int) -> Frame:
    """The same soft blots of colour every time: a blank picture would leave most of a network at rest."""
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return Frame(image, 0, 0.0, 0.0)

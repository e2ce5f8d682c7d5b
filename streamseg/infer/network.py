"""A segmenter made of a network: fitted frames in, labels that cover each frame out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import cv2
import msgspec
import numpy as np

from streamseg.errors import BackendError, InputError
from streamseg.frame import Frame
from streamseg.infer.backends.contract import Backend, PictureBackend, Tensor
from streamseg.infer.check import channel_axis, check_model, check_output_shape, input_info
from streamseg.infer.instances import paint, read_instances
from streamseg.infer.postprocess import Plane, argmax_planes, label_planes, probability_planes
from streamseg.infer.preprocess import Fit, Preprocessor, input_size
from streamseg.infer.spec import ROLES, ModelSpec, spec_classes
from streamseg.segmentation import Segmentation

MOST_AT_ONCE = 16
"""Frames in one run where the batch is free: more saves nothing and costs memory."""


class Network:
    """Runs `backend` as `spec` says; called by one thread at a time.

    `scale`, which may be set between two calls, makes the input smaller where the graph leaves its size free.
    """

    def __init__(self, spec: ModelSpec, backend: Backend) -> None:
        """Checks one against the other and warms up; owns the backend from here on.

        Raises:
            InputError: spec and graph differ.
            BackendError: it does not run, or gives what is no number.
        """
        self.classes = spec_classes(spec)
        self.scale = 1.0
        self._backend = backend
        self._pictures = backend if isinstance(backend, PictureBackend) else None
        try:
            check_model(spec, backend.inputs, backend.outputs)
            info = input_info(spec, backend.inputs)
            self._input = info.name
            self._batch = info.shape[0] if info.shape else None
            self._spec = _with_size(spec, info.shape)
            self._preprocess = Preprocessor(self._spec.input)
            self._outside = spec.ignore_index if spec.ignore_index is not None else spec.background or 0
            self.warmed_up = self._warm_up()
            """What it found in a generated picture, always the same one."""
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
            outputs, fits = self._run(run, size, self._batch or len(run))
            found += self._read(run, fits, outputs)
        return found

    def close(self) -> None:
        """Lets the backend go; may be called twice."""
        self._backend.close()

    def _runs(self, frames: Sequence[Frame]) -> Iterator[tuple[tuple[int, int], list[Frame]]]:
        """Neighbours that go to the same input size, in portions that the batch holds."""

        def size_of(frame: Frame) -> tuple[int, int]:
            return input_size(self._spec.input, (frame.height, frame.width), self.scale)

        most = self._batch or MOST_AT_ONCE
        for size, group in itertools.groupby(frames, size_of):
            alike = list(group)
            for start in range(0, len(alike), most):
                yield size, alike[start : start + most]

    def _read(
        self, frames: Sequence[Frame], fits: Sequence[Fit], outputs: Mapping[str, Tensor]
    ) -> Iterator[Segmentation]:
        read = self._instances if self._spec.task == "instance" else self._semantic
        return read(frames, fits, outputs)

    def _run(
        self, frames: Sequence[Frame], size: tuple[int, int], batch: int
    ) -> tuple[Mapping[str, Tensor], list[Fit]]:
        """Outputs by role, checked: shapes that the graph left open are known only now."""
        if self._pictures:
            by_role, fits = self._pictures.segment([frame.image for frame in frames], size, batch)
        else:
            pictures, fits = self._preprocess([frame.pixels for frame in frames], size, batch)
            outputs = self._backend.run({self._input: pictures})
            by_role = {role: outputs[name] for role, name in self._spec.outputs.items()}
        for role, output in by_role.items():
            check_output_shape(self._spec, role, output.shape)
            given = 1 if output.ndim == 2 and self._spec.task == "semantic" else output.shape[0]
            if given != batch or not output.size:
                raise InputError(f"{self._spec.name}: {batch} pictures in, {role} of shape {output.shape} out")
        return by_role, fits

    def _instances(
        self, frames: Sequence[Frame], fits: Sequence[Fit], by_role: Mapping[str, Tensor]
    ) -> Iterator[Segmentation]:
        """Objects, and labels painted from their masks at the network's own resolution."""
        background = self.classes.background or 0
        columns = [by_role[role] for role in ROLES["instance"]]
        for i, (frame, fit) in enumerate(zip(frames, fits, strict=True)):
            boxes, scores, class_ids, masks = (column[i] for column in columns)
            instances = read_instances(boxes, scores, class_ids, masks, fit, self._spec.least_score, len(self.classes))
            size = fit.target.height, fit.target.width
            labels = paint(instances, fit.frame, size, background)
            yield Segmentation(labels, self.classes, frame.index, frame.time_s, None, instances)

    def _semantic(
        self, frames: Sequence[Frame], fits: Sequence[Fit], by_role: Mapping[str, Tensor]
    ) -> Iterator[Segmentation]:
        labels, confidence = self._planes(by_role)
        for i, (frame, fit) in enumerate(zip(frames, fits, strict=True)):
            sure = None if confidence is None else fit.undo(confidence[i], 0)
            whole = fit.undo(labels[i], self._outside)
            yield Segmentation(whole, self.classes, frame.index, frame.time_s, sure)

    def _planes(self, by_role: Mapping[str, Tensor]) -> tuple[Plane, Plane | None]:
        if "probability" in by_role:
            return probability_planes(by_role["probability"])
        sure = by_role.get("confidence")
        confidence = None if sure is None else label_planes(sure)
        if "logits" in by_role:
            logits = by_role["logits"]
            return argmax_planes(logits, channel_axis(self._spec, logits.shape)), confidence
        return label_planes(by_role["labels"]), confidence

    def _warm_up(self) -> Segmentation:
        """The first run is slow and shows what the graph did not declare: shapes, whether it runs at all, and how.

        Raises:
            BackendError: what should be numbers are none: some value overflowed.
        """
        height, width = self._spec.input.height, self._spec.input.width
        side = self._spec.input.side
        ((size, frames),) = self._runs([_blots(height or width or side, width or height or side)])
        outputs, fits = self._run(frames, size, self._batch or 1)
        for role, output in outputs.items():
            if output.dtype.kind == "f" and np.isnan(output).any():
                said = f"{self._spec.name}: on {self._backend.name} {np.isnan(output).mean():.0%} of its {role} are NaN"
                raise BackendError(said, "a value overflowed: another precision or backend may have room for it")
        return next(iter(self._read(frames, fits, outputs)))


def _blots(height: int, width: int) -> Frame:
    """The same soft blots of colour every time: a blank picture would leave most of a network at rest."""
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return Frame(image, 0, 0.0, 0.0)


def _with_size(spec: ModelSpec, shape: Sequence[int | None] | None) -> ModelSpec:
    """The spec with the sides that the graph fixes."""
    if shape is None:
        return spec
    height, width = shape[2:] if spec.input.layout == "NCHW" else shape[1:3]
    size = {"height": spec.input.height or height, "width": spec.input.width or width}
    return msgspec.structs.replace(spec, input=msgspec.structs.replace(spec.input, **size))

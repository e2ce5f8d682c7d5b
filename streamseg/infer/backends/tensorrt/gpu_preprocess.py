"""Pictures of any size into a network on the GPU, and labels out of it, by streamseg's own kernels.

Up goes a picture of bytes, or nothing where it was decoded there; down comes a label a pixel, never the scores of all
classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from streamseg.cuda.contract import Address, CudaRuntime
from streamseg.cuda.kernels import Kernels
from streamseg.frame import Image
from streamseg.gpu import GpuLabels, GpuPlanes
from streamseg.infer.backends.tensorrt.backend import TensorRtBackend
from streamseg.infer.backends.tensorrt.engines import SharedEngine
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.overlay import Overlay, has_bytes
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.backends.tensorrt.tasks import launch_fit, launch_fit_planes, launch_pick
from streamseg.infer.model.geometry import Fit, make_fit
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.model.tensors import Tensor, TensorInfo
from streamseg.infer.model.validate import channel_axis


def fits(spec: ModelSpec) -> bool:
    """Whether the kernels know all that goes into a network: a picture, and nothing beside it."""
    return not spec.states and not spec.values


class TensorRtImageBackend(TensorRtBackend):
    """An engine between two kernels."""

    def __init__(
        self, library: Library, cuda: CudaRuntime, engine: SharedEngine, spec: ModelSpec, kernels: Kernels
    ) -> None:
        """Takes over one hold on `engine`; `spec` is what it was built of.

        Raises:
            BackendError: the GPU has no room for it, or it gives what cannot be read here.
        """
        super().__init__(library, cuda, engine)
        self._spec = spec
        self._kernels = kernels
        self._overlay: Overlay | None = None
        self.gpu = cuda.gpu.number
        self.gains = spec.task == "semantic" and (spec.input.dtype != "uint8" or "logits" in spec.outputs)
        """Not where the graph normalises and picks already."""

    def segment(
        self, pictures: Sequence[Image | GpuPlanes], size: tuple[int, int], batch: int, cell: int = 1
    ) -> tuple[Mapping[str, Tensor], list[Fit], list[GpuLabels | None]]:
        """Outputs by role; labels come at the network's own resolution, whatever that of its scores.

        Raises:
            BackendError: the pass failed.
        """
        fits = [make_fit(self._spec.input.fit, picture.shape[:2], size, cell) for picture in pictures]
        with self._cuda.current(), self._slot.settled():
            most = self._slot.most_at_once
            parts = [
                self._part(pictures[i : i + most], fits[i : i + most], min(most, batch - i))
                for i in range(0, batch, most)
            ]
        outputs = {role: np.concatenate([part[role] for part, _ in parts]) for role in parts[0][0]}
        return outputs, fits, [labels for _, kept in parts for labels in kept]

    def _let_go(self) -> None:
        super()._let_go()
        del self._kernels  # frames are drawn with them until their labels are forgotten
        self._overlay = None

    def _part(
        self, pictures: Sequence[Image | GpuPlanes], fits: Sequence[Fit], batch: int
    ) -> tuple[dict[str, Tensor], list[GpuLabels | None]]:
        slot, wanted = self._slot, self._spec.input
        ((name, port),) = slot.inputs.items()
        slot.arrange({name: wanted.shape(batch, fits[0].size)})
        for place, (picture, fit) in enumerate(zip(pictures, fits, strict=True)):
            out = port.address + place * (port.size_bytes // port.shape[0])
            if isinstance(picture, GpuPlanes):
                slot.stream.follow_default()  # in which FFmpeg decodes
                launch_fit_planes(self._kernels, picture, fit, wanted, out, slot.stream)
            else:
                self._upload(picture, fit, out, place)
        slot.enqueue()
        ports = self._ports(fits[0].size)
        kept = [
            self._keep(ports, place, fit) if isinstance(picture, GpuPlanes) else None
            for place, (picture, fit) in enumerate(zip(pictures, fits, strict=True))
        ]
        return self._fetch(ports), kept

    def _upload(self, image: Image, fit: Fit, out: Address, place: int) -> None:
        """What the network sees of `image`; brought to size before where that is fewer bytes, as it mostly is."""
        slot, seen = self._slot, fit.source.of(image)
        sizes = seen.shape[:2], (fit.target.height, fit.target.width)
        height, width = min(sizes, key=lambda size: size[0] * size[1])
        size_bytes = height * width * 3
        locked = slot.buffers.locked(f"/picture {place}", size_bytes)
        fitted = locked.reshape(height, width, 3)
        if seen.shape == fitted.shape:
            np.copyto(fitted, seen)
        else:
            cv2.resize(seen, (width, height), dst=fitted, interpolation=cv2.INTER_LINEAR)
        address = slot.buffers.on_gpu(f"/picture {place}", size_bytes)
        self._cuda.upload(address, locked, slot.stream)
        launch_fit(self._kernels, address, (height, width), fit, self._spec.input, out, slot.stream)

    def _keep(self, ports: Mapping[str, IOTensor], place: int, fit: Fit) -> GpuLabels | None:
        """The labels of a frame for an overlay, where the network gives them as bytes."""
        planes = [ports[role] for role in ("labels", "confidence") if role in ports]
        if self._spec.task != "semantic" or "labels" not in ports or not all(map(has_bytes, planes)):
            return None
        if self._overlay is None:
            self._overlay = Overlay(self._cuda, self._kernels)
        return self._overlay.keep(planes, place, fit, self._slot.stream)

    def _ports(self, size: tuple[int, int]) -> dict[str, IOTensor]:
        slot = self._slot
        ports = {role: slot.outputs[name] for role, name in self._spec.outputs.items()}
        if "logits" in ports:
            ports["labels"] = self._pick(ports.pop("logits"), size if not ports else (0, 0))
        return ports

    def _pick(self, scores: IOTensor, size: tuple[int, int]) -> IOTensor:
        """Labels of at least `size`: where scores are coarser, they are interpolated, which keeps borders smooth."""
        axis = channel_axis(self._spec, scores.shape)
        height, width = (side for i, side in enumerate(scores.shape) if i not in (0, axis))
        size = max(size[0], height), max(size[1], width)
        labels = IOTensor(TensorInfo("/labels", (None, None, None), np.dtype(np.uint8)), (scores.shape[0], *size))
        labels.address = self._slot.buffers.on_gpu(labels.info.name, labels.size_bytes)
        launch_pick(self._kernels, scores, axis, labels.address, size, self._slot.stream)
        return labels

"""MaskFormer and its kin as semantic networks: queries, each with a class and a mask, become a plane for each class.

Cheng et al., "Per-Pixel Classification is Not All You Need for Semantic Segmentation", NeurIPS 2021: the share of a
class at a pixel is the sum over all queries of its share there times that of the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from streamseg.convert.chain import OWN, Chain
from streamseg.convert.graph import opset_of
from streamseg.convert.inputs import Probe, probe
from streamseg.convert.job import Job
from streamseg.infer.backends.contract import Backend
from streamseg.infer.families.mask_queries import mask_queries
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import Tensor, TensorInfo
from streamseg.infer.postprocess import class_shares

if TYPE_CHECKING:
    import onnx

KINDS = ("maskformer", "mask2former", "oneformer", "eomt")
"""What Hugging Face calls such models."""
_PLANES = f"{OWN}planes"


@dataclass(frozen=True, slots=True)
class _Queries:
    """Names and shapes of the two outputs: (N, Q, C + 1) logits, the last of which is `no object`, and (N, Q, h, w)."""

    classes: str
    masks: str
    shape: tuple[int, int | None, int | None]
    """C, h, w; None: a side that is free."""


def with_class_planes(job: Job, taken: InputSpec, seen: Probe) -> tuple[Job, Probe]:
    """The same job where its network is none of queries; else one whose only output are planes of classes."""
    queries = _queries(seen, job)
    if queries is None:
        return job, seen
    job = replace(
        job,
        model=_extended(job.model, queries),
        original=_ClassPlanes(job.original, queries),
        told=replace(job.told, kind=""),
    )
    return job, probe(job.original, taken)


def _queries(seen: Probe, job: Job) -> _Queries | None:
    """The two outputs, where they are a network's of queries."""
    shapes = {name: np.shape(output) for name, output in seen.outputs.items()}
    names = mask_queries(shapes, seen.size, named=job.told.kind in KINDS)
    if names is None:
        return None
    classes, masks = names
    declared = next(info.shape for info in job.original.outputs if info.name == masks)
    height, width = (declared or (None, None))[-2:]
    return _Queries(classes, masks, (shapes[classes][2] - 1, height, width))


class _ClassPlanes:
    """A backend that gives what NumPy makes of the queries of another one."""

    def __init__(self, inner: Backend, queries: _Queries) -> None:
        self._inner, self._queries = inner, queries
        self.name, self.inputs = inner.name, inner.inputs
        declared = next(info.shape for info in inner.outputs if info.name == queries.masks)
        shape = (declared[0] if declared else None, *queries.shape)
        self.outputs = (TensorInfo(_PLANES, shape, np.dtype(np.float32)),)

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Planes (N, C, h, w) f32."""
        outputs = self._inner.run(feeds)
        logits, masks = (outputs[name].astype(np.float32) for name in (self._queries.classes, self._queries.masks))
        shares = class_shares(logits)
        there = 1 / (1 + np.exp(-masks))
        return {_PLANES: np.einsum("nqc,nqhw->nchw", shares, there, optimize=True).astype(np.float32)}

    def close(self) -> None:
        """Closes the other one."""
        self._inner.close()


def _extended(model: onnx.ModelProto, queries: _Queries) -> onnx.ModelProto:
    """A copy of `model` with the planes as its only output."""
    import onnx

    done = onnx.ModelProto()
    done.CopyFrom(model)
    opset = opset_of(done)
    classes, height, width = queries.shape
    shares, there = Chain(queries.classes, "shares", opset), Chain(queries.masks, "there", opset)
    for chain in (shares, there):
        chain.add("Cast", to=onnx.TensorProto.FLOAT)
    shares.add("Softmax", axis=2)
    shares.add("Gather", np.arange(classes, dtype=np.int64), axis=2)
    shares.add("Transpose", perm=[0, 2, 1])
    there.add("Sigmoid")
    there.add("Reshape", np.array([0, 0, -1], np.int64))
    shares.join("MatMul", there)
    shares.unflatten(classes, (height, width), queries.masks)
    nodes, constants = shares.end(_PLANES)
    done.graph.node.extend([*there.nodes, *nodes])
    done.graph.initializer.extend([*there.constants, *constants])
    del done.graph.output[:]
    dims = [None, classes, height, width]
    done.graph.output.append(onnx.helper.make_tensor_value_info(_PLANES, onnx.TensorProto.FLOAT, dims))
    return done

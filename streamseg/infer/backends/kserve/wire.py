"""What both transports of the Open Inference Protocol v2 share: types of tensors, descriptions, kinds of failure."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from streamseg.errors import BackendError, InputError
from streamseg.infer.model.tensors import Tensor, TensorInfo

MOST_BYTES = 2**29
"""Of an answer: what is longer is not read."""
_DTYPES: dict[str, DTypeLike] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,  # files and texts, each of a length of its own
}
ENCODED = np.dtype(np.object_)
"""Of an input that takes files of pictures; of an output: nothing that can be read."""
_WORDS = {np.dtype(dtype): word for word, dtype in _DTYPES.items()}


class AwayError(BackendError):
    """The server cannot be reached, or its connection broke: another try at once may help."""


class LateError(BackendError):
    """It did not answer in time."""


class BusyError(BackendError):
    """It says that it has too much to do: nothing is wrong with it."""


class Transport(Protocol):
    """One served network on one server, asked by one thread at a time."""

    def describe(self, timeout_s: float) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """Its inputs and outputs; raises AwayError, LateError, BusyError, BackendError, InputError."""

    def infer(self, feeds: Mapping[str, Tensor], wanted: Sequence[str], timeout_s: float) -> Mapping[str, Tensor]:
        """The outputs `wanted` by name, in arrays of their own; raises the same."""

    def close(self) -> None:
        """Ends the connection; may be called twice. What is asked next goes over a new one."""


def word_of(dtype: np.dtype[Any]) -> str:
    """The protocol's word for `dtype`; raises InputError where it has none."""
    if dtype not in _WORDS:
        raise InputError(f"tensors of {dtype} cannot be sent")
    return _WORDS[dtype]


def content(array: Tensor) -> memoryview:
    """The bytes of a tensor, little-endian and row by row; of files each behind its length."""
    if array.dtype == ENCODED:
        return memoryview(b"".join(len(file).to_bytes(4, "little") + file for file in array.reshape(-1)))
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def tensor_info(name: str, word: str, shape: Sequence[int | str]) -> TensorInfo:
    """An input or output as a server describes it; -1 is a side that is free."""
    sides = tuple(side if side > 0 else None for side in map(int, shape))
    return TensorInfo(name, sides, np.dtype(_DTYPES.get(word, np.void)))


def tensor_infos(model: Any) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """The inputs and outputs of a model as a server describes it."""
    inputs, outputs = (
        tuple(tensor_info(each.name, each.datatype, each.shape) for each in side)
        for side in (model.inputs, model.outputs)
    )
    return inputs, outputs


def tensor(name: str, word: str, shape: Sequence[int], data: bytes | bytearray | memoryview) -> Tensor:
    """An output out of its bytes, little-endian and row by row; it shares their memory.

    Raises:
        InputError: they are not so many, or of no known type.
    """
    dtype = np.dtype(_DTYPES.get(word, np.void))
    if not dtype.hasobject and dtype.kind != "V" and min(shape, default=0) >= 0:
        with contextlib.suppress(ValueError, OverflowError):  # so do more axes than NumPy has, and longer ones
            return np.frombuffer(data, dtype).reshape(shape)
    raise InputError(f"output '{name}' is {word} of {tuple(shape)}, in {len(data)} bytes")


def queue_is_full(words: str) -> bool:
    """Whether what a server says of being unavailable means its queue: Triton has no code of its own for that."""
    return "maximum queue size" in words or "timeout expired" in words.lower()

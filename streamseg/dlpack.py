"""Memory on a GPU as libraries hand it to each other (DLPack, version 0): an address, a shape, and who keeps it."""

from __future__ import annotations

import ctypes
from typing import Any

_GPU, _UNSIGNED = 2, 1  # kDLCUDA, kDLUInt
_made: dict[int, tuple[object, ...]] = {}
"""What was handed on and not given back yet, by address: nobody else keeps it."""


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_kind", ctypes.c_int32), ("device", ctypes.c_int32),
        ("dimensions", ctypes.c_int32), ("kind", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    ]  # fmt: skip


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


def _forget(managed: Any) -> None:
    _made.pop(ctypes.addressof(managed.contents), None)


_delete = _Deleter(_forget)


class GpuPlane:
    """Rows of bytes on the GPU of that number, (rows, columns) u8, `pitch` bytes apart; `owner` keeps them."""

    def __init__(self, address: int, size: tuple[int, int], pitch: int, owner: object, gpu: int = 0) -> None:
        self.address, self.size, self.pitch, self.gpu, self._owner = address, size, pitch, gpu, owner

    def __dlpack_device__(self) -> tuple[int, int]:
        """An NVIDIA GPU, and its number."""
        return _GPU, self.gpu

    def __dlpack__(self, *, stream: int | None = None) -> object:
        """A capsule; what is in the memory must have been written by then."""
        shape, strides = (ctypes.c_int64 * 2)(*self.size), (ctypes.c_int64 * 2)(self.pitch, 1)
        tensor = _Tensor(self.address, _GPU, self.gpu, 2, _UNSIGNED, 8, 1, shape, strides, 0)
        managed = _Managed(tensor, None, _delete)
        _made[ctypes.addressof(managed)] = managed, shape, strides, self._owner
        return _new_capsule(ctypes.addressof(managed), b"dltensor", None)


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

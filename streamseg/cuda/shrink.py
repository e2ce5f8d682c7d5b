"""Small pictures of frames that are on a GPU, made there: all of them that motion on the CPU needs."""

from __future__ import annotations

import logging
import threading

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.parts import Parts
from streamseg.errors import BackendError
from streamseg.gpu import GpuPlanes, Plane

_log = logging.getLogger(__name__)


class Shrinker:
    """Makes those of one source, for any thread, one at a time; lives as long as the source or any frame of it.

    The first frame that is asked for says on which GPU. What fails there is not tried again.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._parts: Parts | None = None
        self._given_up = False

    def __call__(self, planes: GpuPlanes, height: int, width: int) -> tuple[Plane, Plane, Plane] | None:
        """See `MakeSmall`."""
        with self._lock:
            if self._given_up:
                return None
            try:
                return self._made(planes, height, width)
            except BackendError as error:
                self._given_up = True
                _log.warning("%s: frames come down for their motion: %s", self._name, error.message)
                return None

    def _made(self, planes: GpuPlanes, height: int, width: int) -> tuple[Plane, Plane, Plane]:
        if self._parts is None:
            self._parts = Parts(open_cuda(planes.gpu), self)
        parts, bright = self._parts, height * width
        if planes.gpu != parts.cuda.gpu.number:
            raise BackendError(f"the picture is on GPU {planes.gpu}, those before on GPU {parts.cuda.gpu.number}")
        size_bytes = bright * 3 // 2
        with parts.cuda.current():
            small, locked = parts.buffers.on_gpu("/small", size_bytes), parts.buffers.locked("/small", size_bytes)
            parts.stream.follow_default()  # in which FFmpeg decodes
            parts.kernels.shrink(planes, (height, width), small, parts.stream)
            parts.cuda.download(locked, small, parts.stream)
            parts.stream.synchronize()
            made = locked.copy()
        u, v = made[bright:].reshape(2, height // 2, width // 2)
        return made[:bright].reshape(height, width), u, v

"""What a backend must offer: the contract between networks and the libraries that run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from streamseg.errors import BackendError
from streamseg.infer.model.tensors import Tensor, TensorInfo

if TYPE_CHECKING:
    from streamseg.frame import Image
    from streamseg.gpu import GpuLabels, GpuPlanes
    from streamseg.infer.model.geometry import Fit

Stopped = Callable[[], bool]
"""Whether the run is to end; asked now and then by what takes long."""


class AbsentError(BackendError):
    """The device, or the library for it, is not on this machine: no news, unless it was asked for by name."""


class Backend(Protocol):
    """A network that is loaded and ready; called by one thread at a time, which need not be the one that made it."""

    @property
    def name(self) -> str:
        """For people: what runs it, and where."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What `run` must be fed."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What `run` gives, as far as it is known before."""

    def run(self, feeds: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Outputs by name, in arrays of their own: segmentations hold parts of them."""

    def close(self) -> None:
        """Frees everything; may be called twice."""


@runtime_checkable
class ImageBackend(Backend, Protocol):
    """A backend that fits pictures and picks labels where it computes, so that only bytes travel there and back."""

    @property
    def gains(self) -> bool:
        """Whether that pays for pictures that are not on its GPU yet."""

    @property
    def gpu(self) -> int:
        """The number of that, as CUDA counts."""

    def segment(
        self, pictures: Sequence[Image | GpuPlanes], size: tuple[int, int], batch: int, cell: int = 1
    ) -> tuple[Mapping[str, Tensor], list[Fit], list[GpuLabels | None]]:
        """Outputs by role for `pictures`, at (height, width) `size`; `labels` instead of `logits`.

        Of each frame on the GPU its labels stay there as well, where they can be drawn with.
        Pictures are (H, W, 3) u8 BGR, or frames that were decoded on its GPU. `cell` is that of `make_fit`.
        Where there are fewer pictures than `batch`, the rest of every output means nothing.
        """

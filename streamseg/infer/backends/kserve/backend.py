"""A network that another machine runs, as a backend: held against the local file before it is used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.kserve.place import Place
from streamseg.infer.backends.kserve.wire import ENCODED, AwayError, Transport
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.tensors import Tensor, TensorInfo, agree

_DESCRIBE_S = 1.0
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
"""For a server that takes files: little of what a network sees is lost."""
_FIRST_S = 10.0
"""For the first run: a server may load its model only then."""


class KserveBackend:
    """One served network on one server."""

    def __init__(self, file: Path, place: Place) -> None:
        """Asks what the server has; it must take and give what `file` does.

        Raises:
            InputError: it has another model, or none of that name, or refuses the login.
            BackendError: it cannot be reached, or its client is not installed.
        """
        self.name = place.name
        self._place = place
        self._timeout_s = max(place.timeout_s, _FIRST_S)
        with _named(place.name):
            self._transport = _transport(place)
            try:
                inputs, outputs = self._transport.describe(min(place.timeout_s, _DESCRIBE_S))
                found = inspect_onnx(file)
                self.inputs = _matched("input", found.inputs, inputs, file)
                if len(inputs) > len(self.inputs):
                    raise InputError(f"is not {file.name}: it takes {', '.join(info.name for info in inputs)}")
                self.outputs = _matched("output", found.outputs, outputs, file)
                self._ranks = {info.name: len(info.shape or ()) for info in inputs if info.dtype == ENCODED}
            except BaseException:
                self._transport.close()
                raise
        self._wanted = [info.name for info in self.outputs]

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """One request, tried once more where the connection broke; outputs are fresh arrays.

        Raises:
            InputError: the server refuses it, or gives something else than it said.
            BackendError: it failed, was late, or, as a BusyError, has too much to do.
        """
        feeds = {
            name: _encoded(feed, self._ranks[name]) if name in self._ranks else feed for name, feed in feeds.items()
        }
        end_s = time.monotonic() + self._timeout_s
        with _named(self.name):
            try:
                found = self._transport.infer(feeds, self._wanted, self._timeout_s)
            except AwayError:
                self._transport.close()
                found = self._transport.infer(feeds, self._wanted, max(0.01, end_s - time.monotonic()))
            for info in self.outputs:
                _check(info, found.get(info.name))
        self._timeout_s = self._place.timeout_s
        return found

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()


@contextlib.contextmanager
def _named(server: str) -> Iterator[None]:
    """Puts the server's name in front of what is said of it within the block."""
    try:
        yield
    except (BackendError, InputError) as error:
        raise type(error)(f"{server}: {error.message}", error.hint) from None


def _transport(place: Place) -> Transport:
    if place.address.scheme.startswith("grpc"):
        from streamseg.infer.backends.kserve.grpc import GrpcTransport

        return GrpcTransport(place)
    from streamseg.infer.backends.kserve.http import HttpTransport

    return HttpTransport(place)


def _matched(what: str, ours: Sequence[TensorInfo], theirs: Sequence[TensorInfo], file: Path) -> tuple[TensorInfo, ...]:
    """Those of the file, with the sides that the server fixes.

    Raises:
        InputError: the server has not the same.
    """
    by_name = {info.name: info for info in theirs}
    return tuple(_merged(what, info, by_name.get(info.name), file) for info in ours)


def _merged(what: str, ours: TensorInfo, theirs: TensorInfo | None, file: Path) -> TensorInfo:
    if theirs is None:
        raise InputError(f"is not {file.name}: it has no {what} '{ours.name}'")
    if what == "input" and theirs.dtype == ENCODED and ours.is_picture:
        return ours
    if theirs.dtype != ours.dtype:
        raise InputError(f"is not {file.name}: its {what} '{ours.name}' is {theirs.dtype}, not {ours.dtype}")
    if ours.shape is None or theirs.shape is None:
        return TensorInfo(ours.name, ours.shape or theirs.shape, ours.dtype)
    if not agree(ours.shape, theirs.shape):
        shapes = f"{_written(theirs.shape)}, not {_written(ours.shape)}"
        raise InputError(f"is not {file.name}: its {what} '{ours.name}' is {shapes}")
    sides = tuple(mine or other for mine, other in zip(ours.shape, theirs.shape, strict=True))
    return TensorInfo(ours.name, sides, ours.dtype)


def _encoded(pictures: Tensor, rank: int) -> Tensor:
    """Each of (N, H, W, 3) u8 as a JPEG file, (N,) or (N, 1) as the server has it."""
    files = np.empty(len(pictures), ENCODED)
    for index, picture in enumerate(pictures):
        files[index] = cv2.imencode(".jpg", picture, _JPEG)[1].tobytes()
    return files.reshape(-1, 1) if rank == 2 else files


def _written(shape: Sequence[int | None]) -> str:
    return "x".join("?" if side is None else str(side) for side in shape)


def _check(info: TensorInfo, found: Tensor | None) -> None:
    """Raises InputError where an output is not what was agreed on."""
    if found is None:
        raise InputError(f"output '{info.name}' is not in its answer")
    if found.dtype != info.dtype or not agree(info.shape, found.shape):
        raise InputError(f"output '{info.name}' is {found.dtype} of {_written(found.shape)}")

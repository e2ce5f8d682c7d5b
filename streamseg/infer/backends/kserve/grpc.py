"""The protocol over gRPC, with the tensors' bytes as raw contents."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamseg import installing
from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.kserve import wire
from streamseg.infer.backends.kserve.place import Place
from streamseg.infer.model.tensors import Tensor, TensorInfo

_RECONNECT_MS = (("initial", 100), ("min", 100), ("max", 500))
_WRONG = ("INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED", "FAILED_PRECONDITION", "OUT_OF_RANGE")
_LOGIN = ("UNAUTHENTICATED", "PERMISSION_DENIED")


class GrpcTransport:
    """One channel, which keeps its connection by itself."""

    def __init__(self, place: Place) -> None:
        """Raises InputError where tritonclient is missing."""
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it says goes to the standard error as it is
        try:
            import tritonclient.grpc as client
        except ImportError as error:
            raise InputError(f"tritonclient does not load: {error}", installing.extra("remote")) from None
        self._client, self._place = client, place
        self._headers = {"authorization": place.authorization} if place.authorization is not None else None
        self._channel: Any = None

    def describe(self, timeout_s: float) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """Its inputs and outputs."""
        try:
            found = self._open().get_model_metadata(self._place.model, headers=self._headers, client_timeout=timeout_s)
        except self._client.InferenceServerException as error:
            raise _told(error, timeout_s) from None
        return wire.tensor_infos(found)

    def infer(self, feeds: Mapping[str, Tensor], wanted: Sequence[str], timeout_s: float) -> Mapping[str, Tensor]:
        """One request."""
        inputs = []
        for name, feed in feeds.items():
            inputs.append(self._client.InferInput(name, list(feed.shape), wire.word_of(feed.dtype)))
            inputs[-1].set_data_from_numpy(feed)
        outputs = [self._client.InferRequestedOutput(name) for name in wanted]
        try:
            found = self._open().infer(
                self._place.model, inputs, outputs=outputs, headers=self._headers, client_timeout=timeout_s
            )
            return {name: _output(found, name) for name in wanted}
        except self._client.InferenceServerException as error:
            raise _told(error, timeout_s) from None

    def close(self) -> None:
        """Ends the connection; the next request opens a channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open(self) -> Any:
        if self._channel is None:
            options = [
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", wire.MOST_BYTES),
                ("grpc.use_local_subchannel_pool", 1),  # otherwise a new channel waits as long as the old one did
                ("grpc.enable_http_proxy", 0),  # as over HTTP
                *((f"grpc.{which}_reconnect_backoff_ms", wait) for which, wait in _RECONNECT_MS),
            ]
            address = self._place.address
            self._channel = self._client.InferenceServerClient(
                ":".join(map(str, (address.authority.removesuffix(f":{address.port}"), address.place[1]))),
                ssl=address.encrypted,
                root_certificates=self._place.authority,
                channel_args=options,
            )
        return self._channel


def _output(found: Any, name: str) -> Tensor:
    described = found.get_output(name)
    if described is None:
        raise InputError(f"output '{name}' is not in its answer")
    try:
        value = found.as_numpy(name)
    except (ValueError, struct.error):  # fewer bytes than its shape holds, or than the length of a file
        value = None
    if value is None:
        raise InputError(f"output '{name}' is no {described.datatype} of {tuple(described.shape)}")
    return np.array(value)  # which it keeps read-only, in the message


def _told(error: Any, timeout_s: float) -> BackendError | InputError:
    """tritonclient's exception as one of ours."""
    code = str(error.status() or "").removeprefix("StatusCode.")
    says = " ".join(str(error.message() or "").split())[:200]
    if code == "DEADLINE_EXCEEDED":
        return wire.LateError(f"no answer within {timeout_s:g} s")
    too_long = "larger than max" in says
    if (code == "RESOURCE_EXHAUSTED" and not too_long) or (code == "UNAVAILABLE" and wire.queue_is_full(says)):
        return wire.BusyError(f"is busy: {says}")
    if code == "UNAVAILABLE":
        return wire.AwayError(f"does not answer: {says.rpartition(': ')[2].lower()}")  # behind where gRPC was
    if code in _LOGIN:
        return InputError(f"refuses the login ({says})", "?token=${NAME} of the environment gives one")
    if code in _WRONG or too_long:
        return InputError(f"refuses it: {says}")
    return BackendError(f"fails: {says}")

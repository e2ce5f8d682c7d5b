"""Live pictures over WebRTC, begun by WHEP: a viewer posts an offer and gets an answer (draft-ietf-wish-whep)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError

from streamseg.errors import InputError
from streamseg.serve.live import LiveVideo

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)
_CONNECTED_WITHIN_S = 10.0


class Peers:
    """Everybody who watches over WebRTC; belongs to the event loop."""

    def __init__(self) -> None:
        self._open: dict[str, RTCPeerConnection] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def answer(
        self, offer: str, video: LiveVideo, address: str, lasts: Callable[[], bool] = lambda: True
    ) -> tuple[str, str]:
        """Takes a viewer in, who is sent pictures from `address` of this machine while the right to look `lasts`.

        Gives the session's name, and the answer.

        Raises:
            InputError: the offer is no session description, or wants no H.264.
        """
        # No STUN server is asked: a service on a site need not know how the internet sees it.
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        name = secrets.token_urlsafe(16)
        self._open[name] = peer
        try:
            track = _Track(video, lasts)
            track.on("ended", lambda: asyncio.ensure_future(self.close(name)))
            sending = peer.addTransceiver(track, direction="sendonly")
            sending.setCodecPreferences(_h264())
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            _only_at(peer, address)
            await peer.setLocalDescription(await peer.createAnswer())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, OperationError,
                InvalidAccessError, InvalidStateError) as error:  # fmt: skip
            await self.close(name)
            _log.debug("an offer that cannot be answered", exc_info=error)
            raise InputError("that is no offer to receive H.264 video", "WHEP wants application/sdp") from None
        except BaseException:
            await self.close(name)
            raise
        connected = asyncio.get_running_loop().call_later(
            _CONNECTED_WITHIN_S, lambda: asyncio.ensure_future(self._unconnected(name))
        )

        @peer.on("connectionstatechange")
        async def changed() -> None:
            if peer.connectionState == "connected":
                connected.cancel()
            elif peer.connectionState in ("failed", "closed"):
                await self.close(name)

        return name, peer.localDescription.sdp

    async def close(self, name: str) -> bool:
        """Ends a session; False where there is none of that name."""
        peer = self._open.pop(name, None)
        if peer is None:
            return False
        await peer.close()
        return True

    async def close_all(self) -> None:
        """Ends them all."""
        await asyncio.gather(*(self.close(name) for name in list(self._open)))

    async def _unconnected(self, name: str) -> None:
        peer = self._open.get(name)
        if peer is not None and peer.connectionState != "connected":
            await self.close(name)


class _Track(MediaStreamTrack):
    """The packets of a stream, for one viewer."""

    kind = "video"

    def __init__(self, video: LiveVideo, lasts: Callable[[], bool]) -> None:
        super().__init__()
        self._lasts = lasts
        self._packets: AsyncGenerator[Packet[VideoStream], None] = video.watch()
        self._closing: asyncio.Task[None] | None = None

    async def recv(self) -> Any:
        try:
            packet = await anext(self._packets)
        except StopAsyncIteration:
            packet = None
        if packet is None or not self._lasts():
            self.stop()
            raise MediaStreamError
        return packet

    def stop(self) -> None:
        super().stop()
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        with contextlib.suppress(RuntimeError):  # while `recv` waits it is cancelled, which closes it as well
            await self._packets.aclose()


def _h264() -> list[RTCRtpCodecCapability]:
    return [codec for codec in RTCRtpSender.getCapabilities("video").codecs if codec.mimeType == "video/H264"]


def _only_at(peer: RTCPeerConnection, address: str) -> None:
    """Keeps the sockets to the address at which the viewer found the service; else every one of the machine listens."""
    for transceiver in peer.getTransceivers():
        connection = transceiver.sender.transport.transport.iceGatherer._connection
        gather = connection.get_component_candidates

        async def only(component: int, addresses: list[str], timeout: int = 5, gather: Any = gather) -> Any:
            return await gather(component=component, addresses=[address], timeout=timeout)

        connection.get_component_candidates = only  # type: ignore[method-assign]

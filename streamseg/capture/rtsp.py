"""Network cameras over RTSP."""

from __future__ import annotations

from streamseg.capture.decode import open_error, pixel_limit
from streamseg.capture.hardware import accelerator
from streamseg.capture.packets import Packets
from streamseg.capture.rtspproxy import RtspProxy
from streamseg.capture.stream import OPEN_TIMEOUT_S, StreamSource
from streamseg.net.urls import Address
from streamseg.options import SourceOptions
from streamseg.pyav import open_input

_OPTIONS = {
    "flags": "low_delay",
    "analyzeduration": "500000",
    "protocol_whitelist": "rtp,udp,tcp,crypto,srtp",
    "allowed_media_types": "video",
}
# The other one where the camera refuses what was asked for, multicast where it refuses both, and TCP also where nothing
# comes of UDP. TCP loses nothing on the way; over UDP a packet may have been overtaken by others, and is waited for a
# moment (`max_delay`, us).
_TRANSPORT = {"rtsp_transport": "udp+tcp+udp_multicast", "max_delay": "50000"}
_FIRST = {"tcp": {"rtsp_flags": "prefer_tcp"}, "udp": {}}


def open_rtsp(address: Address, options: SourceOptions) -> StreamSource:
    """One connection to the camera at `address`.

    Raises:
        SourceError: there is no stream to be had.
        InputError: it has no video.
    """
    import av

    proxy = RtspProxy(address, OPEN_TIMEOUT_S)
    read_s = options.stall_timeout_s / 2  # the library fires at twice the time it is given
    asked = {**_OPTIONS, **_TRANSPORT, **_FIRST[options.transport], "timeout": str(int(read_s * 1e6))}
    try:
        limited = {**asked, **pixel_limit(options.max_megapixels)}
        container = open_input(
            proxy.url, limited, (OPEN_TIMEOUT_S, read_s), hwaccel=accelerator(options.decode, address.name, options.gpu)
        )
        packets = Packets(container, address.name, options.max_megapixels)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        failure = proxy.failure or proxy.unanswered or open_error(error, address.name)
        proxy.close()
        raise failure from None
    except BaseException:
        proxy.close()
        raise
    return StreamSource(packets, address.name, options, live=True, transport=proxy)

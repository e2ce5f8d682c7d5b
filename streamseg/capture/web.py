"""What comes over HTTP: camera or file, told by what the server says and does."""

from __future__ import annotations

import io
import logging
import re

from streamseg.capture.decode import BARE, FORMATS, GOES_ON, open_error, pixel_limit
from streamseg.capture.hardware import accelerator
from streamseg.capture.hls import PlayedSegments, open_playlist
from streamseg.capture.httpclient import HttpClient
from streamseg.capture.httpfile import HttpFile
from streamseg.capture.packets import Packets
from streamseg.capture.parts import Parts
from streamseg.capture.pictures import PictureParts, are_pictures
from streamseg.capture.snapshots import SnapshotSource
from streamseg.capture.stream import OPEN_TIMEOUT_S, StreamSource
from streamseg.contracts import Source
from streamseg.errors import SourceError, StreamsegError
from streamseg.imagefile import check_size, promised_size
from streamseg.net.urls import Address
from streamseg.options import SourceOptions
from streamseg.pyav import open_input

_log = logging.getLogger(__name__)
_PLAYLISTS = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")
_JPEG, _GIF = b"\xff\xd8\xff", b"GIF8"
_NEXT_JPEG = re.compile(rb"\xff\xd9[\s\x00]{0,64}\xff\xd8\xff")
_IMAGES = (b"\x89PNG\r\n", b"BM", b"II*\0", b"MM\0*", b"RIFF")  # in what the server calls an image
_LARGEST_PICTURE = 1 << 26  # bytes
_HEAD = 1 << 12  # bytes
_OPEN_S = 30.0  # a connection that breaks meanwhile is gone on with
_LOOK_S = 1.5
_LEAD_S = 10.0  # longer than the time between two key frames, from the last of which a live server may begin
_MOST_LIVE = 1 << 25  # bytes in that time
_OPTIONS = {
    "format_whitelist": f"mpjpeg,{FORMATS}",
    "protocol_whitelist": "data",
    "flags": "low_delay",
    "analyzeduration": "1000000",
    **GOES_ON,
}


def open_web(address: Address, options: SourceOptions, played: PlayedSegments, *, live: bool | None = None) -> Source:
    """What is at `address`: a file, or a camera; `live` says what it turned out to be before, on its last connection.

    `played`: the segments of a playlist that earlier connections showed.

    Raises:
        SourceError: there is no response, a refusal, or nothing that is video.
        InputError: there is no video in it.
    """
    client = HttpClient(address, OPEN_TIMEOUT_S, options.stall_timeout_s)
    try:
        body = HttpFile(client)
    except BaseException:
        client.close()
        raise
    try:
        return _open(client, body, options, played, live)
    except BaseException:
        body.close()
        raise


def _open(
    client: HttpClient, body: HttpFile, options: SourceOptions, played: PlayedSegments, live: bool | None
) -> Source:
    first = body.peek(16)
    if body.failure:
        raise body.failure
    if body.kind in _PLAYLISTS or first.lstrip(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        return open_playlist(client, body, options, played)
    if first.lstrip(b"\xef\xbb\xbf\r\n ").startswith(b"<") and (told := _no_video(client, body.peek(_HEAD))):
        raise told
    if body.kind.startswith("multipart/"):
        if are_pictures(body):
            return PictureParts(body, client.there.name, options)
        return _open_stream(client, body, options, "mpjpeg", live=True)
    several = first.startswith(_JPEG) and _several(body)
    if several or first.startswith(_GIF):  # FFmpeg says nothing of the size of what it may not decode
        check_size(*promised_size(body.peek(len(first))), client.there.name, options.max_megapixels)
    if several:
        return _open_stream(client, body, options, "mjpeg", live)
    if first.startswith(_JPEG) or (body.kind.startswith("image/") and first.startswith(_IMAGES)):
        source = SnapshotSource(client, body, options)
        if live is None:
            every_s = 1 / (source.info.fps or 1)
            _log.info("%s: one picture a request, so it is asked for the next every %g s", source.info.name, every_s)
        return source
    return _open_stream(client, body, options, None, live)


def _no_video(client: HttpClient, text: bytes) -> SourceError | None:
    """What is to be said of a text in angle brackets; None where it is unknown."""
    if b"<MPD" in text:
        hint = f"through FFmpeg: ffmpeg -i {client.there.scheme}://… -c copy -f mpegts - | streamseg run -"
        return client.error("a DASH manifest, which is not read", hint)
    if b"<html" in text.lower():
        return client.error("a web page, and no video", "the stream has an address of its own")
    return None


def _several(body: HttpFile) -> bool:
    """Whether another JPEG follows the first."""
    seen = size = 0
    while not _NEXT_JPEG.search(data := body.peek(size + 1), max(0, seen - 70)):
        if len(data) <= size or size > _LARGEST_PICTURE:
            return False
        seen, size = size, len(data)
    return True


def _index_at_the_end(head: bytes) -> bool:
    """Whether an MP4's pictures come before the index without which they cannot be read."""
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind in (b"mdat", b"moov", b"moof"):
            return kind == b"mdat"
        if kind not in (b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pdin", b"meta", b"styp") or size < 8:
            break
        at += size
    return False


def _is_endless(head: bytes) -> bool:
    """Whether an MP4 comes in fragments, and nothing says how many: FFmpeg takes those that it has seen for all."""
    return b"mvex" in head and b"mehd" not in head and b"sidx" not in head


def _open_stream(
    client: HttpClient, body: HttpFile, options: SourceOptions, form: str | None, live: bool | None
) -> StreamSource:
    import av

    name, head = client.there.name, body.peek(_HEAD)
    if not body.seekable() and _index_at_the_end(head):
        _log.info("%s: its index is at its end and the server cannot jump, so all of it is fetched first", name)
        body.fetch()
    if live is None:
        live = not (body.total is not None or body.kept) and not _is_hasty(body, form, options)
    limited = {**_OPTIONS, **pixel_limit(options.max_megapixels)}
    if form is not None and live:
        limited["analyzeduration"] = "1"  # the first picture says all but the time, which is that of its arrival
    try:
        target = Parts(body) if form == "mpjpeg" else body
        container = open_input(
            target, limited, (_OPEN_S, None), form=form, hwaccel=accelerator(options.decode, name, options.gpu)
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise body.failure or open_error(error, name) from None
    body.opened = True
    packets = Packets(container, name, options.max_megapixels)
    live = live and (_is_endless(head) or not container.duration)
    bare = not (BARE | {"mpjpeg"}).isdisjoint(container.format.name.split(","))
    arrived_s = (lambda: body.arrived_s) if live and bare else None
    return StreamSource(packets, name, options, live=live, arrived_s=arrived_s, transport=body)


def _is_hasty(body: HttpFile, form: str | None, options: SourceOptions) -> bool:
    """Whether a body without a length is a file that comes as quickly as it can, and not a live stream.

    It ends while we look, or holds more video than there was time for, and than a server keeps for newcomers.
    """
    came = body.look(_LOOK_S, _MOST_LIVE)
    if body.failure or body.ended or len(came) >= _MOST_LIVE:
        return not body.failure
    return _seconds_in(came, form, options) > _LOOK_S + _LEAD_S


def _seconds_in(data: bytes, form: str | None, options: SourceOptions) -> float:
    """How much video is in the beginning of a stream: by its stamps, which begin anywhere, or by its rate."""
    import av

    stamps_s: list[float] = []
    count, step_s = 0, 0.0
    try:
        with open_input(io.BufferedReader(io.BytesIO(data)), _OPTIONS, form=form) as container:
            packets = Packets(container, "", options.max_megapixels)
            step_s = 1 / float(packets.stream.average_rate or 25)
            for packet in packets.demux(packets.stream):
                count += bool(packet.size)  # the last one is empty
                if packet.dts is not None:
                    stamps_s.append(float(packet.dts * packet.time_base))
    except (av.error.FFmpegError, IndexError, StreamsegError):
        pass  # it ends in the middle of a packet
    return max(stamps_s) - min(stamps_s) if stamps_s else count * step_s

"""H.264 and H.265 as RTP carries them: units cut to the size of a packet, and what SDP says (RFC 6184, RFC 7798)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

PAYLOAD = 96
_LARGEST = 1400  # bytes that an RTP packet holds
_START = re.compile(rb"\x00\x00\x00?\x01")


class Carried(NamedTuple):
    """A codec's units."""

    name: str
    """In SDP."""
    header: int
    """Bytes in front of a unit."""
    kind: Callable[[bytes], int]
    """What a unit holds, read from its header."""
    parameters: Mapping[int, str]
    """Kinds that a decoder needs before the first picture, and what SDP calls each."""
    fragment: Callable[[bytes], bytes]
    """The header of a fragment of a unit."""
    format: Callable[[Sequence[bytes]], str]
    """What SDP says beside the parameters."""


H264 = Carried(
    name="H264",
    header=1,
    kind=lambda unit: unit[0] & 0x1F,
    parameters={7: "sprop-parameter-sets", 8: "sprop-parameter-sets"},
    fragment=lambda unit: bytes((unit[0] & 0xE0 | 28,)),
    format=lambda sets: f"packetization-mode=1;profile-level-id={sets[0][1:4].hex()};",
)
HEVC = Carried(
    name="H265",
    header=2,
    kind=lambda unit: unit[0] >> 1 & 0x3F,
    parameters={32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"},
    fragment=lambda unit: bytes((unit[0] & 0x81 | 49 << 1, unit[1])),
    format=lambda sets: "",
)
CARRIED = {"h264": H264, "hevc": HEVC}
"""By FFmpeg's names."""


def units_of(data: bytes) -> list[bytes]:
    """The NAL units as the encoder gives them, with start codes between."""
    return [unit for unit in _START.split(data) if unit]


def parameter_sets(units: Sequence[bytes], carried: Carried) -> list[bytes]:
    """Those among `units` that a decoder needs first."""
    return [unit for unit in units if carried.kind(unit) in carried.parameters]


def payloads(units: Sequence[bytes], carried: Carried) -> Iterator[bytes]:
    """What RTP packets hold: a unit as it is, or cut into fragments."""
    for unit in units:
        if len(unit) <= _LARGEST:
            yield unit
            continue
        header, kind = carried.fragment(unit), carried.kind(unit)
        step = _LARGEST - len(header) - 1  # so there are two at least: none may be the first and the last
        for at in range(carried.header, len(unit), step):
            first, last = at == carried.header, at + step >= len(unit)
            yield header + bytes((first << 7 | last << 6 | kind,)) + unit[at : at + step]


def description(parameters: Sequence[bytes], carried: Carried) -> bytes:
    """The session in SDP, which names the `parameters`."""
    sets: dict[str, list[str]] = {}
    for unit in parameters:
        sets.setdefault(carried.parameters[carried.kind(unit)], []).append(base64.b64encode(unit).decode())
    told = ";".join(f"{name}={','.join(each)}" for name, each in sets.items())
    lines = [
        "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=streamseg", "c=IN IP4 0.0.0.0", "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD}", f"a=rtpmap:{PAYLOAD} {carried.name}/90000",
        f"a=fmtp:{PAYLOAD} {carried.format(parameters)}{told}",
        "a=control:streamid=0",
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode()

"""H.264 in packets of RTP (RFC 6184)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_LARGEST = 1300


def pictures(data: bytes) -> list[list[bytes]]:
    """The NAL units of each picture."""
    pictures: list[list[bytes]] = [[]]
    for unit in re.split(rb"\x00\x00\x00?\x01", data)[1:]:
        seen = any(each[0] & 31 in (1, 5) for each in pictures[-1])
        if seen and (unit[0] & 31 not in (1, 5) or unit[1] & 0x80):
            pictures.append([])
        pictures[-1].append(unit)
    return pictures


def packets(units: list[bytes], ticks: int, sequence: Iterator[int]) -> Iterator[bytes]:
    payloads = [payload for unit in units for payload in _payloads(unit)]
    for at, payload in enumerate(payloads):
        yield header(96, next(sequence), ticks, last=at == len(payloads) - 1) + payload


def _payloads(unit: bytes) -> Iterator[bytes]:
    if len(unit) <= _LARGEST:
        yield unit
        return
    for at in range(1, len(unit), _LARGEST):
        first, last = at == 1, at + _LARGEST >= len(unit)
        yield bytes((unit[0] & 0xE0 | 28, first << 7 | last << 6 | unit[0] & 31)) + unit[at : at + _LARGEST]


def header(kind: int, sequence: int, ticks: int, *, last: bool) -> bytes:
    return struct.pack(">BBHII", 0x80, kind | last << 7, sequence & 0xFFFF, ticks & 0xFFFFFFFF, 0xCAFE)

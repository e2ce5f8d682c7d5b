"""From cameras to machines, servers, network and disk: arithmetic on figures that were measured or given."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamseg.capacity.queueing import Server, Share, most_cameras, paced

FULL = 0.8
"""Share of a machine that is planned with; the rest is for the day on which everything moves."""
REQUEST_S = 0.001
"""Processor seconds of a box for a question to a server over HTTP, as docs/howto/remote.md measures it."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Site:
    """What is asked for."""

    cameras: int
    fps: float
    """Frames a second of each."""
    mask_every_s: float
    """A mask of its own for each camera at least so often; motion carries it between."""
    bit_rate: float
    """Of a camera's stream, bits a second."""
    keep_days: float = 0.0
    """How long streams are kept on disk."""

    @property
    def gap_s(self) -> float:
        """Between two masks of a camera: it has no more of them than frames."""
        return max(self.mask_every_s, 1 / self.fps)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one machine was seen to do, or is said to do."""

    cores: float
    frame_s: float
    """Processor seconds of a frame without its network: decoded, the mask carried, the overlay drawn."""
    mask_s: float
    """Processor seconds of the network for a mask."""
    mask_wall_s: float
    """Seconds of the clock for a mask with all cores, or on a GPU: one network answers one question at a time."""
    pixels: int
    """Of a picture as the network gets it."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Boxes that run the network themselves."""

    cameras_a_box: int
    boxes: int | None
    """None where one camera is too much for a box."""
    limit: str
    """What is full first."""


@dataclass(frozen=True, slots=True)
class Served:
    """Boxes that ask servers."""

    cameras_a_box: int
    boxes: int | None
    """None where one camera is too much for a box; so with `servers`."""
    cameras_a_server: int
    servers: int | None
    each: Share
    """What a server does with its part of the cameras."""
    mask_every_s: float
    up_bit_rate: float
    """From all boxes to all servers, bits a second."""
    down_bit_rate: float


def alone(site: Site, figures: Figures) -> Alone:
    """How many boxes do it by themselves."""
    by_cores = FULL * figures.cores / (site.fps * figures.frame_s + figures.mask_s / site.gap_s)
    by_network = FULL * site.gap_s / figures.mask_wall_s if figures.mask_wall_s else math.inf
    fit = math.floor(min(by_cores, by_network))
    limit = "the cores" if by_cores <= by_network else "the network, one mask after the other"
    return Alone(fit, _needed(site.cameras, fit), limit)


def served(site: Site, figures: Figures, server: Server) -> Served:
    """How many boxes and servers do it together."""
    fit = math.floor(FULL * figures.cores / (site.fps * figures.frame_s + REQUEST_S / site.gap_s))
    most = most_cameras(server, 1 / site.fps, site.gap_s, site.cameras)
    servers = _needed(site.cameras, most)
    each, every_s = paced(server, math.ceil(site.cameras / servers) if servers else 1, 1 / site.fps)
    answers = each.answers * (servers or 0)
    return Served(
        fit,
        _needed(site.cameras, fit),
        most,
        servers,
        each,
        every_s,
        answers * figures.pixels * 3 * 8,
        answers * figures.pixels * 8,
    )


def disk_bytes(site: Site) -> float:
    """What the streams of all cameras fill, as they come."""
    return site.cameras * site.bit_rate / 8 * _DAY_S * site.keep_days


def _needed(cameras: int, each: int) -> int | None:
    return math.ceil(cameras / each) if each else None

"""`streamseg plan`: how many boxes, servers, network and disk so many cameras need."""

from __future__ import annotations

import argparse
import typing

from streamseg.commands.flags import MODEL, add_gpu, add_json, number, seconds, warn_if_busy
from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from streamseg.capacity.site import Alone, Figures, Served, Site

_SIDE = 512
"""Of a picture of 4:3 as most networks get it, where none is measured."""
_MOST = 1_000_000
_count = number(int, lambda given: 1 <= given <= _MOST, f"1 to {_MOST}")
_above_0 = number(float, lambda given: 0 < given <= _MOST, f"a number above 0, at most {_MOST}")
_from_0 = number(float, lambda given: 0 <= given <= _MOST, f"a number from 0 to {_MOST}")
_ms = number(float, lambda given: 0.001 <= given <= 60_000, "milliseconds, 0.001 to 60000")


def add_flags(command: argparse.ArgumentParser) -> None:
    """The site, and figures that are given instead of measured."""
    command.add_argument("--cameras", type=_count, required=True, metavar="N", help="how many there are")
    command.add_argument("--fps", type=_above_0, default=15.0, metavar="FPS", help="of each (default: %(default)g)")
    command.add_argument("--size", default="1280x720", metavar="WxH", help="of their pictures (default: %(default)s)")
    command.add_argument("--model", default="street", help=f"{MODEL} (default: %(default)s)")
    command.add_argument(
        "--mask-every",
        type=seconds,
        default=0.33,
        metavar="SECONDS",
        help="how often the network looks, motion carries its mask between (default: %(default)g)",
    )
    command.add_argument(
        "--encode", action="store_true", help="boxes also encode what they show, to keep or to send it"
    )
    command.add_argument(
        "--server", type=_ms, nargs=2, metavar="MS", help="servers: ms of a call and of each picture in it"
    )
    command.add_argument(
        "--group", type=_count, default=16, metavar="N", help="pictures in a call (default: %(default)s)"
    )
    command.add_argument(
        "--bitrate", type=_above_0, default=4.0, metavar="MBIT", help="of a camera (default: %(default)g)"
    )
    command.add_argument(
        "--keep", type=_from_0, default=0.0, metavar="DAYS", help="that streams are kept (default: none)"
    )
    given = command.add_argument_group("figures of another machine, instead of measuring this one")
    given.add_argument("--cores", type=_above_0, metavar="N", help="of a box")
    given.add_argument("--frame-ms", type=_ms, metavar="MS", help="of a core for a frame without the network")
    given.add_argument("--mask-ms", type=_ms, metavar="MS", help="of a core for a mask")
    command.add_argument(
        "--seconds", type=seconds, default=3.0, metavar="SECONDS", help="to measure the network (default: %(default)g)"
    )
    add_gpu(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """Measures what is not given, and prints what it comes to."""
    from streamseg.capacity.queueing import Server
    from streamseg.capacity.site import Site, alone, disk_bytes, served
    from streamseg.infer import check_gpu
    from streamseg.stdio import print_json

    check_gpu(arguments.gpu)
    arguments.size = _size(arguments.size)
    site = Site(arguments.cameras, arguments.fps, arguments.mask_every, arguments.bitrate * 1e6, arguments.keep)
    figures = _figures(arguments)
    boxes = alone(site, figures)
    server = Server(arguments.server[0] / 1e3, arguments.server[1] / 1e3, arguments.group) if arguments.server else None
    with_servers = served(site, figures, server) if server else None
    if arguments.json:
        print_json(
            {"site": site, "figures": figures, "alone": boxes, "served": with_servers, "disk_bytes": disk_bytes(site)}
        )
        return 0
    _print_site(site, figures, arguments)
    _print_alone(boxes)
    if with_servers:
        _print_served(with_servers)
    if site.keep_days:
        print(f"disk: {disk_bytes(site) / 1e12:.3g} TB for {site.keep_days:g} days of every camera's stream")
    return 0


def _figures(arguments: argparse.Namespace) -> Figures:
    """What is given, and of the rest what is measured."""
    from streamseg.capacity.site import Figures

    given = (arguments.cores, arguments.frame_ms, arguments.mask_ms)
    if None not in given:
        if arguments.encode:
            raise InputError("--encode: is in --frame-ms, where that is given", "leave it out")
        cores = arguments.cores
        mask_s = arguments.mask_ms / 1e3
        return Figures(cores, arguments.frame_ms / 1e3, mask_s, mask_s / cores, _SIDE * _SIDE * 3 // 4)
    if any(value is not None for value in given):
        raise InputError("--cores, --frame-ms, --mask-ms: another machine's figures go together, all or none")
    from streamseg.capacity.figures import measured

    warn_if_busy()
    return measured(
        arguments.model,
        arguments.size,
        arguments.fps,
        arguments.seconds,
        encoded=arguments.encode,
        gpu=arguments.gpu,
    )


def _print_site(site: Site, figures: Figures, arguments: argparse.Namespace) -> None:
    width, height = arguments.size
    given = arguments.frame_ms is not None
    origin, model = ("given", "a mask") if given else ("measured on this machine", arguments.model)
    print(
        f"{site.cameras} cameras of {width}x{height} at {site.fps:g} frames a second, {model} at least every "
        f"{site.mask_every_s:g} s, carried between"
    )
    print(
        f"{origin}: {figures.cores:g} cores; {figures.frame_s * 1e3:.1f} ms of a core for a frame, "
        f"{figures.mask_s * 1e3:.1f} ms for a mask"
    )
    print(f"network: {site.cameras * site.bit_rate / 1e6:.0f} Mbit/s from the cameras")


def _print_alone(found: Alone) -> None:
    if found.boxes is None:
        print(f"boxes alone: not even one camera fits on one: {found.limit} would be full")
        return
    print(f"boxes alone: {found.boxes}, {found.cameras_a_box} cameras each; full first: {found.limit}")


def _print_served(found: Served) -> None:
    if found.boxes is None or found.servers is None:
        what = "box" if found.boxes is None else "server"
        print(f"with servers: not even one camera fits on a {what}")
        return
    print(
        f"with servers: {found.boxes} boxes, {found.cameras_a_box} cameras each; servers: {found.servers}, "
        f"up to {found.cameras_a_server} cameras each"
    )
    print(
        f"a server: {found.each.busy:.0%} busy, {found.each.group:.1f} pictures a call; an answer after "
        f"{found.each.wait_s * 1e3:.0f} ms, a mask every {found.mask_every_s * 1e3:.0f} ms"
    )
    print(f"network: {found.up_bit_rate / 1e6:.0f} Mbit/s from boxes to servers, {found.down_bit_rate / 1e6:.0f} back")


def _size(text: str) -> tuple[int, int]:
    from streamseg.options import Size

    try:
        return Size(text)
    except ValueError as error:
        raise InputError(f"--size {text}: {error}") from None

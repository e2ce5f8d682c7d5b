"""An RTSP camera for tests: loops an H.264 or H.265 file, with a password, with damage, over TCP or UDP.

Runs under the system's Python, which has GStreamer's bindings. Prints `ready` once it listens.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from typing import Any

import gi
from rtsp_auth import protect  # type: ignore[import-not-found]  # a neighbour: this runs as a script

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

LAUNCH = (
    "( appsrc name=src is-live=true format=time {extra} ! {codec}parse ! "
    "rtp{codec}pay name=pay0 pt=96 config-interval=-1 )"
)


def main() -> None:
    arguments = parse()
    Gst.init(None)
    units, caps = access_units(arguments.file)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_latency(0)
    extra = "do-timestamp=true max-bytes=0" if arguments.paced else ""
    factory.set_launch(LAUNCH.format(extra=extra, codec=codec_of(arguments.file)))
    transports = GstRtsp.RTSPLowerTrans
    factory.set_protocols({"tcp": transports.TCP, "udp": transports.UDP}[arguments.transport])
    feed = paced if arguments.paced else on_demand
    factory.connect("media-configure", lambda _, media: feed(media, units, caps, arguments))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    if arguments.user:
        protect(server, factory, arguments)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print("ready", STARTED_S, flush=True)
    GLib.MainLoop().run()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--transport", default="tcp")
    parser.add_argument("--damage", type=float, default=0.0, help="share of frames with flipped bits")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--paced", action="store_true", help="frame n leaves n / fps after `ready`, by the clock")
    return parser.parse_args()


def codec_of(path: str) -> str:
    return "h265" if path.endswith(".h265") else "h264"


def access_units(path: str) -> tuple[list[bytes], Any]:
    """Every picture's bytes, and what they are."""
    pipeline = Gst.parse_launch(
        f"filesrc location={path} ! {codec_of(path)}parse config-interval=-1 ! "
        f"video/x-{codec_of(path)},stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    )
    out = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    units: list[bytes] = []
    caps = None
    while (sample := out.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        units.append(buffer.extract_dup(0, buffer.get_size()))
        caps = sample.get_caps()
    pipeline.set_state(Gst.State.NULL)
    return units, caps


def on_demand(media: Any, units: list[bytes], caps: Any, arguments: argparse.Namespace) -> None:
    """Frames as fast as the server wants them, which is at the rate of their stamps."""
    source = media.get_element().get_child_by_name("src")
    source.set_property("caps", caps)
    counter = iter(range(1 << 40))
    step = Gst.SECOND // arguments.fps

    def need(source: Any, _: int) -> None:
        number = next(counter)
        buffer = Gst.Buffer.new_wrapped(damaged(units[number % len(units)], arguments.damage))
        buffer.pts = buffer.dts = number * step
        buffer.duration = step
        source.emit("push-buffer", buffer)

    source.connect("need-data", need)


def paced(media: Any, units: list[bytes], caps: Any, arguments: argparse.Namespace) -> None:
    """Frame n of the loop leaves at a moment that the reader can compute."""
    source = media.get_element().get_child_by_name("src")
    source.set_property("caps", caps)
    alive = threading.Event()
    alive.set()

    def push() -> None:
        number = int((time.monotonic() - STARTED_S) * arguments.fps) + 1
        number += -number % arguments.fps  # begin with a key frame
        while alive.is_set():
            time.sleep(max(0.0, STARTED_S + number / arguments.fps - time.monotonic()))
            if source.emit("push-buffer", Gst.Buffer.new_wrapped(units[number % len(units)])) != Gst.FlowReturn.OK:
                return
            number += 1

    threading.Thread(target=push, daemon=True).start()
    media.connect("unprepared", lambda _: alive.clear())


def damaged(unit: bytes, share: float) -> bytes:
    if random.random() >= share:
        return unit
    raw = bytearray(unit)
    for _ in range(max(1, len(raw) // 200)):
        raw[random.randrange(min(40, len(raw) - 1), len(raw))] ^= 1 << random.randrange(8)
    return bytes(raw)


STARTED_S = time.monotonic()

if __name__ == "__main__":
    main()

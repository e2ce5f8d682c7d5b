"""An RTSP server for tests that takes what is published at /live and writes it to a file of raw H.264, or H.265.

Runs under the system's Python, which has GStreamer's bindings. Prints `ready` once it listens.
"""

from __future__ import annotations

import argparse

import gi
from rtsp_auth import protect  # type: ignore[import-not-found]  # a neighbour: this runs as a script

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--codec", choices=("h264", "h265"), default="h264")
    arguments = parser.parse_args()
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    factory.set_latency(0)
    factory.set_launch(
        f"( rtp{arguments.codec}depay name=depay0 ! {arguments.codec}parse ! "
        f"video/x-{arguments.codec},stream-format=byte-stream,alignment=au ! "
        f"filesink location={arguments.file} buffer-mode=unbuffered sync=false )"
    )
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    if arguments.user:
        protect(server, factory, arguments)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()

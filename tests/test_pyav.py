from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamseg.capture import open_source
from streamseg.pyav import open_input
from tests.parts import clips


def test_a_title_in_another_encoding_does_not_stop_a_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "PLACE OF THE TITLE"
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.numbered(7), format="bgr24")))
        container.mux(stream.encode(None))
    written = path.read_bytes()
    path.write_bytes(written.replace(b"PLACE OF THE TITLE", "Straße nach Süden".encode("latin-1") + b"!"))
    assert path.read_bytes() != written
    (frame,) = open_source(str(path))
    assert clips.read_number(frame.image) == 7


@pytest.mark.parametrize("name", ["flv", "mpegts", "mpeg", "matroska"])
def test_streams_that_turn_up_late_are_read_with_options_given(name: str, tmp_path: Path) -> None:
    codec = "mpeg1video" if name == "mpeg" else "libx264"
    path = clips.clip(tmp_path / "a", format=name, codec=codec, frames=10)
    for target in (f"file:{path}", path.open("rb")):
        with open_input(target, {"max_pixels": "1000000"}) as container:
            assert len(list(container.decode(video=0))) == 10
        if not isinstance(target, str):
            target.close()

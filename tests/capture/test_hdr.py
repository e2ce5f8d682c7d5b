"""Video of high dynamic range is seen as a plain camera would have seen it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import hdr, open_source
from streamseg.capture.filters import Filters
from streamseg.frame import Frame, Image
from tests.parts import odd_video

LIT = 203.0
"""cd/m2 of white in a room, by ITU-R BT.2408."""


def scene(brightest: int = 255) -> Image:
    coarse = np.random.default_rng(1).integers(20, brightest, (3, 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC).clip(10, brightest), np.uint8)


def frames(path: Path) -> list[Frame]:
    return list(open_source(str(path)))


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_what_is_no_brighter_than_skin_stays_as_it_was(transfer: str, tmp_path: Path) -> None:
    image = scene(180)
    found = frames(odd_video.hdr(tmp_path / "a.mp4", image, transfer, white=LIT))
    assert len(found) == 5
    for frame in found:
        off = np.abs(frame.image.astype(int) - image)
        assert off.mean() < 3
        assert np.quantile(off, 0.99) < 12
        assert frame.planes is not None
        assert frame.planes.colours == (1, 1), "BT.709, as it is recorded"


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_a_scene_in_a_room_looks_as_on_a_plain_camera(transfer: str, tmp_path: Path) -> None:
    image = scene()
    (frame, *_) = frames(odd_video.hdr(tmp_path / "a.mp4", image, transfer, white=LIT))
    assert np.abs(frame.image.astype(int) - image).mean() < 10
    with av.open(str(tmp_path / "a.mp4")) as container:
        untouched = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(untouched.astype(int) - image).mean() > 20, "as it would be taken for plain video"


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_the_sun_is_white_and_what_is_brighter_stays_brighter(transfer: str, tmp_path: Path) -> None:
    steps = np.repeat(np.linspace(0, 255, 16, dtype=np.uint8), 20)[None, :, None]
    ramp = np.ascontiguousarray(np.broadcast_to(steps, (240, 320, 3)))
    (frame, *_) = frames(odd_video.hdr(tmp_path / "a.mp4", ramp, transfer, white=1000.0))
    seen = frame.image[120, 10::20].mean(1)
    assert (np.diff(seen) >= 0).all()
    assert seen[0] <= 3
    assert seen[-1] >= 252
    assert np.ptp(frame.image[120, 10::20].astype(int), 1).max() <= 4, "grey stays grey"


def test_colours_keep_their_hue(tmp_path: Path) -> None:
    patches = np.zeros((240, 320, 3), np.uint8)
    colours = [(40, 40, 170), (40, 170, 40), (170, 40, 40), (40, 170, 170), (60, 100, 160)]
    for number, colour in enumerate(colours):
        patches[:, 64 * number : 64 * (number + 1)] = colour
    for transfer in ("pq", "hlg"):
        (frame, *_) = frames(odd_video.hdr(tmp_path / f"{transfer}.mp4", patches, transfer, white=LIT))
        seen = frame.image[120, 32::64].astype(int)
        assert np.abs(seen - colours).max() <= 10


@pytest.mark.parametrize("name", ["pq", "hlg"])
def test_the_table_gives_what_the_formula_gives(name: str) -> None:
    """Between its entries too, at colours as cameras see them."""
    dice = np.random.default_rng(0)
    grey = dice.random((64 * 64, 1))
    signal = np.round(np.clip(grey + dice.normal(0, 0.05, (64 * 64, 3)), 0, 1) * 65535).astype("<u2")
    frame = av.VideoFrame(64, 64, "gbrp16le")
    for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
        plane.update(np.ascontiguousarray(signal[:, channel]).tobytes())
    graph = av.filter.Graph()
    source = graph.add("buffer", "video_size=64x64:pix_fmt=gbrp16le:time_base=1/25")
    with hdr.table_file(name) as path:
        table = graph.add("lut3d", file=path, interp="tetrahedral")
    sink = graph.add("buffersink")
    source.link_to(table)
    table.link_to(sink)
    graph.configure()
    graph.push(frame)
    out = graph.vpull()
    found = np.stack([np.frombuffer(bytes(out.planes[i]), "<u2")[: 64 * 64] for i in (2, 0, 1)], -1) / 65535
    off = np.abs(found - hdr.plain(signal / 65535, name)) * 255
    assert off.mean() < 0.6
    assert np.quantile(off, 0.95) < 2


def test_plain_video_of_ten_bits_is_left_alone(tmp_path: Path) -> None:
    image = scene()
    path = odd_video.write(tmp_path / "a.mkv", [image] * 3, codec="ffv1", pix_fmt="yuv420p10le")
    for frame in frames(path):
        assert np.abs(frame.image.astype(int) - image).mean() < 2


def test_video_that_turns_into_high_range_is_followed(tmp_path: Path) -> None:
    image = scene(180)
    odd_video.hdr(tmp_path / "hlg.ts", image, "hlg", white=LIT)
    plain = {"preset": "ultrafast", "crf": "2", "x265-params": "log-level=none"}
    odd_video.write(tmp_path / "sdr.ts", [image] * 5, codec="libx265", pix_fmt="yuv420p10le", options=plain)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "sdr.ts").read_bytes() + (tmp_path / "hlg.ts").read_bytes())
    found = frames(both)
    assert len(found) >= 9
    strange = sum(np.abs(frame.image.astype(int) - image).mean() > 5 for frame in found)
    assert strange <= 2, "frames that the decoder still held, which FFmpeg marks like those that follow"


def test_a_frame_that_cannot_be_filtered_is_counted_and_the_next_is_seen(tmp_path: Path) -> None:
    path = odd_video.with_matrix(tmp_path / "a.mp4", odd_video.MATRICES["turned right"])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        counters = {"decode_errors": 0}
        broken = av.VideoFrame(3, 3, "yuv420p")
        broken.time_base = decoded[0].time_base
        seen = list(Filters(stream, counters)([*decoded[:2], broken, *decoded[2:]]))
    assert len(seen) + counters["decode_errors"] == 6
    assert [each.frame.width for each in seen][:2] == [120, 120]


@pytest.mark.skipif(
    shutil.which("ffmpeg") is None
    or " zscale " not in subprocess.run(["ffmpeg", "-filters"], capture_output=True, text=True).stdout,
    reason="no ffmpeg with zscale, to compare with, is installed",
)
@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_it_is_nearer_to_the_scene_than_the_usual_recipe_and_of_the_same_shape(transfer: str, tmp_path: Path) -> None:
    image = scene()
    path = odd_video.hdr(tmp_path / "a.mp4", image, transfer, white=LIT)
    recipe = (
        "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
        "zscale=t=bt709:m=bt709:r=tv,format=yuv420p,format=rgb24"
    )
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", recipe, "-frames:v", "1", str(tmp_path / "x.png")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=100)
    theirs = cv2.imread(str(tmp_path / "x.png"))
    assert theirs is not None
    ours = frames(path)[0].image
    assert np.abs(ours.astype(int) - image).mean() < np.abs(theirs.astype(int) - image).mean()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.97

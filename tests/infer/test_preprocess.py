from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.infer.model.geometry import Rect, input_size, make_fit
from streamseg.infer.model.spec import PAD, FitKind, InputSpec
from streamseg.infer.preprocess import Preprocessor
from streamseg.yuv import BT601, Planes, to_i420

IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def picture(height: int = 48, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def textbook(image: NDArray[np.uint8], spec: InputSpec, size: tuple[int, int]) -> NDArray[np.float32]:
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    small = small[..., ::-1] if spec.colour == "rgb" else small
    values: NDArray[np.float32] = (small.astype(np.float32) - np.float32(spec.mean)) / np.float32(spec.std)  # type: ignore[arg-type]
    return values.transpose(2, 0, 1) if spec.layout == "NCHW" else values


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_floats_are_exactly_the_textbook_ones(layout: str, colour: str) -> None:
    spec = InputSpec(layout=layout, colour=colour, **IMAGENET)  # type: ignore[arg-type]
    batch, _ = Preprocessor(spec)([picture()], (24, 32), 1)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0], textbook(picture(), spec, (24, 32)))


def test_fp16_is_the_textbook_value_rounded() -> None:
    spec = InputSpec(dtype="float16", **IMAGENET)  # type: ignore[arg-type]
    batch, _ = Preprocessor(spec)([picture()], (24, 32), 1)
    np.testing.assert_array_equal(batch[0], textbook(picture(), spec, (24, 32)).astype(np.float16))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_bytes_are_the_resized_picture(layout: str, colour: str) -> None:
    spec = InputSpec(dtype="uint8", layout=layout, colour=colour)  # type: ignore[arg-type]
    batch, _ = Preprocessor(spec)([picture()], (24, 32), 1)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[0], textbook(picture(), spec, (24, 32)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_grey_is_one_channel(layout: str) -> None:
    spec = InputSpec(dtype="uint8", layout=layout, colour="grey")  # type: ignore[arg-type]
    batch, _ = Preprocessor(spec)([picture()], (24, 32), 1)
    grey = cv2.cvtColor(cv2.resize(picture(), (32, 24)), cv2.COLOR_BGR2GRAY)
    np.testing.assert_array_equal(batch[0].squeeze(), grey)
    assert batch.shape == ((1, 1, 24, 32) if layout == "NCHW" else (1, 24, 32, 1))


def test_the_batch_is_used_again() -> None:
    preprocess = Preprocessor(InputSpec(dtype="uint8", layout="NHWC", colour="bgr"))
    first, _ = preprocess([picture()], (24, 32), 2)
    second, _ = preprocess([picture(seed=1), picture(seed=2)], (24, 32), 2)
    assert first is second
    np.testing.assert_array_equal(second[1], cv2.resize(picture(seed=2), (32, 24)))


def test_a_letterbox_pads_with_grey_and_says_where_the_picture_lies() -> None:
    preprocess = Preprocessor(InputSpec(dtype="uint8", layout="NHWC", colour="bgr", fit="letterbox"))
    batch, (fit,) = preprocess([np.full((30, 60, 3), 200, np.uint8)], (32, 32), 1)
    assert fit.target == Rect(0, 8, 32, 16)
    assert np.all(batch[0, 8:24] == 200)
    assert np.all(batch[0, :8] == PAD) and np.all(batch[0, 24:] == PAD)


def test_a_picture_after_another_of_other_aspect_leaves_nothing_of_it() -> None:
    preprocess = Preprocessor(InputSpec(dtype="uint8", layout="NHWC", colour="bgr", fit="letterbox"))
    preprocess([np.full((60, 30, 3), 9, np.uint8)], (32, 32), 1)
    batch, _ = preprocess([np.full((30, 60, 3), 200, np.uint8)], (32, 32), 1)
    assert set(np.unique(batch)) == {PAD, 200}


def test_a_crop_takes_the_middle() -> None:
    image = np.zeros((30, 60, 3), np.uint8)
    image[:, 15:45] = 200
    batch, (fit,) = Preprocessor(InputSpec(dtype="uint8", layout="NHWC", colour="bgr", fit="crop"))(
        [image], (30, 30), 1
    )
    assert fit.source == Rect(15, 0, 30, 30)
    assert np.all(batch == 200)


FRAMES = [(48, 64), (64, 48), (33, 77), (1, 1), (7, 500), (500, 7), (720, 1280)]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_letterbox_undone_covers_exactly_the_frame(frame: tuple[int, int], scale: int) -> None:
    size = (96, 128)
    fit = make_fit("letterbox", frame, size)
    plane = np.zeros((size[0] // scale, size[1] // scale), np.uint8)
    inner = Rect(*(round(side / scale) for side in (fit.target.x, fit.target.y, fit.target.width, fit.target.height)))
    plane[inner.y : inner.y + max(inner.height, 1), inner.x : inner.x + max(inner.width, 1)] = 1
    seen = fit.undo(plane, 255)
    assert seen.mean() > 0.85 and seen.shape[0] >= 1 and seen.shape[1] >= 1
    assert seen.shape[0] <= plane.shape[0] and seen.shape[1] <= plane.shape[1]


@pytest.mark.parametrize("frame", [*FRAMES, (375, 500), (427, 640), (719, 1281)])
@pytest.mark.parametrize("cell", [2, 8, 32])
def test_padding_ends_where_a_pixel_of_a_coarse_output_does(frame: tuple[int, int], cell: int) -> None:
    fit = make_fit("letterbox", frame, (256, 512), cell)
    plane = np.zeros((256 // cell, 512 // cell), np.uint8)
    inside = np.zeros((256, 512), np.uint8)
    fit.target.of(inside)[...] = 1
    cells = inside.reshape(256 // cell, cell, 512 // cell, cell)
    np.testing.assert_array_equal(cells.min((1, 3)), cells.max((1, 3)))  # none is part frame, part padding
    plane[...] = cells.max((1, 3))
    seen = fit.undo(plane, 255)
    assert seen.min() == 1 and seen.sum() == plane.sum()


@pytest.mark.parametrize("kind", ["letterbox", "stretch", "crop"])
@pytest.mark.parametrize("frame", [(48, 64), (64, 48), (54, 96), (33, 77)])
def test_a_mark_comes_back_where_it_was(kind: FitKind, frame: tuple[int, int]) -> None:
    """A square in the frame, through the input and back, lies on itself to a pixel of the input."""
    height, width = frame
    labels = np.zeros(frame, np.uint8)
    labels[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    image = np.repeat(labels[..., None] * 255, 3, axis=2).astype(np.uint8)
    spec = InputSpec(dtype="uint8", layout="NHWC", colour="bgr", fit=kind)
    batch, (fit,) = Preprocessor(spec)([image], (192, 192), 1)
    back = fit.undo((batch[0, ..., 0] > 127).astype(np.uint8), 0)
    rows = np.arange(height) * back.shape[0] // height
    columns = np.arange(width) * back.shape[1] // width
    assert np.mean(back[rows][:, columns] != labels) < 0.02


def test_what_a_crop_does_not_see_is_marked() -> None:
    fit = make_fit("crop", (30, 60), (30, 30))
    whole = fit.undo(np.ones((30, 30), np.uint8), 255)
    assert whole.shape == (30, 60)
    assert np.all(whole[:, 15:45] == 1)
    assert np.all(whole[:, :15] == 255) and np.all(whole[:, 45:] == 255)


@pytest.mark.parametrize(("frame", "size"), [((8, 8), (1024, 128)), ((4, 4000), (1024, 128)), ((4000, 4), (128, 1024))])
def test_of_a_small_video_frame_a_crop_has_colours(frame: tuple[int, int], size: tuple[int, int]) -> None:
    image = np.full((*frame, 3), (40, 90, 200), np.uint8)
    planes = Planes.blank(to_i420(image, BT601), BT601)
    (found,), _ = Preprocessor(InputSpec(fit="crop", colour="bgr"))([planes], size, 1)
    assert np.abs(found.mean((1, 2)) - (40, 90, 200)).max() < 3
    assert make_fit("crop", (1, 9), (64, 16)).source == Rect(3, 0, 2, 1)


def test_a_strip_is_no_longer_than_it_is_or_than_a_network_s_side_may_be() -> None:
    whole = make_fit("crop", (2, 4000), (64, 512)).undo(np.full((64, 512), 3, np.uint8), 255)
    assert whole.shape == (64, 16384)
    assert [np.flatnonzero(row != 255).tolist() for row in whole[[0, -1]]] == [list(range(8159, 8225))] * 2
    assert make_fit("crop", (20_000, 10), (64, 64)).undo(np.ones((64, 64), np.uint8), 255).shape == (20_000, 64)


def test_an_undone_plane_is_its_own() -> None:
    plane = np.ones((24, 32), np.uint8)
    assert not np.shares_memory(make_fit("stretch", (48, 64), (24, 32)).undo(plane, 0), plane)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (InputSpec(height=24, width=32), (24, 32)),
        (InputSpec(side=512, stride=32), (288, 512)),
        (InputSpec(height=360, stride=8), (360, 640)),
        (InputSpec(width=320, stride=32), (192, 320)),
        (InputSpec(side=16, stride=32), (32, 32)),
    ],
)
def test_free_sides_follow_the_frame(spec: InputSpec, expected: tuple[int, int]) -> None:
    assert input_size(spec, (720, 1280)) == expected


def test_beside_a_fixed_side_that_of_a_strip_has_an_end() -> None:
    assert input_size(InputSpec(height=512, stride=48), (2, 4000)) == (512, 16368)
    assert input_size(InputSpec(width=512), (4000, 2)) == (16384, 512)


def test_larger_frames_keep_their_size_up_to_the_largest() -> None:
    frames = [(256, 256), (400, 500), (520, 696), (1024, 768), (2000, 4000)]
    bounded = InputSpec(side=512, largest=1024, stride=32)
    assert [input_size(bounded, each) for each in frames] == [
        (512, 512), (416, 512), (512, 704), (1024, 768), (512, 1024),
    ]  # fmt: skip
    assert [input_size(InputSpec(side=512, stride=32), each) for each in frames[2:]] == [
        (384, 512), (512, 384), (256, 512),
    ]  # fmt: skip

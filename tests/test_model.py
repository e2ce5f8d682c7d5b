"""A model that is called with one's own frames."""

from __future__ import annotations

import copy
import io
import pickle
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

import streamseg
from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.infer import load_segmenter
from streamseg.model import load
from tests.parts.fakes import CLASSES, Marker
from tests.parts.fakes import segmentation as fake
from tests.parts.patience import PATIENCE_S


def image(height: int = 120, width: int = 160, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_one_image_gives_what_the_pipeline_s_own_step_finds() -> None:
    bgr = image()
    with load("person-wide") as model:
        result = model(bgr)
    segment = load_segmenter("person-wide").make(1)
    (expected,) = segment([Frame(bgr.copy(), 0, 0.0, 0.0)])
    segment.close()
    assert np.array_equal(result.labels, expected.labels)
    assert result.classes.names == model.classes.names == ("background", "person")
    assert (result.height, result.width) == (120, 160)
    assert result.areas().sum() == pytest.approx(1)


def test_a_list_gives_a_list_in_order_whatever_the_sizes() -> None:
    model = load("otsu")
    images = [image(seed=1), image(60, 80, seed=2), image(seed=3)]
    results = model(images)
    assert [(result.height, result.width) for result in results] == [(120, 160), (60, 80), (120, 160)]
    assert all(np.array_equal(a.labels, model(b).labels) for a, b in zip(results, images, strict=True))
    assert model([]) == []


def test_a_generator_goes_through_map() -> None:
    assert [result.width for result in map(load("otsu"), (image() for _ in range(3)))] == [160] * 3


def test_the_image_is_neither_copied_nor_made_read_only() -> None:
    seen: list[Frame] = []
    bgr = image()
    load(Marker(seen.append))(bgr)
    assert bgr.flags.writeable
    assert np.shares_memory(seen[0].image, bgr)
    assert not seen[0].image.flags.writeable


def test_an_rgb_image_turned_round_by_a_slice_is_taken() -> None:
    bgr = image()
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    model = load("otsu")
    assert np.array_equal(model(rgb[..., ::-1]).labels, model(bgr).labels)


OF_PIL = "of a PIL image: numpy.asarray(PIL.ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1]"
DECODED = "cv2.imdecode(numpy.frombuffer({}, numpy.uint8), cv2.IMREAD_COLOR)"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (None, "cv2.imread and VideoCapture.read give None where they fail"),
        (image()[..., 0], "cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"),
        (np.dstack([image(), image()[..., 0]]), "cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)"),
        (image()[..., :1], "cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"),
        (image().transpose(2, 0, 1), "of (3, H, W) RGB: image.transpose(1, 2, 0)[..., ::-1]"),
        (image()[..., :2], "three channels: blue, green, red"),
        (image() > 99, "of truths: image.astype(numpy.uint8) * 255"),
        (image().astype(np.int64), "of numbers in 0..255: image.astype(numpy.uint8)"),
        (image().astype(np.uint16) << 8, "of 16 bits: (image >> 8).astype(numpy.uint8)"),
        (iter([image()]), "of a generator: a list of images, or streamseg.open(streamseg.frames(generator, fps=25))"),
        (image() / 255, "of floats in 0..1: (image * 255).astype(numpy.uint8)"),
        (np.zeros((0, 5, 3), np.uint8), "it is empty"),
        ("a.png", "of a file: cv2.imread('a.png')"),
        (Path("b.png"), "of a file: cv2.imread('b.png')"),
        (PIL.Image.new("RGB", (4, 4)), OF_PIL),
        (PIL.Image.new("I;16", (4, 4)), "of a PIL image of more than 8 bits: numpy.asarray(image)"),
        (PIL.Image.new("F", (4, 4)), "of a PIL image of more than 8 bits: numpy.asarray(image)"),
        (av.VideoFrame(4, 4, "rgb24"), "of a frame of PyAV: image.to_ndarray(format='bgr24')"),
        (cv2.UMat(4, 4, cv2.CV_8UC3), "of a cv2.UMat: image.get()"),
        (b"..", f"of a file's bytes: {DECODED.format('image')}"),
        (io.BytesIO(b".."), f"of an open file: {DECODED.format('image.read()')}"),
        (image().astype(np.float32), "of floats in 0..255: image.astype(numpy.uint8)"),
        (image().astype(np.uint16), "of numbers in 0..255: image.astype(numpy.uint8)"),
        (cv2.VideoCapture(), "of a cv2.VideoCapture: image.read()[1]"),
        (SimpleNamespace(asnumpy=image), "of decord, whose pictures are red first: image.asnumpy()[..., ::-1]"),
        (SimpleNamespace(__array__=image), "of another library's array: numpy.asarray(image)"),
        (SimpleNamespace(read=image, decode=image), ""),
        ({}, ""),
        (np.array([None]), ""),
    ],
    ids=[
        "none", "grey", "alpha", "grey plane", "channels first", "two channels", "truths", "integers", "16 bits",
        "generator", "floats", "empty", "text", "path", "pil", "pil 16 bits", "pil floats", "pyav", "umat", "bytes",
        "open file", "floats of bytes", "16-bit bytes", "capture", "decord", "jax", "reader", "dictionary", "objects",
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_with_the_way_out(wrong: object, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        load("otsu")(wrong)  # type: ignore[call-overload]
    assert "(H, W, 3) uint8 BGR" in caught.value.message
    assert caught.value.hint == hint


def test_what_is_said_of_pil_turns_a_picture_as_opencv_does(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # held upright
    photo = PIL.Image.fromarray(np.array([[30, 220], [90, 150]], np.uint8).repeat(16, 0).repeat(24, 1)).convert("RGB")
    photo.save(tmp_path / "a.jpg", exif=exif)
    with PIL.Image.open(tmp_path / "a.jpg") as opened:
        turned = eval(OF_PIL.partition(": ")[2], {"numpy": np, "PIL": PIL, "image": opened})
    assert turned.shape == (48, 32, 3)
    seen = cv2.imread(str(tmp_path / "a.jpg"))
    assert seen is not None
    assert np.abs(turned.astype(int) - seen).max() < 3


@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
def test_a_model_says_that_each_process_loads_its_own(copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="call streamseg.load in each process"):
        copied(load("otsu"))


def test_settings_and_paths_are_taken() -> None:
    from streamseg.infer.model.catalogue import find_model

    bgr = np.full((8, 8, 3), 100, np.uint8)
    assert load("threshold", settings={"value": 50})(bgr).areas().tolist() == [0, 1]
    assert load("threshold", settings={"value": 150})(bgr).areas().tolist() == [1, 0]
    file = find_model("person-wide")
    assert file is not None
    assert load(Path(file)).name == load("person-wide").name


def test_an_object_that_is_a_segmenter_is_a_model() -> None:
    marker = Marker()
    with load(marker) as model:
        assert [result.labels[0, 0] for result in model([image(), image()])] == [0, 1]
        assert model.name == "Marker"
        assert load(model) is model
    assert marker.closed


class Unending:
    """Without `close`."""

    classes = CLASSES

    def __call__(self, frames: Sequence[Frame]) -> list[streamseg.Segmentation]:
        return [fake(frame) for frame in frames]


class Uncalled:
    classes = CLASSES

    def close(self) -> None: ...


@pytest.mark.parametrize("wrong", [7, Marker, object(), Unending(), Uncalled()], ids=lambda each: type(each).__name__)
def test_what_is_no_model_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="is no model") as caught:
        load(wrong)  # type: ignore[arg-type]
    assert "`classes`" in caught.value.hint


def test_a_name_that_no_model_has_is_refused_with_one_that_is_near() -> None:
    with pytest.raises(InputError) as caught:
        load("persn")
    assert "person" in caught.value.hint


def test_a_name_that_no_file_can_have_is_refused_as_one() -> None:
    with pytest.raises(InputError, match="A.onnx: File name too long"):
        load("A" * 300 + ".onnx")


def test_a_gpu_is_for_a_model_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.infer.nvidia_gpus", lambda: ("NVIDIA L4",))
    with streamseg.load("otsu", gpu=0) as model:
        assert model.name == "otsu"
    with pytest.raises(InputError, match="no NVIDIA GPU 1: CUDA shows 1, counted from 0"):
        streamseg.load("otsu", gpu=1)
    with pytest.raises(InputError, match="settings, backend and gpu are for a model that is named"):
        streamseg.load(model, gpu=0)


def test_a_closed_model_says_so() -> None:
    model = load("otsu")
    model.close()
    model.close()
    with pytest.raises(InputError, match="is closed"):
        model(image())


def test_threads_may_call_one_model_and_it_runs_one_call_at_a_time() -> None:
    together = threading.Semaphore(1)

    class Alone(Marker):
        def __call__(self, frames: Sequence[Frame]) -> list[streamseg.Segmentation]:
            assert together.acquire(blocking=False), "two at once"
            found = [fake(frame) for frame in frames]
            together.release()
            return found

    model = load(Alone())
    found: list[streamseg.Result] = []
    threads = [
        threading.Thread(target=lambda: found.extend(model(image()) for _ in range(20)), daemon=True) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80


def test_a_model_serves_several_live_streams_and_calls_beside_them() -> None:
    marker = Marker()
    model = load(marker)
    with streamseg.open("test://", model=model) as one, streamseg.open("test://?seed=2", model=model) as other:
        pairs = zip(one, other, range(5), strict=False)
        assert all(model(image()) and first.frame and second.frame for first, second, _ in pairs)
    assert not marker.closed
    model.close()
    assert marker.closed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"threads": "many"}, "threads: expected a whole number"),
        ({"threads": 0}, "threads: expected a whole number from 1"),
        ({"backend": 7}, "backend: expected text"),
        ({"gpu": -1}, "gpu: expected a whole number from 0"),
        ({"settings": [1]}, "settings: expected keys with values"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load("person", **wrong)


def test_numbers_may_be_those_of_numpy() -> None:
    bgr = np.full((8, 8, 3), 100, np.uint8)
    model = load("threshold", settings={"value": np.int64(50)}, threads=np.int64(1))
    assert model(bgr).areas().tolist() == [0, 1]


def test_a_closed_model_is_no_model_of_a_stream() -> None:
    model = load("person")
    model.close()
    with pytest.raises(InputError, match="model person is closed"):
        streamseg.open("test://?frames=2", model=model)


def test_a_model_that_is_closed_while_others_call_it_says_so() -> None:
    model, errors = load("person"), list[InputError]()
    begun = threading.Barrier(4)

    def call() -> None:
        model(image())
        begun.wait()
        with pytest.raises(InputError, match="model person is closed") as caught:
            while True:
                model(image())
        errors.append(caught.value)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    model.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(errors) == 3

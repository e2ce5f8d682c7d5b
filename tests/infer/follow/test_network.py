"""A network that is asked finds what is pointed at in pictures of any size, and motion carries what it found."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.infer.backends import open_backend
from streamseg.infer.follow.network import NOT_PART, PART, Network, Point, points_of
from streamseg.prompts import Box, Click
from tests.infer.follow.clips import HEIGHT, WIDTH, following, frame, iou, mask, place
from tests.parts.asked_networks import Form, decoder, encoder, pair
from tests.parts.toy_models import segmenter

X, Y = place(0) / WIDTH, 60 / HEIGHT
FORMS: tuple[Form, ...] = ("sam", "sam2")


def opened(files: tuple[str, str]) -> Network:
    opener = functools.partial(open_backend, threads=1, wanted="ort-cpu")
    return Network(files, opener, opener)


def scene(height: int, width: int) -> tuple[Image, NDArray[np.bool_]]:
    """Green, with a red ellipse in it, and where that is."""
    image = np.full((height, width, 3), (40, 200, 40), np.uint8)
    axes = max(1, round(0.2 * width)), max(1, round(0.25 * height))
    cv2.ellipse(image, (round(0.6 * width), round(0.4 * height)), axes, 0, 0, 360, (40, 40, 220), -1)
    return image, image[..., 2] > 120


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(256, 256), (240, 960), (900, 300), (61, 47)], ids=str)
def test_places_and_masks_are_right_in_pictures_of_any_size(tmp_path: Path, form: Form, size: tuple[int, int]) -> None:
    network = opened(pair(tmp_path, form))
    image, true = scene(*size)
    seen = network.look(image)
    found = network.find(seen, [Point(0.6, 0.4, PART)], None, size) > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.85
    ground = network.find(seen, [Point(0.05, 0.9, PART)], None, size) > 0.5
    assert (ground & ~true).sum() / (ground | ~true).sum() > 0.85
    none = network.find(seen, [Point(0.6, 0.4, PART), Point(0.61, 0.41, NOT_PART)], None, size) > 0.5
    assert not none.any()
    box = network.find(seen, points_of(Box(0.25, 0.5, 0.75, 1.0)), None, size) > 0.5
    rows, columns = np.flatnonzero(box.any(1)), np.flatnonzero(box.any(0))
    sides = columns[0] / size[1], rows[0] / size[0], (columns[-1] + 1) / size[1], (rows[-1] + 1) / size[0]
    assert sides == pytest.approx((0.25, 0.5, 0.75, 1.0), abs=0.03)
    network.close()


@pytest.mark.parametrize("form", FORMS)
def test_the_mask_so_far_is_given_where_it_lies(tmp_path: Path, form: Form) -> None:
    network = opened(pair(tmp_path, form))
    image, true = scene(200, 400)
    grey = np.full_like(image, 120)
    before = true.astype(np.float32)
    point = [Point(0.6, 0.4, NOT_PART), Point(0.6, 0.4, PART)]  # together they say nothing
    with_it = network.find(network.look(grey), point, before, (200, 400))
    without = network.find(network.look(grey), point, None, (200, 400))
    gain = with_it > without + 1e-6
    assert (gain & true).sum() / (gain | true).sum() > 0.85


def test_a_decoder_with_so_many_points_gets_so_many(tmp_path: Path) -> None:
    files = str(encoder(tmp_path / "encoder.onnx", "sam2")), str(decoder(tmp_path / "fixed.onnx", "sam2", 2))
    network, (image, true) = opened(files), scene(100, 100)
    for points in ([Point(0.6, 0.4, PART)], [Point(0.1, 0.1, PART), *[Point(0.6, 0.4, PART)] * 2]):
        found = network.find(network.look(image), points, None, (100, 100)) > 0.5
        assert (found & true).sum() / (found | true).sum() > 0.9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prompt", [Click(X, Y), Box(X - 0.1, Y - 0.17, X + 0.1, Y + 0.17)], ids=str)
def test_what_the_network_finds_is_followed_and_renewed(tmp_path: Path, form: Form, prompt: Click | Box) -> None:
    settings = {"network": pair(tmp_path, form), "renew": 4}
    segment, waiting = following(prompt, settings=settings)
    scores = [iou(segment([frame(index)])[0], mask(place(index))) for index in range(12)]
    assert min(scores) > 0.7
    waiting.append(Click(0.9, 0.1))  # all of the ground, a second object
    (found,) = segment([frame(12)])
    assert found.instances is not None
    assert found.instances.track_ids.tolist() == [1, 2]
    assert found.labels.mean() > 0.95
    segment.close()


def test_a_second_click_counts_with_the_first_and_one_that_takes_away_against_it(tmp_path: Path) -> None:
    segment, waiting = following(Click(X, Y), settings={"network": pair(tmp_path, "sam2")})
    assert iou(segment([frame(0)])[0], mask(place(0))) > 0.8
    waiting.append(Click(X + 0.02, Y, adds=False))  # as red as the first: nothing is left of it
    assert not segment([frame(0)])[0].labels.any()


def test_a_click_counts_for_its_frame_with_a_network_too(tmp_path: Path) -> None:
    segment, waiting = following(settings={"network": pair(tmp_path, "sam"), "renew": 0})
    for index in range(8):
        segment([frame(index)])
    waiting.append(Click(X, Y, frame_index=0))
    assert iou(segment([frame(8)])[0], mask(place(8))) > 0.75


def test_pairs_that_are_none_are_refused_in_a_line(tmp_path: Path) -> None:
    sam, sam2 = tmp_path / "sam", tmp_path / "sam2"
    sam.mkdir()
    sam2.mkdir()
    (an_encoder, a_decoder), (_, other) = pair(sam, "sam"), pair(sam2, "sam2")
    memory = str(decoder(tmp_path / "memory.onnx", "sam", more="maskmem_features"))
    plain = str(segmenter(tmp_path / "plain.onnx"))
    (tmp_path / "text.onnx").write_text("no network")
    wrong: dict[tuple[str, ...] | str, str] = {
        (a_decoder, an_encoder): "the encoder comes first|is asked for points itself",
        (an_encoder, other): "high_res_feats_0.*does not give",
        (an_encoder, plain): "no input for points",
        (plain, a_decoder): "image_embeddings.*does not give",
        (an_encoder, memory): "maskmem_features",
        (an_encoder, str(tmp_path / "nowhere.onnx")): "nowhere.onnx",
        (an_encoder, str(tmp_path / "text.onnx")): "not an ONNX model",
        (an_encoder,): "two files",
        an_encoder: "two files",
        (an_encoder, a_decoder, other): "two files",
    }
    for files, said in wrong.items():
        with pytest.raises(InputError, match=said) as refused:
            following(Click(X, Y), settings={"network": files})
        assert "\n" not in str(refused.value), files


def test_a_decoder_that_gives_no_masks_is_refused_when_it_is_asked(tmp_path: Path) -> None:
    files = pair(tmp_path, "sam2")
    model = onnx.load(files[1])
    for node in model.graph.node:
        if node.output[0] == "iou_predictions":
            node.input[0] = model.graph.initializer[0].name  # one number
            node.input[1] = "one"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1]), "one"))
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(model, files[1])
    segment, _ = following(Click(X, Y), settings={"network": files})
    with pytest.raises(InputError, match=r"decoder.onnx: masks of .* with 1 scores"):
        segment([Frame(frame(0).image, 0, 0.0, 0.0)])

from __future__ import annotations

import logging

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics import Meter
from streamseg.options import PrivacyOptions
from streamseg.privacy import check_hidden, make_cover
from streamseg.privacy.disguise import CELLS, find_disguise
from streamseg.yuv import Planes
from tests.privacy.scenes import CLASSES, as_planes, found, frame, image, secret, truth

NOBODY = np.zeros(truth(0).shape, bool)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("way", ["pixels", "blur", "black", "#103050"])
def test_hidden_pixels_are_gone_and_others_are_as_they_were(planes: bool, way: str) -> None:
    cover = make_cover(PrivacyOptions(hide="person", hide_with=way))
    assert cover is not None
    before = frame(0, planes=planes)
    covered = cover(before, found(before))
    assert (covered.index, covered.time_s, covered.stream) == (0, 0.0, "scene")
    assert isinstance(covered.pixels, Planes) == planes
    changed = (covered.image != before.image).any(2)
    inside = covered.image[truth(0)].astype(int)
    assert np.abs(inside - image(0)[truth(0)]).max() > 100
    assert not changed[:, 80:].any()
    if way == "#103050":
        assert np.abs(inside - (0x50, 0x30, 0x10)).max() <= 2
    assert secret(before.image) == truth(0).sum()  # what came in is as it was


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("way", ["pixels", "blur"])
def test_no_more_than_a_coarse_mosaic_is_left_of_the_picture(planes: bool, way: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    parts = find_disguise(way)(as_planes(noise) if planes else noise)
    for part in parts:
        values = len(np.unique(part.reshape(-1, part.shape[2] if part.ndim == 3 else 1), axis=0))
        if way == "pixels":
            assert values <= CELLS * 15
        rough = np.abs(np.diff(part.astype(int), axis=0)).mean()
        assert rough < 2  # neighbours in the noise are 85 apart


def test_a_frame_in_which_nothing_is_hidden_is_not_copied() -> None:
    cover = make_cover(PrivacyOptions(hide="person"))
    assert cover is not None
    before = frame(0)
    assert cover(before, found(before, NOBODY)) is before


def test_no_cover_where_nothing_is_to_be_hidden() -> None:
    assert make_cover(PrivacyOptions()) is None


@pytest.mark.parametrize("planes", [False, True])
def test_without_a_mask_to_trust_all_of_it_is_covered_and_that_is_said_once(
    planes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter()
    cover = make_cover(PrivacyOptions(hide="person", hide_with="black"), meter=meter)
    assert cover is not None
    cover(frame(0, planes=planes), found(frame(0)))
    assert meter.read().covered_whole == 0
    with caplog.at_level(logging.WARNING, "streamseg"):
        for index in (50, 51):
            assert cover(frame(index, planes=planes), found(frame(0))).image.max() <= 1
    assert meter.read().covered_whole == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the whole picture is covered while its mask is older than 0.5 s"
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PrivacyOptions(hide="persn"), "no class 'persn'"),
        (PrivacyOptions(hide_all_but=("person", "dog")), "no class 'dog'"),
        (PrivacyOptions(hide="person", hide_with="bleu"), "neither pixels, blur nor a colour"),
    ],
)
def test_what_cannot_be_hidden_is_refused(options: PrivacyOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_hidden(options, CLASSES)


@pytest.mark.parametrize("wrong", [{"hide": ""}, {"hide": "person,"}, {"hide": "a", "hide_all_but": "b"}])
def test_options_that_would_hide_nothing_by_mistake_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="hide"):
        PrivacyOptions(**wrong)


def test_classes_are_named_in_one_text_or_in_a_list() -> None:
    assert PrivacyOptions(hide="person, car").classes == PrivacyOptions(hide=("person", "car")).classes

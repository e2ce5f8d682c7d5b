from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.evaluation.parts import PartCount, part_scores
from streamseg.masks import sampled

sklearn = pytest.importorskip("sklearn.metrics.cluster", reason="scikit-learn is what the scores are compared with")


def cells(*borders: int, thickness: int = 1) -> NDArray[np.bool_]:
    """A picture with upright borders."""
    mask = np.ones((60, 90), bool)
    for column in borders:
        mask[:, column : column + thickness] = False
    return mask


def test_the_same_cells_score_one_however_thick_their_borders_are_drawn() -> None:
    assert part_scores(cells(30, 60), cells(30, 60)) == pytest.approx((1.0, 1.0))
    assert part_scores(cells(30, 60), cells(29, 59, thickness=3)) == pytest.approx((1.0, 1.0))


def test_a_gap_of_one_pixel_merges_two_cells() -> None:
    leaky = cells(30, 60)
    leaky[20, 30] = True
    rand, information = part_scores(cells(30, 60), leaky)
    # A third apart, two thirds in one: 2 * sum of p_ij^2 / (sum of s^2 + sum of t^2).
    assert rand == pytest.approx(2 * (3 / 9) / (3 / 9 + 5 / 9), abs=0.01)
    assert 0 < information < 1


def test_a_membrane_with_a_doubtful_gap_is_closed_where_more_sureness_is_asked_for() -> None:
    true, leaky = cells(30), cells(30)
    leaky[20:24, 30] = True
    sure = np.where(leaky, 250, 255).astype(np.uint8)
    sure[20:24, 30] = 160
    count = PartCount()
    count.add(true, leaky, sure)
    figures = count.figures()
    assert figures["rand"] < 0.9 and figures["rand_best"] == pytest.approx(1, abs=0.01)
    assert figures["rand_best_at"] in (0.7, 0.8, 0.9, 0.95)
    blind = PartCount()
    blind.add(true, leaky, None)
    assert blind.figures() == {"rand": figures["rand"], "information": figures["information"]}


def test_how_sure_a_label_is_belongs_to_that_label_at_any_size() -> None:
    """Of a network at another size than the picture: thin membranes stay where they are, all of them sure."""
    small = np.ones((37, 56), bool)
    small[:, range(4, 56, 7)] = False
    found = sampled(small.view(np.uint8), (60, 90)) > 0
    count = PartCount()
    count.add(found, found, np.full(small.shape, 255, np.uint8))
    assert count.figures()["rand_best_at"] == 0.5
    assert min(rand for rand, _ in count._scores[0]) > 0.99


def test_no_cells_are_no_score_and_no_membrane_is_one_cell() -> None:
    assert all(math.isnan(value) for value in part_scores(np.zeros((5, 5), bool), cells(1)[:5, :5]))
    rand, information = part_scores(cells(45), np.ones((60, 90), bool))
    assert rand == pytest.approx(2 / 3, abs=0.02)
    assert information == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_rand_and_information_agree_with_scikit_learn(seed: int) -> None:
    """Its pair counts leave out pairs of a pixel with itself, and its V-measure is the information score."""
    dice = np.random.default_rng(seed)
    true, found = (cv2.GaussianBlur(dice.random((80, 80)), (0, 0), 3) > 0.5 for _ in range(2))
    rand, information = part_scores(true, found)
    parts = cv2.connectedComponents(true.view(np.uint8), connectivity=4)[1][true]
    mine = cv2.connectedComponents(found.view(np.uint8), connectivity=4)[1]
    _, nearest = cv2.distanceTransformWithLabels((~found).view(np.uint8), 2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(nearest.max() + 1, int)
    owner[nearest[found]] = mine[found]
    theirs = owner[nearest][true]
    assert information == pytest.approx(sklearn.v_measure_score(parts, theirs))
    (_, false_join), (false_split, both) = sklearn.pair_confusion_matrix(parts, theirs)
    n = len(parts)
    assert rand == pytest.approx(2 * (both + n) / (2 * both + false_join + false_split + 2 * n))

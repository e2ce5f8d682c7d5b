"""Machines, servers, network and disk of a site, out of figures that are known."""

from __future__ import annotations

import pytest

from streamseg.capacity.queueing import Server
from streamseg.capacity.site import Figures, Site, alone, disk_bytes, served

SITE = Site(cameras=200, fps=15, mask_every_s=0.5, bit_rate=4e6, keep_days=7)
BOX = Figures(cores=8, frame_s=0.004, mask_s=0.03, mask_wall_s=0.005, pixels=512 * 384)


def test_boxes_alone_are_full_of_frames_and_masks() -> None:
    found = alone(SITE, BOX)
    assert found.cameras_a_box == int(0.8 * 8 / (15 * 0.004 + 2 * 0.03)) == 53
    assert (found.boxes, found.limit) == (4, "the cores")


def test_a_network_that_takes_long_is_full_before_the_cores_are() -> None:
    found = alone(SITE, Figures(8, 0.004, 0.03, 0.03, 1))
    assert found.cameras_a_box == int(0.8 * 0.5 / 0.03) == 13
    assert found.limit.startswith("the network")


def test_what_does_not_fit_is_no_number_of_boxes() -> None:
    assert alone(SITE, Figures(1, 0.1, 0.1, 0.1, 1)).boxes is None
    assert alone(SITE, Figures(8, 0.01, 0.1, 0.9, 1)).boxes is None


def test_servers_take_the_masks_off_the_boxes() -> None:
    found = served(SITE, BOX, Server(0.02, 0.003))
    assert found.cameras_a_box > alone(SITE, BOX).cameras_a_box
    assert found.servers is not None and found.servers * found.cameras_a_server >= SITE.cameras
    assert found.mask_every_s <= SITE.mask_every_s
    assert found.up_bit_rate == pytest.approx(3 * found.down_bit_rate)
    assert found.down_bit_rate == pytest.approx(SITE.cameras / found.mask_every_s * 512 * 384 * 8, rel=1e-6)


def test_a_server_that_is_too_slow_for_one_camera_is_none() -> None:
    assert served(SITE, BOX, Server(1, 1)).servers is None


def test_the_disk_holds_the_streams_of_all_days() -> None:
    assert disk_bytes(SITE) == 200 * 0.5e6 * 86_400 * 7

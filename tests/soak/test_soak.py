"""The long runs, kept to a few seconds each; tools/soak.py runs them at full length."""

from __future__ import annotations

import pytest

from tests.parts.rtsp import require_server
from tests.soak import Row, leaks, load, mutants, signals, storm, streams


def kept(row: Row) -> None:
    print(row.found)
    assert row.kept, row.found


def test_memory_does_not_grow_with_frames() -> None:
    kept(leaks.memory(1000))


@pytest.mark.slow
def test_reconnecting_leaves_nothing_behind() -> None:
    kept(leaks.reconnects(50))


def test_starting_and_stopping_leaves_nothing_behind() -> None:
    kept(leaks.starts(6))


def test_a_slow_model_on_a_busy_machine_costs_frames_not_delay() -> None:
    kept(load.overload(3, busy=1))


@pytest.mark.slow
def test_json_that_nobody_reads_holds_nothing_up() -> None:
    kept(load.unread(2))


def test_a_reader_of_json_that_leaves_ends_the_run_in_peace() -> None:
    kept(load.closed_pipe())


@pytest.mark.slow
def test_waiting_for_a_camera_costs_next_to_nothing() -> None:
    kept(load.idle(8))


@pytest.mark.slow
def test_a_server_that_comes_back_is_seen_soon_whatever_it_sends_now() -> None:
    require_server()
    kept(streams.server_back(2, 1.0))


@pytest.mark.slow
def test_a_stall_is_told_in_time_and_ends_soon() -> None:
    require_server()
    kept(streams.stall(1, 2.0))


@pytest.mark.slow
def test_a_run_ends_when_asked_to_whatever_it_waits_for() -> None:
    require_server()
    kept(signals.sigterm(10, latest_s=3))


@pytest.mark.slow
def test_gnawed_inputs_end_in_a_documented_code() -> None:
    kept(mutants.mutants(13, first_seed=1000))


@pytest.mark.slow
def test_streams_come_and_go_over_http_and_leave_the_others_alone() -> None:
    kept(storm.storm(20, names=6, warm_up=8))

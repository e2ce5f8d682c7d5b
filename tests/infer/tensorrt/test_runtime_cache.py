"""What TensorRT-RTX compiles for an engine: kept beside it, taken only where it is ours, and never in the way."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import OutputError
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.tensorrt import cache, runtime_cache
from tests.infer.tensorrt.test_backend import on_cpu, picture
from tests.infer.test_network import frame
from tests.parts.gpu_machine import Machine

SMALL, LARGE = (1, 3, 16, 16), (1, 3, 24, 32)


@pytest.fixture
def rtx(machine: Machine) -> Machine:
    machine.install_rtx()
    return machine


def started(machine: Machine, model: Path, *shapes: tuple[int, ...]) -> int:
    """A process that runs pictures of these sizes and ends: how often something was compiled in it."""
    machine.install_rtx()
    backend, plain = open_backend(model, 1, "tensorrt-rtx"), on_cpu(model, model.parent)
    for shape in shapes:
        found, expected = (each.run(picture(shape))["scores"] for each in (backend, plain))
        np.testing.assert_array_equal(found, expected)
    backend.close()
    assert machine.gpu.leaks() == []
    return int(machine.world.compiled)


def kept(machine: Machine) -> Path:
    (file,) = machine.engines.glob("*.compiled")
    return file


def test_what_was_compiled_is_there_at_the_next_start(rtx: Machine, toy: Path) -> None:
    assert started(rtx, toy, SMALL) == 1
    assert kept(rtx).stat().st_mode & 0o777 == 0o600
    assert kept(rtx).stem.startswith(rtx.plan.stem)
    assert started(rtx, toy, SMALL) == 0
    assert rtx.world.builds == 0


def test_it_is_written_when_it_has_grown_and_only_then(rtx: Machine, toy: Path) -> None:
    started(rtx, toy, SMALL)
    before = kept(rtx).stat()
    started(rtx, toy, SMALL)
    assert kept(rtx).stat().st_mtime_ns == before.st_mtime_ns
    assert started(rtx, toy, SMALL, LARGE) == 1
    assert kept(rtx).stat().st_size > before.st_size
    assert started(rtx, toy, LARGE, SMALL) == 0


def test_a_process_that_is_ended_without_being_asked_has_kept_it(rtx: Machine, toy: Path) -> None:
    backend = open_backend(toy, 1, "tensorrt-rtx")
    backend.run(picture(SMALL))
    assert "(1, 3, 16, 16)" in kept(rtx).read_text()
    backend.close()


def test_workers_share_it(rtx: Machine, toy: Path) -> None:
    one, other = (open_backend(toy, 1, "tensorrt-rtx") for _ in range(2))
    for backend in (one, other, one):
        backend.run(picture(SMALL))
    assert rtx.world.compiled == 1
    one.close()
    other.run(picture(LARGE))
    other.close()
    assert started(rtx, toy, SMALL, LARGE) == 0


def is_a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to(file.with_name("elsewhere"))


def is_open_to_others(file: Path) -> None:
    file.chmod(0o622)


def is_changed(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"16, 16", b"16, 17"))


def is_no_text(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"sha256":"', b'"sha256":"\xff'))


def is_cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (is_a_link, "is a link"),
        (is_open_to_others, "others may write to it"),
        (is_changed, "its checksum differs"),
        (is_cut_off, "cannot be read: Input data was truncated"),
        (is_no_text, "cannot be read: "),  # in words of msgspec's or Python's
    ],
)
def test_one_that_others_may_have_written_is_not_taken_and_made_anew(
    rtx: Machine, toy: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], says: str
) -> None:
    started(rtx, toy, SMALL)
    spoil(kept(rtx))
    with caplog.at_level(logging.INFO, "streamseg"):
        assert started(rtx, toy, SMALL) == 1
    (line,) = [line for line in caplog.messages if "compiled again" in line]
    assert says in line
    assert started(rtx, toy, SMALL) == 0


def test_one_of_another_driver_is_replaced(rtx: Machine, toy: Path) -> None:
    started(rtx, toy, SMALL)
    card, _, held = kept(rtx).read_bytes().partition(b"\n")
    other = held.replace(b"1.7.1", b"1.7.0")
    told = json.loads(card) | {"sha256": hashlib.sha256(other).hexdigest()}
    kept(rtx).write_bytes(json.dumps(told).encode() + b"\n" + other)
    assert started(rtx, toy, SMALL) == 1
    assert started(rtx, toy, SMALL) == 0


def test_another_kind_of_gpu_has_its_own(rtx: Machine, toy: Path) -> None:
    started(rtx, toy, SMALL)
    rtx.gpu.name = "Other GPU"
    assert started(rtx, toy, SMALL) == 1
    assert (rtx.world.builds, len(list(rtx.engines.glob("*.compiled")))) == (0, 2)
    rtx.gpu.name = "Test GPU"
    assert started(rtx, toy, SMALL) == 0


@pytest.mark.parametrize("fault", ["cache", "serialise", "disk"])
def test_whatever_fails_about_it_a_run_goes_on(
    rtx: Machine, toy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OutputError(f"{path}: No space left on device")

    open_backend(toy, 1, "tensorrt-rtx").close()
    rtx.world.faults[fault] = 9
    if fault == "disk":
        monkeypatch.setattr(runtime_cache, "keep", full)
    caplog.set_level(logging.DEBUG, "streamseg.infer.backends.tensorrt.runtime_cache")
    backend = open_backend(toy, 1, "tensorrt-rtx")
    backend.run(picture(SMALL))
    backend.close()
    assert caplog.messages
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}
    assert not list(rtx.engines.glob("*.compiled"))
    assert rtx.gpu.leaks() == []


def test_tensorrt_proper_and_engines_of_others_have_none(rtx: Machine, toy: Path, tmp_path: Path) -> None:
    started(rtx, toy, SMALL)
    foreign = tmp_path / "theirs.engine"
    foreign.write_bytes(rtx.plan.read_bytes())
    (tmp_path / "theirs.yaml").write_text((tmp_path / "toy.yaml").read_text())
    rtx.world.compiled = 0
    segment = load_segmenter(str(foreign), trust_engine=True, backend="tensorrt-rtx").make(1)
    segment([frame(0, 48, 64)])
    segment.close()
    backend = open_backend(toy, 1, "tensorrt")
    backend.run(picture(SMALL))
    backend.close()
    assert kept(rtx).parent == rtx.engines
    assert not list(tmp_path.glob("*.compiled"))


def test_it_goes_with_its_engine(tmp_path: Path) -> None:
    plans = [cache.plan_path(tmp_path / "engines", f"m{i}", {"model": str(i)}) for i in range(3)]
    for number, plan in enumerate(plans):
        cache.keep_plan(plan, {"model": str(number)}, b"plan" * 100, most_bytes=1200)
        plan.with_suffix(".abc.compiled").write_bytes(b"code" * 100)
    assert [plan.exists() for plan in plans] == [False, True, True]
    assert sorted(plan.exists() for plan in plans) == [plan.with_suffix(".abc.compiled").exists() for plan in plans]

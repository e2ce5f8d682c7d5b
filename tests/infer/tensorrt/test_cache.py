from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.infer.backends.tensorrt.cache import (
    cached,
    find_plan,
    keep_plan,
    plan_path,
)
from streamseg.infer.model.onnxfile import file_sha256

KEY = {"model": "abc", "library": "tensorrt 11.4", "gpu": "RTX 4060", "precision": "fp16"}
PLAN = b"engine" * 1000


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = plan_path(tmp_path / "engines", "street", KEY)
    keep_plan(path, KEY, PLAN)
    return path


def test_what_was_kept_is_found(kept: Path) -> None:
    assert find_plan(kept, KEY).plan == PLAN
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_flipped_byte_is_noticed_before_anything_is_loaded(kept: Path) -> None:
    changed = bytearray(PLAN)
    changed[100] ^= 1
    kept.write_bytes(changed)
    found = find_plan(kept, KEY)
    assert found.plan is None
    assert "checksum differs" in found.reason


@pytest.mark.parametrize("field", KEY)
def test_an_engine_for_anything_else_is_not_taken_and_the_reason_is_said(kept: Path, field: str) -> None:
    other = {**KEY, field: "another"}
    path = plan_path(kept.parent, "street", other)
    assert path != kept
    found = find_plan(path, other)
    assert found.plan is None
    assert found.reason == f"the one there is for another {field}"
    kept.rename(path)
    kept.with_suffix(".json").rename(path.with_suffix(".json"))
    assert find_plan(path, other).reason.endswith("was built for something else")


@pytest.mark.parametrize("suffix", [".plan", ".json"])
def test_a_file_that_others_may_write_is_refused(kept: Path, suffix: str) -> None:
    kept.with_suffix(suffix).chmod(0o666)
    assert "others may write" in find_plan(kept, KEY).reason


def test_a_folder_that_others_may_write_is_refused(kept: Path) -> None:
    kept.parent.chmod(0o777)
    assert "others may write" in find_plan(kept, KEY).reason


def test_a_link_is_refused(kept: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.plan"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    assert "is a link" in find_plan(kept, KEY).reason


def test_another_users_file_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: kept.stat().st_uid + 1)
    assert "belongs to another user" in find_plan(kept, KEY).reason


@pytest.mark.parametrize(
    "card", [b"", b"{}", b'{"schema": 9, "key": {}, "sha256": ""}', b'{"schema": 1, "key": {}, "sha256": "\xff"}']
)
def test_a_card_that_is_missing_or_junk_is_no_proof(kept: Path, card: bytes) -> None:
    kept.with_suffix(".json").write_bytes(card)
    assert find_plan(kept, KEY).plan is None
    kept.with_suffix(".json").unlink()
    assert find_plan(kept, KEY).plan is None


def test_a_card_of_another_engine_that_is_no_text_is_passed_over(kept: Path) -> None:
    kept.with_suffix(".json").write_bytes(b'{"schema": 1, "key": {}, "sha256": "\xff"}')
    other = {**KEY, "gpu": "another"}
    assert find_plan(plan_path(kept.parent, "street", other), other).reason == "there was none"


def test_a_corrupt_engine_is_built_again_with_the_reason(kept: Path) -> None:
    kept.write_bytes(b"junk")
    reasons: list[str] = []

    def build(reason: str) -> bytes:
        reasons.append(reason)
        return PLAN

    assert cached(kept, KEY, build) == PLAN
    assert cached(kept, KEY, build) == PLAN
    assert len(reasons) == 1
    assert "checksum" in reasons[0]


def test_two_builders_build_once(tmp_path: Path) -> None:
    path = plan_path(tmp_path, "street", KEY)
    built: list[int] = []
    started = threading.Barrier(2)

    def build(reason: str) -> bytes:
        built.append(1)
        return PLAN

    def run() -> None:
        started.wait()
        assert cached(path, KEY, build) == PLAN

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_the_longest_unused_make_room(tmp_path: Path) -> None:
    paths = [plan_path(tmp_path, f"model{i}", KEY) for i in range(3)]
    for index, path in enumerate(paths):
        keep_plan(path, KEY, PLAN, most_bytes=2 * len(PLAN))
        os.utime(path, (1000 + index, 1000 + index))
    assert [path.exists() for path in paths] == [False, True, True]
    assert not paths[0].with_suffix(".json").exists()


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = plan_path(tmp_path, "street", KEY)
    with pytest.raises(KeyboardInterrupt):
        cached(path, KEY, lambda reason: (_ for _ in ()).throw(KeyboardInterrupt))
    assert not list(tmp_path.glob("*.plan"))
    assert cached(path, KEY, lambda reason: PLAN) == PLAN


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        cached(plan_path(tmp_path / "file", "street", KEY), KEY, lambda reason: PLAN)


def test_a_models_checksum_changes_with_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"one")
    before = file_sha256(path)
    path.write_bytes(b"two")
    assert file_sha256(path) != before

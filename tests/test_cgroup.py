"""A container's share of the processor, in the forms in which kernels and container engines show it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg import machine
from streamseg.cgroup import cpu_quota
from streamseg.machine import available_cores, machine_key
from tests.parts.program import run_program

V1 = "4:cpu,cpuacct:{group}\n3:memory:/elsewhere\n1:name=systemd:{group}\n"
V1_MOUNT = "33 32 0:29 {inside} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "0::{group}\n"
V2_MOUNT = "33 32 0:29 {inside} /sys/fs/cgroup ro,nosuid,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = "25 1 0:23 / /proc rw - proc proc rw\n34 32 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"


def tree(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """What /proc and /sys show; `files` below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/mountinfo").write_text(OTHERS + mounts)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_1(root: Path, quota_us: int, folder: str = "", group: str = "/", inside: str = "/") -> Path:
    files = {f"cpu,cpuacct/{folder}/cpu.cfs_quota_us": f"{quota_us}\n"}
    files[f"cpu,cpuacct/{folder}/cpu.cfs_period_us"] = "100000\n"
    return tree(root, V1.format(group=group), V1_MOUNT.format(inside=inside), files)


def version_2(root: Path, files: dict[str, str], group: str = "/", inside: str = "/") -> Path:
    return tree(root, V2.format(group=group), V2_MOUNT.format(inside=inside), files)


@pytest.mark.parametrize(
    ("text", "quota"),
    [("150000 100000\n", 1.5), ("50000 100000\n", 0.5), ("max 100000\n", None), ("400000 50000\n", 8.0), ("", None)]
    + [("junk", None), ("1 0", None), ("1", None)],
)
def test_version_2_in_a_container_of_its_own_name_space(text: str, quota: float | None, tmp_path: Path) -> None:
    assert cpu_quota(version_2(tmp_path, {"cpu.max": text})) == quota


def test_version_2_the_least_of_the_groups_around_it_counts(tmp_path: Path) -> None:
    files = {
        "kube/pod/cpu.max": "200000 100000\n",
        "kube/pod/box/cpu.max": "max 100000\n",
        "kube/cpu.max": "max 100000\n",
        "other/cpu.max": "1000 100000\n",
    }
    assert cpu_quota(version_2(tmp_path, files, group="/kube/pod/box")) == 2.0


@pytest.mark.parametrize(("quota_us", "quota"), [(150_000, 1.5), (-1, None), (25_000, 0.25)])
def test_version_1(quota_us: int, quota: float | None, tmp_path: Path) -> None:
    assert cpu_quota(version_1(tmp_path, quota_us)) == quota


def test_version_1_in_a_container_that_sees_its_groups_name_on_the_host(tmp_path: Path) -> None:
    assert cpu_quota(version_1(tmp_path, 300_000, group="/docker/ab12", inside="/docker/ab12")) == 3.0


def test_version_1_on_a_host_where_the_group_lies_deeper(tmp_path: Path) -> None:
    assert cpu_quota(version_1(tmp_path, 300_000, folder="system.slice/cam", group="/system.slice/cam/inner")) == 3.0


@pytest.mark.parametrize("group", ["/../outside", "/elsewhere/entirely"])
def test_a_group_that_cannot_be_seen_is_that_of_the_mount(group: str, tmp_path: Path) -> None:
    assert cpu_quota(version_2(tmp_path, {"cpu.max": "100000 100000"}, group=group, inside="/mine")) == 1.0


def test_where_nothing_is_to_be_read_nothing_limits(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert cpu_quota(tree(tmp_path, "nonsense\n\n::::\n", "\nnonsense - cgroup2\n", {})) is None


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (2.0, 2), (9.0, 4), (None, 4)])
def test_a_part_of_a_core_counts_as_one(quota: float | None, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    assert available_cores() == cores
    assert machine_key()["cores"] == str(cores)


@contextlib.contextmanager
def real_group(quota_us: int) -> Iterator[Path]:
    """A control group of the kernel's with a quota; the tests' own processes stay outside."""
    for kind in ("cpu", "cpu,cpuacct"):
        group = Path("/sys/fs/cgroup", kind, f"streamseg-{os.getpid()}")
        with contextlib.suppress(OSError):
            group.mkdir()
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
            break
    else:
        group = Path(f"/sys/fs/cgroup/streamseg-{os.getpid()}")
        try:
            group.mkdir()
            (group / "cpu.max").write_text(f"{quota_us} 100000")
        except OSError as error:
            with contextlib.suppress(OSError):
                group.rmdir()
            pytest.skip(f"no control group with a quota can be made here: {error}")
    try:
        yield group
    finally:
        group.rmdir()


def test_the_kernels_own_quota_sets_workers_and_threads_and_is_told() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core is one core with or without a quota")
    with real_group(60_000) as group:

        def join() -> None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

        done = run_program("doctor", "--json", preexec_fn=join)
        found = {row["what"]: row["says"] for row in json.loads(done.stdout)}
        assert found["cores"] == f"1 of {os.cpu_count()} usable: the container's quota is 0.6"
        words = ["run", "test://?frames=3", "null", "--model", "person", "--backend", "ort-cpu", "--debug"]
        said = run_program(*words, preexec_fn=join).stderr
    assert said.count("person.onnx: ONNX Runtime") == 1, said  # one worker
    assert ", 1 threads" in said


def test_every_part_asks_the_same_question(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamseg.assembly import share_cores
    from streamseg.config import RunOptions
    from streamseg.frame import StreamInfo
    from streamseg.infer import load_segmenter

    monkeypatch.setattr("streamseg.assembly.available_cores", lambda: 3)
    recipe = load_segmenter("otsu", {})
    live, film = StreamInfo("a", 4, 4, None, live=True), StreamInfo("a", 4, 4, None, live=False)
    for info, expected in ((live, (1, 3)), (film, (3, 1))):
        workers = share_cores(RunOptions(source="x"), info, recipe)
        assert (workers.count, workers.threads) == expected

"""The share of the processor that a container may use: its control group's quota, versions 1 and 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that this process may use, 1.5 say; None where nothing limits it.

    The least of its group and of all groups above it, as far as they can be seen. `root` is where /proc and /sys lie.
    """
    limits = [limit for folder in _groups(root) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """The folder of each group that counts processor time for this process, and of those around it."""
    for controllers, group in _memberships(root):
        for kind, options, inside, mounted in _mounts(root):
            version_2 = not controllers and kind == "cgroup2"
            if version_2 or (kind == "cgroup" and "cpu" in controllers and "cpu" in options):
                yield from _upwards(mounted, _below(group, inside))


def _memberships(root: Path) -> Iterator[tuple[list[str], str]]:
    """Controllers and group out of lines such as `4:cpu,cpuacct:/docker/ab12` or, in version 2, `0::/user.slice`."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        yield [name for name in controllers.split(",") if name], group


def _mounts(root: Path) -> Iterator[tuple[str, list[str], str, Path]]:
    """Kind, options, the group that the mount begins at, and where it lies.

    Lines are `29 28 0:26 /docker/ab12 /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu,cpuacct`.
    """
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, more = before.split(" "), after.split(" ")
        if len(fields) >= 5 and more[0] in ("cgroup", "cgroup2"):
            yield more[0], more[-1].split(","), fields[3], root / fields[4].lstrip("/")


def _below(group: str, inside: str) -> PurePosixPath:
    """`group` as seen from a mount that begins at `inside`; the mount's own where it lies elsewhere."""
    with contextlib.suppress(ValueError):
        path = PurePosixPath(group).relative_to(inside)
        if ".." not in path.parts:
            return path
    return PurePosixPath()


def _upwards(mounted: Path, group: PurePosixPath) -> Iterator[Path]:
    yield from (mounted / folder for folder in (group, *group.parents))


def _limit(folder: Path) -> float | None:
    """What one group may use: `cpu.max` holds `150000 100000` or `max 100000`, version 1 has a file for each number."""
    numbers = next(iter(_lines(folder / "cpu.max")), "").split()
    if not numbers:
        numbers = [line for name in ("quota", "period") for line in _lines(folder / f"cpu.cfs_{name}_us")]
    with contextlib.suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, numbers)
        return quota / period if quota > 0 else None
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []

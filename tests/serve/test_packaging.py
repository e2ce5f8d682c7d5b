"""The unit and the image that are shipped: as strict as they say, and starting what exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streamseg.commands.parser import parser
from tests.parts.service import Service

READ_ONLY = "mount -o remount,bind,ro / && ! touch /written && exec setpriv --reuid 65534 --regid 65534 --clear-groups "
PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT, IMAGE = PACKAGING / "streamseg.service", PACKAGING / "Containerfile"
LEAST_EXPOSED = 2.5


def test_the_unit_is_hardened() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "security", "--offline=true", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    score = re.search(r"exposure level for streamseg.service: ([\d.]+)", done.stdout)
    if score is None:
        pytest.skip(f"this systemd-analyze rates no files: {done.stderr.strip()}")
    assert float(score[1]) <= LEAST_EXPOSED


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/streamseg/bin/streamseg", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert UNIT.name not in done.stderr, done.stderr


def test_onnx_runtime_sees_the_processor_through_what_the_unit_shows_of_proc() -> None:
    """Without it the log of each start begins with its warnings that it may be slower."""
    options = "subset=pid" if re.search("^ProcSubset=pid$", UNIT.read_text(), re.MULTILINE) else "rw"
    shown = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "sh",
        "-c",
        f'mount -t proc -o {options} proc /proc && exec "$@"',
        "sh",
    ]
    if not shutil.which("unshare") or subprocess.run([*shown, "true"], capture_output=True).returncode:
        pytest.skip("no right to another /proc")
    done = subprocess.run([*shown, sys.executable, "-c", "import onnxruntime"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_and_image_start_commands_that_exist() -> None:
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart="))
    assert parser().parse_args(shlex.split(line)[1:]).command == "serve"
    words = [json.loads(line) for line in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", IMAGE.read_text(), re.M)]
    entry, more = words
    arguments = parser().parse_args([*entry[1:], *more])
    assert (arguments.command, arguments.log) == ("serve", "json")


def test_the_image_runs_as_nobody_and_passes_the_linter() -> None:
    assert "USER 10001:10001" in IMAGE.read_text()
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([str(linter), str(IMAGE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_images_user_owns_the_folder_that_becomes_its_volume() -> None:
    """Docker gives a new volume the owner of the image's folder, and drops what is changed behind VOLUME."""
    stage = IMAGE.read_text().partition("AS runtime\n")[2].partition("\nFROM ")[0]
    before, _, _ = stage.partition("\nVOLUME /data\n")
    assert "\nRUN install --directory --owner=10001 --group=10001 /data\n" in before
    assert "\nUSER 10001:10001\n" in stage


def readable(folder: str) -> Path:
    Path(folder).chmod(0o755)  # the folder that pytest gives is for its own user alone
    return Path(folder)


def test_a_service_runs_as_nobody_on_a_read_only_root() -> None:
    tried = READ_ONLY + f"{shlex.quote(sys.executable)} -c 'import streamseg'"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-m", "sh", "-c", tried], capture_output=True).returncode
    ):
        pytest.skip("no right to a read-only root or to another user")
    under = ["unshare", "-m", "sh", "-c", READ_ONLY + '"$@"', "sh"]
    text = "streams: {one: {source: 'test://', model: person}}"
    with TemporaryDirectory() as folder, Service(readable(folder), text, under=under) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        assert Path(f"/proc/{service.process.pid}/status").read_text().split("Uid:")[1].split()[0] == "65534"
        assert service.stop() == 0, service.log()

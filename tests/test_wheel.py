"""The package as others get it: built, installed into an empty environment without the checkout, and put to work."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.parts import clips
from tests.parts.rtsp import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[1]
_UNREACHABLE = "Could not find a version|No matching distribution"


class Installed:
    """An environment with nothing in it but the wheel, and a folder to work in; no variable but PATH, HOME and LANG."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "env" / "bin"
        self.env = {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / "streamseg"), *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=self.env, timeout=300, check=False
        )

    def frames(self, name: str) -> int:
        with av.open(str(self.folder / name)) as container:
            return sum(1 for _ in container.decode(video=0))


def pip(python: Path | str, *words: object) -> None:
    """Skips what asks for it where the package sources cannot be reached."""
    done = subprocess.run([python, "-m", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode and re.search(_UNREACHABLE, done.stdout + done.stderr):
        pytest.skip("needs package sources to build and install from")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """The wheel is built from the source distribution, so that has all it needs too."""
    with tempfile.TemporaryDirectory() as name:
        there = Installed(Path(name))
        for source in (ROOT, ROOT / "research-models", ROOT / "pose-models"):
            pip(sys.executable, "build", "--outdir", there.folder, source)
        (wheel,) = there.folder.glob("streamseg-*.whl")
        subprocess.run([sys.executable, "-m", "venv", there.folder / "env"], check=True)
        constraints = ["--constraint", ROOT / "constraints.txt"]
        pip(there.bin / "python", "pip", "install", "--quiet", *constraints, f"{wheel}[serve]")
        if subprocess.run([there.bin / "python", "-c", "import cv2"], capture_output=True, check=False).returncode:
            headless = ["--no-deps", "--force-reinstall", "opencv-python-headless"]
            pip(there.bin / "python", "pip", "install", "--quiet", *constraints, *headless)
        yield there


def test_the_wheel_is_small_and_holds_nothing_that_is_not_free_for_any_use(installed: Installed) -> None:
    (wheel,) = installed.folder.glob("streamseg-*.whl")
    (source,) = installed.folder.glob("streamseg-*.tar.gz")
    assert wheel.stat().st_size < 13_000_000
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as packed:
        models = [name for name in archive.namelist() if name.startswith("streamseg/infer/models/")]
        said = {name: archive.read(name).decode() for name in models if name.endswith((".md", ".yaml"))}
        outside = [name for name in packed.getnames() if "-models" in name]
    assert {Path(name).stem for name in models if name.endswith(".onnx")} == {
        Path(name).stem for name in said if name.endswith(".yaml")
    }
    assert outside == []
    for name, text in said.items():
        licence = re.search(r"^(?:licence:|\*\*Licence\*\*)(.*)", text, re.MULTILINE)
        assert licence is not None, name
        assert re.search(r"Apache-2\.0|MIT|CC0", licence[1]), name
        assert not re.search(r"non-commercial(?! licence was used)|research|\bNC\b", text, re.IGNORECASE), name


def test_the_metadata_of_each_package_says_what_its_models_allow(installed: Installed) -> None:
    licences = {}
    for wheel in installed.folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
            assert any(name.endswith("licenses/NOTICE") for name in archive.namelist())
        licences[wheel.name.partition("-")[0]] = re.findall(r"^License-Expression: (.*)$", metadata, re.MULTILINE)
    assert licences == {
        "streamseg": ["Apache-2.0"],
        "streamseg_pose_models": ["Apache-2.0"],
        "streamseg_research_models": ["CC-BY-NC-4.0 AND LicenseRef-Research-Only"],
    }


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    code = "import streamseg; print(streamseg.__file__)"
    command = [str(installed.bin / "python"), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=installed.folder, env=installed.env, check=True)
    assert Path(done.stdout.strip()).is_relative_to(installed.folder)


def test_every_command_says_how_it_is_used(installed: Installed) -> None:
    said = installed.run("--help")
    assert said.returncode == 0
    commands = re.findall(r"^ {4}([a-z]+)\b", said.stdout, re.MULTILINE)
    assert {"run", "serve", "models", "doctor", "train", "build", "completion"} <= set(commands)
    for command in commands:
        said = installed.run(command, "--help")
        assert (said.returncode, said.stderr) == (0, ""), command
        assert said.stdout.startswith(f"usage: streamseg {command}")


def test_a_scene_and_a_video_become_videos(installed: Installed) -> None:
    clips.clip(installed.folder / "clip.mp4", frames=20)
    for source, name, count in (("test://?frames=30", "scene.mp4", 30), ("clip.mp4", "people.mkv", 20)):
        done = installed.run("run", source, name)
        assert done.returncode == 0, done.stderr
        assert installed.frames(name) == count


def test_each_model_inside_runs(installed: Installed) -> None:
    listed = installed.run("models")
    assert listed.returncode == 0, listed.stderr
    names = [path.stem for path in (ROOT / "streamseg" / "infer" / "models").glob("*.onnx")]
    assert len(names) >= 5
    for name in names:
        assert name in listed.stdout
        done = installed.run("run", "test://?frames=2", "null", "--model", name)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("extra", "name"), [("research", "street"), ("pose", "person-pose")])
def test_a_model_of_another_package_runs_once_that_is_installed_as_the_message_says(
    installed: Installed, extra: str, name: str
) -> None:
    run = ("run", "test://?frames=2", "null", "--model", name)
    refused = installed.run(*run)
    assert refused.returncode == 2, refused.stderr
    said = re.fullmatch(rf".*model '{name}' is in a package of its own \((pip install .*)\)\n", refused.stderr)
    assert said is not None, refused.stderr
    typed = ["bash", "-c", said[1]]
    done = subprocess.run(typed, cwd=installed.folder, env=installed.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = installed.run(*run)
    assert done.returncode == 0, done.stderr
    listed = {model["name"]: model["licence"] for model in json.loads(installed.run("models", "--json").stdout)}
    folder = ROOT / f"{extra}-models" / f"streamseg_{extra}_models"
    assert {path.stem for path in folder.glob("*.onnx")} <= set(listed)
    assert listed[name]


def test_the_doctor_finds_nothing_missing_that_is_needed(installed: Installed) -> None:
    done = installed.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_an_extra_is_for_says_so_in_one_line(installed: Installed) -> None:
    done = installed.run("train", "plan.yaml")
    assert done.returncode not in (0, 1), done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_the_service_serves_its_page_and_ends_in_peace(installed: Installed) -> None:
    port = free_port()
    (installed.folder / "site.yaml").write_text("streams:\n  door:\n    source: test://\n    model: otsu\n")
    command = [str(installed.bin / "streamseg"), "serve", "--config", "site.yaml", "--listen", f"127.0.0.1:{port}"]
    log = installed.folder / "service.log"
    with log.open("w") as said, subprocess.Popen(command, cwd=installed.folder, env=installed.env, stderr=said) as run:
        try:
            while "started" not in log.read_text():
                assert run.poll() is None, log.read_text()
                time.sleep(0.05)
            for path, kind in (("/", "text/html"), ("/metrics", "text/plain"), ("/streams", "application/json")):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=100) as answer:
                    assert answer.headers.get_content_type() == kind
                    assert answer.read()
            run.send_signal(signal.SIGTERM)
            assert run.wait(100) == 0, log.read_text()
        finally:
            run.kill()

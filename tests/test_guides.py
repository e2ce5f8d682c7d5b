"""Tutorials and how-to pages, worked through from top to bottom as a reader does: what they say comes out does.

A block without a language is typed, one that begins with the name of a file is saved as that file, and each line of a
`text` block must have been printed by then, with numbers that are nearly the same and durations that are any.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.documents import ROOT, WALKED, Block, blocks_of, checkout, practice
from tests.parts.program import environment
from tests.parts.rtsp import free_port

GUIDES = [page for page in WALKED if blocks_of(page)]
NAMED = re.compile(r"(?:#|//) ([\w.-]+\.(?:py|yaml|js|cpp))\n")
INSTEAD = (
    (r"^streamseg run 0$", "streamseg run practice/call.mp4 null"),
    (r"^streamseg run 0 ", "streamseg run practice/call.mp4 null "),
    (r"^pip install", "pip install --dry-run --quiet"),
    (r"^(streamseg tune.*)$", r"\1 --seconds 1"),
)
"""What stands for cameras, installations and minutes: pattern and replacement."""
NUMBER = r"(?<![\d.])\d+(?:\.\d+)?"
NOT_HERE = {
    r"make .*|source .*": "makes or enters the environment that the tests run in",
    r"(sudo|ssh|scp|rsync|systemctl|journalctl|crontab|apt-get) .*": "needs root, or another machine",
    r"(cp .*|git -C) /etc/.*": "needs root",
    r"(podman|kubectl) .*": "needs a container engine or a cluster; tests/serve/test_fleet.py reads the files",
    r"streamseg run .* camera:\S+.*": "needs a virtual camera; tests/sinks/test_camera_vm.py films one",
    r"python3 -m venv .*|/opt/.*|ln -s.* /opt/.*": "needs root; tests/test_wheel.py installs into an empty environment",
}
"""Lines that are not run, and why."""
SHOWN = {
    "json": "what a receiver gets; tests/sinks compares it",
    "sh": "needs a server of one's own; tests/sinks has one",
    "nginx": "needs nginx; tests/serve/test_proxy.py starts it with this",
    "caddy": "needs Caddy; tests/serve/test_proxy.py starts it with this",
}
"""Languages of blocks that are only shown, and why."""
NEEDS = {"ffmpeg ": "ffmpeg", "node ": "node", "g++ ": "g++", "curl ": "curl", "streamseg train ": "torch"}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What how-to pages take for granted; a tutorial makes its own."""
    return practice(tmp_path_factory.mktemp("practice"))


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: f"{page.parent.name}/{page.name}")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_page_does_what_it_says_from_top_to_bottom(page: Path, films: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    script, expected = as_script(blocks_of(page), folder)
    lacking = [what for line, what in NEEDS.items() if line in script and not there(what)]
    if lacking:
        pytest.skip(f"needs {', '.join(lacking)}")
    path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    places = {name: str(tmp_path / "own") for name in ("MPLCONFIGDIR", "STREAMSEG_MODELS", "XDG_CACHE_HOME")}
    env = environment(PATH=path, **places)
    if "tools/practice.py" not in script:
        (folder / "practice").symlink_to(films)
    with (tmp_path / "said").open("w+") as said:
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=env, stdout=said, stderr=subprocess.STDOUT, timeout=850, check=False
        )
        said.seek(0)
        printed = said.read()
    assert done.returncode == 0, printed[-3000:]
    assert "Traceback" not in printed and "defect" not in printed, printed
    for marker, block in expected.items():
        before = printed.partition(f"\n{marker}\n")[0]
        for line in filter(None, map(alike, block.text.splitlines())):
            assert line == "…" or any(says(alike(each), line) for each in before.splitlines()), (
                f"{line}\nnot in\n{before}"
            )


def as_script(blocks: list[Block], folder: Path) -> tuple[str, dict[str, Block]]:
    """Bash that types the page, and for each marker that it prints the block of what must have been printed by then."""
    lines = ["set -eo pipefail", "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"]
    expected: dict[str, Block] = {}
    port = str(free_port())
    for number, block in enumerate(blocks):
        name = NAMED.match(block.text)
        if name:
            (folder / f".block-{number}").write_text(block.text.replace("8090", port))
            lines.append(f"cp .block-{number} {shlex.quote(name[1])}")
        elif block.language == "text":
            expected[f"== block {number}"] = block
            lines.append(f"echo; echo '== block {number}'")
        elif block.language == "":
            lines += typed_here(block.text.replace("8090", port))
    return "\n".join(lines) + "\n", expected


def typed_here(text: str) -> list[str]:
    """The lines of a block as they are run here, each said before, without those that cannot be."""
    made: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not any(re.fullmatch(pattern, line) for pattern in NOT_HERE):
            for pattern, replacement in INSTEAD:
                line = re.sub(pattern, replacement, line)
            made += [f"echo {shlex.quote('$ ' + line)}", line]
    return made


def there(what: str) -> bool:
    """Whether a program is on the PATH, or a package installed."""
    if what == "torch":
        return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode == 0
    return shutil.which(what, path=os.environ["PATH"]) is not None


def alike(line: str) -> str:
    """`line` without the width of its gaps, and without how long a run took."""
    return re.sub(r" in \d+(\.\d+)? s\b", " in # s", " ".join(line.split()))


def says(printed: str, line: str) -> bool:
    """Whether `line` is in `printed`, with numbers that another machine may have calculated."""
    numbers = re.findall(NUMBER, line)
    pattern = f"({NUMBER})".join(map(re.escape, re.split(NUMBER, line)))
    return any(all(map(near, found.groups(), numbers)) for found in re.finditer(pattern, printed))


def near(printed: str, number: str) -> bool:
    """Within 3 %, or by one in the last place behind the point; what is counted is exact below 34."""
    places = len(number.partition(".")[2])
    return abs(float(printed) - float(number)) <= max(0.03 * float(number), 10.0**-places if places else 0) + 1e-9


@pytest.mark.parametrize(
    ("printed", "line", "expected"),
    [
        ("ALARM: a crack at 4.24 s", "a crack at 4.2 s", True),
        ("ALARM: a crack at 4.2 s", "a crack at 4.5 s", False),
        ('{"time_s": 4.4, "share": 0.0202}', '"time_s": 4.6, "share": 0.0105', False),
        ("25 frames captured", "24 frames captured", False),
        ("stack-004.png", "stack-004.png", True),
        ("120 shown in 12.5 s", "120 shown in 2 s", True),
    ],
)
def test_numbers_of_a_page_may_differ_a_little(printed: str, line: str, expected: bool) -> None:
    assert says(alike(printed), alike(line)) is expected


def test_without_its_clips_practice_says_what_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(ROOT / "tools" / "practice.py"))["main"]
    monkeypatch.setitem(main.__globals__, "packaged_clip", lambda name: None)
    monkeypatch.chdir(tmp_path)
    assert main() == 0
    made, lacking = capsys.readouterr().out.splitlines()
    assert "belt.mp4" in made and "call.mp4" not in made
    pip = re.search(r"`(pip install [^`]+)`", lacking)
    assert lacking.startswith("lacking  call.mp4, dash/monday.mp4") and pip is not None
    for page in ("README.md", "docs/tutorials/index.md"):
        assert pip[1] in (ROOT / page).read_text()
    assert f"$(INSTALL) {pip[1].removeprefix('pip install ')}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("pattern", NOT_HERE)
def test_what_is_not_run_stands_on_a_page(pattern: str) -> None:
    lines = [line for page in WALKED for block in blocks_of(page) for line in block.text.splitlines()]
    assert any(re.fullmatch(pattern, line) for line in lines)


def test_every_block_of_a_page_is_typed_saved_or_compared() -> None:
    others = [
        f"{page.relative_to(ROOT)}: {block.text.splitlines()[0]}"
        for page in WALKED
        for block in blocks_of(page)
        if block.language not in ("", "text", *SHOWN) and not NAMED.match(block.text)
    ]
    assert others == []

"""Every command in the README, the guides and the models' cards works as printed, or it is said why not."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamseg.commands.parser import parse
from tests.parts.documents import ROOT, WALKED, Block, blocks, blocks_of, commands, typed, workplace
from tests.parts.program import environment
from tests.parts.rtsp import free_port

ASKED = "python -c 'import urllib.request as web; web.urlopen(\"http://127.0.0.1:PORT/\")' 2> /dev/null"
SUBSTITUTES = (
    (r"^streamseg run 0 ?", "streamseg run 'test://?frames=12&fps=25' "),  # a camera
    (r"'?(rtsp://\S*camera/1|http://camera/\S+?)'?( |$)", r"'test://?frames=12' \2"),
    (r"'?rtsp://\S*server/masks'?", "null"),
    (r"--start [\d:]+ --end [\d:.]+", "--start 0:00.1 --end 5f"),  # of films of hours
    (r"^(streamseg serve .*?)( --listen \S+:8090(.*))?$", r"timeout --preserve-status 8 \1 --listen localhost:PORT\3"),
    (r"^(python -m http.server)(.*)$", rf"\1 PORT\2 & until {ASKED}; do sleep 0.1; done; kill %1"),
    (r"^(streamseg bench.*)$", r"\1 --rounds 1 --seconds 0.2"),  # minutes
    (r"^streamseg tune street$", "streamseg tune person"),  # a minute
    (r"^(streamseg tune.*)$", r"\1 --seconds 1"),
    (r"NAME", "street"),  # any of four
)
"""What stands for cameras, servers and minutes: pattern and replacement."""

NAMED = "names a command within a sentence, and is not meant to be typed as it stands"
SETS = "scores on labelled pictures that may not be passed on; docs/models.md has what came of it"
HOURS = "trains for twenty minutes to hours, on a data set that is not here; tests/training trains on small ones"
MINUTES = "measures for minutes, for its figures"
ALIKE = "differs in its flags or network from one that is run; tests/tuning and tests/infer try these on small ones"
AS_ROOT = "changes the machine, as root"
MAKE = "installs or removes environments, or is the test run itself"
CANNOT = {
    r"make .*": MAKE,
    r"podman .*": "needs a container engine; tests/serve/test_packaging.py checks the file",
    r".*/etc/.*|.*/opt/.*": AS_ROOT,
    r"python3 -m venv .venv": "would change the environment of the tests; tests/test_wheel.py fills an empty one",
    r"pre-commit install": "would change the checkout; the hooks are those of `make check`",
    r"python -m streamseg": NAMED,
    r"pip install torch .*": "asks PyTorch's own index",
    r"pip install .*pycuda": "compiles against CUDA's toolkit",
    r"pip install .*cuda-bindings.*": "is for NVIDIA's GPUs; tests/infer/tensorrt/test_real_parts.py tries it",
    r"pip install (-e '\.\[tensorrt\]'|tensorrt-cu12|'?onnxruntime-gpu\S*)": "is for NVIDIA's GPUs: gigabytes",
    r"pip install \./research-models": "is part of `make demo`; tests/test_wheel.py installs it",
    r"pip uninstall .*": "would take from this environment what the tests need",
    r"streamseg (serve|import|eval|run|tune|quantise|compare)": NAMED,
    r"streamseg train (PLAN.yaml|--folds|--from (MODEL|cracks|defects|lane) FOLDER( --new-classes)?)": NAMED,
    r"streamseg (batch|eval --video|quantise --for tensorrt|build --for)": NAMED,
    r"(streamseg eval|python tools/score_far\.py) .*\b(people/|traffic/|defects/|camvid/test|cracks_\w+/).*": SETS,
    r"streamseg ((eval|quantise) lane road|quantise membrane membrane)/.*": SETS,
    r"python -m tf2onnx\.convert .*": "needs TensorFlow",
    r"python tools/score_choice\.py DATA": SETS,
    r"streamseg quantise cracks PICTURES FILE": NAMED,
    r"streamseg ctl reload": "needs a service that runs; tests/commands/test_ctl.py starts one",
    r"streamseg serve .* --tls-cert .*": "needs a certificate; tests/serve/test_tls.py makes some",
    r"streamseg train configs/.*": HOURS,
    r"python tools/average_weights\.py .*": "needs what two trainings of hours make",
    r"streamseg tune (street --|training/).*": ALIKE,
    r"streamseg quantise (street|NAME|training/street-unet/\S+) .*": ALIKE,
    r"streamseg run --config configs/webcam.yaml": "needs a camera; tests/test_config.py reads every file in configs",
    r"streamseg compare street --backends ort-cpu,tensorrt .*": "needs an NVIDIA GPU",
    r"streamseg bench street --inference .*": "needs what `make peers` installs; tests/bench/test_subprocess_loop.py",
    r"streamseg bench( (person|training/\S+) .*| --rounds 4)?": MINUTES,
    r"python tools/(bench_\w+|engine_table|model_times)\.py.*": MINUTES,
    r"python tools/carried_picture.py docs/pictures": "writes the pictures of the documents again",
}
"""Commands that are not run here, and why."""

CODES = {r"python tools/gpu_(check|probe)\.py.*": 3}
"""What else than 0 a command rightly ends with here: no GPU."""
NEEDS = {
    "streamseg train.*": "torch",
    "streamseg build.*": "tensorrt_rtx_bindings",
    "streamseg bench .*--plot.*": "matplotlib",
}
QUICK = ("streamseg run", "streamseg models", "streamseg import", "openssl", "source")
LARGE = ("cracks", "nuclei", "street")
"""Models that take seconds for a film."""
TRIED = [command for command in commands() if not any(re.fullmatch(pattern, command) for pattern in CANNOT)]
INSTALLS = [command for command in TRIED if command.startswith("pip install ")]
IN_GUIDES = {command for page in WALKED for block in blocks_of(page) for command in typed(block)}
"""Which tests/test_guides.py runs."""
COMMANDS = [command for command in TRIED if command not in (*INSTALLS, *IN_GUIDES)]


def _is_quick(command: str) -> bool:
    return command.startswith(QUICK) and not any(model in command for model in LARGE)


def as_tried(command: str) -> str:
    for pattern, replacement in SUBSTITUTES:
        command = re.sub(pattern, replacement, command)
    return command.replace("PORT", str(free_port()))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workplace(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=[] if _is_quick(each) else [pytest.mark.slow]) for each in COMMANDS],
)
@pytest.mark.timeout(400)
def test_a_command_of_the_documents_works_as_printed(command: str, checkout: Path, tmp_path: Path) -> None:
    for pattern, package in NEEDS.items():
        if re.fullmatch(pattern, command) and importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    shutil.copytree(checkout, folder := tmp_path / "checkout", symlinks=True)
    if command == "streamseg train cracks.yaml":
        shutil.rmtree(folder / "training")  # what it will make
    if "--token-file" in command:
        (folder / "token").write_text("a-token-of-some-length\n")
    path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-c", as_tried(command)],
        cwd=folder,
        env=environment(
            PATH=path,
            PASSWORD="p#s/w d",
            MPLCONFIGDIR=str(tmp_path),
            STREAMSEG_MODELS=str(tmp_path),
            XDG_CACHE_HOME=str(tmp_path / "cache"),  # what is tuned here is not for the tests of other files
        ),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    expected = next((code for pattern, code in CODES.items() if re.fullmatch(pattern, command)), 0)
    assert done.returncode == expected, f"{as_tried(command)}: {done.stderr[-2000:]}"
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_all_that_the_documents_install_goes_together() -> None:
    """One resolution for all: extras of the package itself as one list, the others by their words."""
    words = {word for command in INSTALLS for word in shlex.split(command)[2:] if not word.startswith("-")}
    own = {word for word in words if word.startswith(".") and not word.startswith("./")}
    extras = ",".join(sorted({extra for word in own for extra in re.findall(r"[\w-]+", word)}))
    assert extras, INSTALLS
    packages = sorted(f"{ROOT}/{word[2:]}" if word.startswith("./") else word for word in words - own)
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", f"{ROOT}[{extras}]", *packages]
    done = subprocess.run(pip, env=environment(), capture_output=True, text=True, timeout=380, check=False)
    if re.search("No matching distribution|Connection|HTTP error", done.stderr):
        pytest.skip(f"the package index has or says nothing: {done.stderr[-200:]}")
    assert done.returncode == 0, f"{pip}: {done.stderr[-2000:]}"
    lacking = re.findall(r"does not provide the extra '([^']+)'", done.stderr)
    assert not lacking, f"streamseg has no extra {lacking}"


@pytest.mark.parametrize("pattern", CANNOT)
def test_what_is_not_tried_stands_in_the_documents(pattern: str) -> None:
    assert any(re.fullmatch(pattern, command) for command in commands())


@pytest.mark.parametrize("block", blocks(""), ids=lambda block: f"{block.page.name}-{block.text[:20]!r}")
def test_whoever_types_a_block_from_top_to_bottom_meets_no_output_of_a_line_before(block: Block) -> None:
    runs = [shlex.split(command)[1:] for command in typed(block) if command.startswith("streamseg run")]
    written = [name for words in runs for name in vars(parse(words))["outputs"] if re.fullmatch(r"\w+\.\w+", name)]
    assert len(set(written)) == len(written), written


def test_every_block_without_a_language_is_typed_or_drawn() -> None:
    drawn = [block.text.splitlines()[0].strip() for block in blocks("") if not typed(block)]
    drawn = [line for line in drawn if not any(re.fullmatch(pattern, line) for pattern in CANNOT)]
    assert [line for line in drawn if "…" not in line and "capture/" not in line] == []


def test_after_make_demo_the_terminal_is_told_where_streamseg_is() -> None:
    first = commands()[:2]
    assert first == ["make demo", "source .venv/bin/activate"]

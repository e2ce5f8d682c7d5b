"""Parts of other packages: a real one is built and installed, and found by name; names of our own never look there."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest

import streamseg
from streamseg import entrypoints
from streamseg.cli import main
from streamseg.errors import InputError
from streamseg.infer import list_models, network_file
from streamseg.infer.backends import BACKENDS, ON_REQUEST
from streamseg.infer.model.catalogue import SHIPPED
from tests.parts.documents import ROOT
from tests.parts.patience import finished
from tests.parts.program import environment, run_program

PACKAGE = ROOT / "examples" / "package"
ADDED = {"sources": "blink", "models": "brighter", "backends": "example-ort", "views": "inverted", "outputs": "shares"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the example's package is installed, in a folder of its own."""
    builders = importlib.metadata.distributions(name="setuptools")  # imported here, it would replace distutils
    if not any(tuple(map(int, each.version.split(".")[:2])) >= (70, 1) for each in builders):
        pytest.skip("needs setuptools 70.1 to build a package without an index")
    folder = tmp_path_factory.mktemp("installed")
    copy = tmp_path_factory.mktemp("package")
    for file in PACKAGE.iterdir():  # a build writes beside its sources
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", folder, copy]
    done = finished([sys.executable, "-m", "pip", *map(str, words)])
    assert done.returncode == 0, done.stderr
    return environment(PYTHONPATH=str(folder))


def run(env: dict[str, str], *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = run_program(*words, env=env, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_a_package_adds_a_source_a_model_a_view_and_an_output(installed: dict[str, str], tmp_path: Path) -> None:
    words = ("run", "blink://6", "shares:a.csv", "out.mp4", "--model", "brighter", "--view", "inverted")
    run(installed, *words, cwd=tmp_path)
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    assert [int(row[0]) for row in rows] == list(range(6))
    with av.open(str(tmp_path / "out.mp4")) as film:
        brightness = [frame.to_ndarray(format="gray").mean() for frame in film.decode(video=0)]
    assert [value > 127 for value in brightness] == [True, False] * 3


def test_a_package_adds_a_backend_whose_labels_are_checked_as_any_other_s(
    installed: dict[str, str], tmp_path: Path
) -> None:
    words = ("run", "test://?frames=2&size=64x48", "a.jsonl", "--model", "person-wide", "--backend", "example-ort")
    run(installed, *words, cwd=tmp_path)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2


def test_a_defect_is_laid_to_the_package_whose_part_it_is_in(installed: dict[str, str]) -> None:
    done = run_program("run", "blink://six", "null", "--model", "otsu", env=installed)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("streamseg: this is a defect in streamseg-example-parts 1.0: ValueError: invalid literal")


def test_python_finds_them_by_the_same_names(installed: dict[str, str]) -> None:
    code = (
        "import streamseg\n"
        "for shown in streamseg.open('blink://4', model='brighter', view='inverted', steady=False):\n"
        "    print(shown.segmentation.labels.max(), shown.image.max())\n"
        "result = streamseg.load('brighter')(shown.frame.image)\n"
        "print(result.classes.names[1], result.draw(shown.frame.image, 'inverted').max())\n"
    )
    done = finished([sys.executable, "-W", "error", "-c", code], env=installed)
    assert done.stdout.splitlines() == ["0 255", "1 0", "0 255", "1 0", "bright 0"], done.stderr


def test_the_doctor_and_the_list_of_models_name_them_with_their_package(installed: dict[str, str]) -> None:
    found = {each["what"]: each for each in json.loads(run_program("doctor", "--json", env=installed).stdout)}
    for kind, name in ADDED.items():
        finding = found[f"{kind.removesuffix('s')} {name}"]
        assert (finding["ok"], finding["says"]) == (True, "added by streamseg-example-parts 1.0")
    listed = {each["name"]: each for each in json.loads(run(installed, "models", "--json").stdout)}
    assert listed["brighter"]["classes"] == ["dark", "bright"]


Add = Callable[[str, str, str], None]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Add:
    """Adds an entry point, as if a package had it: kind, name and what it leads to."""
    added: list[importlib.metadata.EntryPoint] = []

    def listed(*, group: str) -> list[importlib.metadata.EntryPoint]:
        return [each for each in added if each.group == group]

    monkeypatch.setattr(importlib.metadata, "entry_points", listed)
    return lambda kind, name, value: added.append(importlib.metadata.EntryPoint(name, value, f"streamseg.{kind}"))


def test_names_of_our_own_are_found_without_a_look_at_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(**_: object) -> None:
        pytest.fail("looked at the entry points of other packages")

    monkeypatch.setattr(importlib.metadata, "entry_points", looked)
    for model in ("otsu", "person-wide"):
        streamseg.open("test://?frames=2&size=64x48", "null", model=model, view="mask", backend=None).run()
    streamseg.load("person-wide", backend="ort-cpu").close()


def test_a_name_of_our_own_cannot_be_taken_by_a_package(add: Add) -> None:
    add("views", "mask", "tests.test_entrypoints:missing")
    add("models", "otsu", "tests.test_entrypoints:missing")
    assert streamseg.open("test://?frames=2&size=64x48", model="otsu", view="mask").run().shown == 2


MODEL = SHIPPED / "person-wide.onnx"


def test_a_package_may_name_a_file_as_its_model(add: Add) -> None:
    add("models", "walkers", "tests.test_entrypoints:MODEL")
    assert streamseg.load("walkers").classes.names == ("background", "person")
    assert "walkers" in [each.name for each in list_models()]


def test_a_package_may_be_a_folder_of_models(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder := tmp_path / "orchard").mkdir()
    (folder / "__init__.py").touch()
    for name in ("apples", "pears", "person"):
        (folder / f"{name}.onnx").write_bytes(MODEL.read_bytes())
        (folder / f"{name}.yaml").write_text(MODEL.with_suffix(".yaml").read_text().replace("person-wide", name))
    monkeypatch.syspath_prepend(tmp_path)
    add("models", "fruit", "orchard")
    add("models", "rotten", "no_such_package")
    assert streamseg.load("pears").name == "pears"
    assert network_file("apples") == folder / "apples.onnx"
    assert network_file("person") == SHIPPED / "person.onnx"
    names = [each.name for each in list_models()]
    assert {"apples", "pears"} <= set(names) and "fruit" not in names
    assert names.count("person") == 1
    assert "rotten of a package cannot be loaded" in caplog.text
    for name, hint in (
        ("fruit", "streamseg models"),
        ("pear", "did you mean pears or person?"),
        ("../orchard/pears", ""),
    ):
        with pytest.raises(InputError, match="no model") as caught:
            streamseg.load(name)
        assert hint in caught.value.hint


def broken() -> None: ...


@pytest.mark.parametrize("kind", entrypoints.KINDS)
def test_a_part_that_cannot_be_imported_is_one_line_with_its_package(add: Add, kind: str) -> None:
    add(kind, "odd", "tests.test_entrypoints:missing")
    names: dict[str, dict[str, object]] = {
        "sources": {"source": "odd://x"},
        "models": {"model": "odd"},
        "backends": {"model": "person-wide", "backend": "odd"},
        "views": {"view": "odd"},
    }
    asked = {"source": "test://?frames=2", "model": "otsu", **names.get(kind, {})}
    outputs = ("odd:x",) if kind == "outputs" else ()
    with pytest.raises(InputError, match="odd of .* cannot be loaded: AttributeError") as caught:
        streamseg.open(asked.pop("source"), *outputs, **asked).run()  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_name_that_nobody_has_lists_those_of_packages_too(add: Add) -> None:
    add("views", "thermal", "tests.test_entrypoints:broken")
    add("backends", "rknn", "tests.test_entrypoints:broken")
    add("models", "berries", "tests.test_entrypoints:MODEL")
    with pytest.raises(InputError) as view:
        streamseg.open("test://", model="otsu", view="thermic")
    assert "did you mean thermal?" in view.value.hint
    with pytest.raises(InputError) as backend:
        streamseg.load("person-wide", backend="tpu")
    assert backend.value.hint == f"one of {', '.join([*BACKENDS, *ON_REQUEST, 'rknn'])}"
    with pytest.raises(InputError) as backend:
        streamseg.load("person-wide", backend="cuda")
    assert backend.value.hint.startswith("did you mean ort-cuda? one of ")
    with pytest.raises(InputError) as model:
        streamseg.load("berry")
    assert "berries" in model.value.hint


def test_a_folder_of_models_that_is_gone_is_told_once(
    add: Add, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """As where the checkout was moved that they were installed from with `-e`."""
    add("models", "moved", "no_such_folder")
    assert main(["models", "--json"]) == 0
    assert main(["run", "test://?frames=1", "null", "--model", "berry"]) == 2
    assert "no model 'berry'" in capsys.readouterr().err
    assert caplog.text.count("moved of a package cannot be loaded") == 1


def test_a_broken_model_of_a_package_does_not_hide_the_others(
    add: Add, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    add("models", "odd", "tests.test_entrypoints:missing")
    assert main(["models", "--json"]) == 0
    assert "person" in capsys.readouterr().out
    assert "odd of a package cannot be loaded" in caplog.text

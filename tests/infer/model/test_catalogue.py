from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.infer import list_models, load_segmenter
from streamseg.infer.model.catalogue import find_model, network_names
from tests.parts import toy_models

YAML = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, with one model called `avenue`."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("STREAMSEG_MODELS", str(folder))
    toy_models.segmenter(folder / "avenue.onnx")
    (folder / "avenue.yaml").write_text(YAML + "licence: MIT\nsummary: toy streets\n")
    return folder


def test_a_users_model_is_found_by_name_and_listed(mine: Path) -> None:
    assert find_model("avenue") == mine / "avenue.onnx"
    (listed,) = [model for model in list_models() if model.name == "avenue"]
    assert (listed.kind, listed.licence, listed.summary, len(listed.classes)) == ("network", "MIT", "toy streets", 5)
    assert listed.size_bytes == (mine / "avenue.onnx").stat().st_size


def test_every_shipped_network_has_what_a_person_asks_for() -> None:
    shipped = [model for model in list_models() if model.kind == "network"]
    assert {"person", "person-wide"} <= {model.name for model in shipped}
    assert all(m.licence and m.summary and m.score and m.size_bytes for m in shipped if m.name.startswith("person"))


def test_classical_methods_are_listed_too(mine: Path) -> None:
    assert {model.kind for model in list_models()} == {"network", "classical"}


def test_a_broken_model_does_not_spoil_the_list(mine: Path, caplog: pytest.LogCaptureFixture) -> None:
    (mine / "broken.onnx").write_bytes(b"junk")
    with caplog.at_level(logging.WARNING):
        assert "avenue" in [model.name for model in list_models()]
    assert "broken.onnx: not an ONNX model" in caplog.text


def test_a_shipped_name_is_not_shadowed(mine: Path) -> None:
    shutil.copy(mine / "avenue.onnx", mine / "person.onnx")
    found = find_model("person")
    assert found is not None and found.parent != mine
    assert network_names().count("person") == 1


@pytest.mark.parametrize("name", ["../street", "/etc/passwd", "street/../street", "", "a" * 65, "st\0reet"])
def test_a_name_is_never_a_path(mine: Path, name: str) -> None:
    assert find_model(name) is None


def test_a_recipe_tells_all_without_running_the_model(mine: Path) -> None:
    recipe = load_segmenter("avenue")
    assert (recipe.name, recipe.classes.names, recipe.parallel, recipe.batch) == ("avenue", tuple("abcde"), True, 1)


def test_a_path_is_a_model_too(mine: Path) -> None:
    assert load_segmenter(str(mine / "avenue.onnx")).name == "avenue"


def test_the_graphs_own_batch_is_passed_on(mine: Path) -> None:
    toy_models.segmenter(mine / "avenue.onnx", batch=4)
    assert load_segmenter("avenue").batch == 4


def test_an_unknown_name_shows_what_comes_near(mine: Path) -> None:
    with pytest.raises(InputError, match=r"no model 'avenu' \(did you mean avenue\? see `streamseg models`\)"):
        load_segmenter("avenu")


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.tflite", "net.engine", "net.plan", "net.PT"])
def test_what_is_no_onnx_is_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(InputError, match=r"streamseg runs ONNX files.*\(.+\)"):
        load_segmenter(name)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    """Its `__reduce__` would write a file."""
    harm = tmp_path / "harm"
    code = f"import pickle, pathlib\nclass A:\n  def __reduce__(self): return (pathlib.Path({str(harm)!r}).touch, ())\n"
    code += f"pathlib.Path({str(tmp_path / 'net.pt')!r}).write_bytes(pickle.dumps(A()))"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(InputError):
        load_segmenter(str(tmp_path / "net.pt"))
    assert not harm.exists()


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx: no such file"):
        load_segmenter(str(tmp_path / "none.onnx"))


def test_a_network_takes_no_settings(mine: Path) -> None:
    with pytest.raises(InputError, match="'avenue' takes no settings"):
        load_segmenter("avenue", {"k": 3})


def test_an_unknown_backend_is_told_before_any_thread_starts(mine: Path) -> None:
    with pytest.raises(InputError, match="no backend 'abacus'"):
        load_segmenter("avenue", backend="abacus")


def test_a_spec_that_does_not_fit_is_told_before_any_thread_starts(mine: Path) -> None:
    (mine / "avenue.yaml").write_text(YAML.replace("[a, b, c, d, e]", "[a, b]"))
    with pytest.raises(InputError, match="expected as 2 channels for 2 classes"):
        load_segmenter("avenue")


def test_importing_the_room_loads_no_runtime() -> None:
    code = "import sys, streamseg.infer; print(*[m for m in ('onnx', 'onnxruntime', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_only_what_can_be_called_is_offered(mine: Path) -> None:
    (mine / "avenue two.onnx").write_bytes((mine / "avenue.onnx").read_bytes())
    (mine / "folder.onnx").mkdir()
    (mine / "lost.onnx").symlink_to("nowhere")
    assert [name for name in network_names() if find_model(name) is None] == []
    for name in ("avenue two", "folder", "lost"):
        with pytest.raises(InputError, match=f"no model '{name}'") as caught:
            load_segmenter(name)
        assert f"did you mean {name}" not in str(caught.value)

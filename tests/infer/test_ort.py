from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from streamseg.errors import BackendError, InputError
from streamseg.infer import backends
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.tensors import TensorInfo
from streamseg.said import Said
from tests.parts import toy_models
from tests.parts.patience import finished


def test_a_model_runs_and_says_what_it_is(tmp_path: Path) -> None:
    backend = OrtBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    (entry,), (result,) = backend.inputs, backend.outputs
    assert entry == TensorInfo("image", (1, 3, 24, 32), np.dtype(np.float32))
    assert result == TensorInfo("scores", (1, 5, 24, 32), np.dtype(np.float32))
    out = backend.run({"image": np.zeros((1, 3, 24, 32), np.float32)})
    np.testing.assert_allclose(out["scores"][0, :, 5, 5], np.linspace(-0.2, 0.2, 5), atol=1e-6)
    assert backend.name.startswith("ONNX Runtime") and backend.name.endswith("(CPU)")


def test_free_sides_are_none(tmp_path: Path) -> None:
    model = toy_models.segmenter(tmp_path / "toy.onnx", batch=None, size=(None, None))
    assert OrtBackend(model, 1).inputs[0].shape == (None, 3, None, None)


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    backend = OrtBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    backend.close()
    backend.close()


def test_a_wrong_feed_is_one_clear_line(tmp_path: Path) -> None:
    backend = OrtBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    with pytest.raises(InputError, match="Got: 9 Expected: 3") as caught:
        backend.run({"image": np.zeros((1, 9, 24, 32), np.float32)})
    assert "\n" not in str(caught.value)


def test_a_network_that_takes_one_size_alone_says_how_it_is_imported_so(tmp_path: Path) -> None:
    backend = OrtBackend(toy_models.picky(tmp_path / "picky.onnx"), 1)
    with pytest.raises(InputError, match=r"refuses it: Add node: .* broadcast an axis .* 64 by 160") as caught:
        backend.run({"image": np.zeros((1, 3, 128, 160), np.float32)})
    assert "/onnxruntime" not in str(caught.value)
    assert "streamseg import FILE.onnx --height 512 --width 512" in caught.value.hint


@pytest.mark.parametrize("domain", ["", "ai.onnx.ml"])
def test_a_newer_opset_is_told_with_the_newest_that_is_taken(tmp_path: Path, domain: str) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "toy.onnx"))
    if domain:
        model.opset_import.add(domain=domain)
    model.opset_import[-1].version = 99
    onnx.save(model, tmp_path / "newer.onnx")
    with pytest.raises(InputError, match=r"newer\.onnx: is of opset 99(?: of ai\.onnx\.ml)?, ") as caught:
        OrtBackend(tmp_path / "newer.onnx", 1)
    most = re.search(r"this ONNX Runtime takes (\d+) at most$", caught.value.message)
    of = f" of {domain}" if domain else ""
    assert most and caught.value.hint == f"export it with opset {most[1]}{of} or lower, or update onnxruntime"
    model.opset_import[-1].version = int(most[1])
    onnx.save(model, tmp_path / "newest.onnx")
    OrtBackend(tmp_path / "newest.onnx", 1).close()


def test_a_newer_format_of_files_is_told(tmp_path: Path) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "toy.onnx"))
    model.ir_version = 99
    onnx.save(model, tmp_path / "newer.onnx")
    with pytest.raises(InputError, match=r"is of ONNX's IR version 99, this ONNX Runtime takes \d+ at most") as caught:
        OrtBackend(tmp_path / "newer.onnx", 1)
    assert "update onnxruntime" in caught.value.hint


@pytest.mark.parametrize("junk", [b"", b"just some text, no model", bytes(range(256)) * 40, b"\x08\x08"])
def test_junk_is_no_model(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.onnx"
    path.write_bytes(junk)
    with pytest.raises(InputError, match="not an ONNX model"):
        OrtBackend(path, 1)


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        OrtBackend(tmp_path / "none.onnx", 1)
    with pytest.raises(InputError, match="a folder without an ONNX file"):
        OrtBackend(tmp_path, 1)


def test_a_device_is_not_read() -> None:
    with pytest.raises(InputError, match="not a file"):
        OrtBackend(Path("/dev/zero"), 1)


def test_an_operator_of_somebodys_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Mystery"):
        OrtBackend(toy_models.foreign_operator(tmp_path / "foreign.onnx"), 1)


def test_weights_in_the_models_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "weights.bin").write_bytes(toy_models.weights_bytes())
    backend = OrtBackend(toy_models.external(tmp_path / "toy.onnx", "deep/weights.bin"), 1)
    plain = OrtBackend(toy_models.segmenter(tmp_path / "plain.onnx"), 1)
    feed = {"image": np.random.default_rng(0).normal(size=(1, 3, 24, 32)).astype(np.float32)}
    np.testing.assert_array_equal(backend.run(feed)["scores"], plain.run(feed)["scores"])


@pytest.mark.parametrize("attack", ["above", "absolute", "device", "symlink", "folder-link", "hardlink", "windows"])
def test_weights_from_anywhere_else_are_never_touched(tmp_path: Path, attack: str) -> None:
    secret, folder = tmp_path / "secret.bin", tmp_path / "model"
    secret.write_bytes(toy_models.weights_bytes())
    folder.mkdir()
    location = {
        "above": "../secret.bin",
        "absolute": str(secret),
        "device": "/dev/zero",
        "windows": "..\\secret.bin",
        "folder-link": "way/secret.bin",
    }.get(attack, "weights.bin")
    if attack == "symlink":
        (folder / "weights.bin").symlink_to(secret)
    elif attack == "hardlink":
        os.link(secret, folder / "weights.bin")
    elif attack == "folder-link":
        (folder / "way").symlink_to(tmp_path)
    with pytest.raises(InputError, match="external data"):
        OrtBackend(toy_models.external(folder / "toy.onnx", location), 1)


def test_missing_weights_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"external data 'gone\.bin' is missing"):
        OrtBackend(toy_models.external(tmp_path / "toy.onnx", "gone.bin"), 1)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"length": "540"}, "is cut short: 132 of 540 bytes or more .*download it again; `git lfs pull`"),
        ({"offset": "130", "length": "4"}, "is cut short: 132 of 134 bytes"),
        ({"offset": "-8"}, "where in it a tensor begins and ends is no number"),
        ({"length": "many"}, "is no number"),
        ({"length": "9" * 5000}, "is no number"),
    ],
    ids=str,
)
def test_weights_that_are_not_all_there_are_said(entries: dict[str, str], words: str, tmp_path: Path) -> None:
    file = toy_models.external(tmp_path / "toy.onnx", "weights.bin")
    (tmp_path / "weights.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1".ljust(132))
    model = onnx.load(file, load_external_data=False)
    for key, value in entries.items():
        model.graph.initializer[0].external_data.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=words):
        OrtBackend(file, 1)


def test_a_name_with_a_nul_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        OrtBackend(toy_models.external(tmp_path / "toy.onnx", "a\0b"), 1)


def test_a_declared_size_beyond_reason_is_refused(tmp_path: Path) -> None:
    model = toy_models.segmenter(tmp_path / "toy.onnx", size=(60_000, 60_000))
    with pytest.raises(InputError, match="beyond what streamseg runs"):
        OrtBackend(model, 1)


def test_a_tiny_file_that_makes_a_huge_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'scores' of 1x5x53000x53000 is beyond"):
        OrtBackend(toy_models.huge(tmp_path / "huge.onnx"), 1)


def test_a_provider_that_is_not_there_is_a_backend_error(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has no SunExecutionProvider"):
        OrtBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1, "SunExecutionProvider")


def test_a_refusal_is_said_once_and_the_next_backend_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(file: Path, threads: int, stopped: Stopped) -> Backend:
        raise BackendError("no such chip")

    monkeypatch.setattr(backends, "BACKENDS", {"chip": broken, "ort-cpu": backends.BACKENDS["ort-cpu"]})
    model = toy_models.segmenter(tmp_path / "toy.onnx")
    with caplog.at_level(logging.INFO, "streamseg"):
        said = Said()
        names = {open_backend(model, 1, said=said).name for _ in range(3)}
    assert all(name.startswith("ONNX Runtime") for name in names)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "chip: no such chip; running on the CPU (ort-cpu) instead"
    with pytest.raises(BackendError, match="no such chip"):
        open_backend(model, 1, "chip")


def test_where_there_is_no_nvidia_gpu_that_is_said_to_debug_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(file: Path, threads: int, stopped: Stopped) -> Backend:
        raise BackendError("not installed")

    chain = {"tensorrt": broken, "ort-cuda": broken, "ort-cpu": backends.BACKENDS["ort-cpu"]}
    monkeypatch.setattr(backends, "BACKENDS", chain)
    model = toy_models.segmenter(tmp_path / "toy.onnx")
    seen = {}
    for driver in ("", "/dev/nvidiactl"):
        monkeypatch.setattr(backends, "nvidia_driver", lambda driver=driver: driver)
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "streamseg.infer.backends"):
            open_backend(model, 1).close()
        seen[driver] = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "streamseg.infer.backends"]
    assert seen == {
        "": [
            (
                "DEBUG",
                "running on the CPU (ort-cpu): no NVIDIA GPU for tensorrt, ort-cuda (`streamseg doctor` says more)",
            )
        ],
        "/dev/nvidiactl": [
            ("INFO", "tensorrt: not installed"),
            ("INFO", "ort-cuda: not installed; running on the CPU (ort-cpu) instead"),
        ],
    }


def test_a_broken_model_is_not_tried_on_every_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def noting(file: Path, threads: int, stopped: Stopped) -> Backend:
        tried.append(file)
        raise InputError("broken")

    monkeypatch.setattr(backends, "BACKENDS", {"one": noting, "two": noting})
    with pytest.raises(InputError, match="broken"):
        open_backend(tmp_path / "x.onnx", 1)
    assert len(tried) == 1


def test_no_backend_at_all_is_one_line_with_every_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: Path, threads: int, stopped: Stopped) -> Backend:
        raise BackendError("no such chip")

    monkeypatch.setattr(backends, "BACKENDS", {"one": broken, "two": broken})
    with pytest.raises(BackendError, match="one: no such chip; two: no such chip"):
        open_backend(tmp_path / "x.onnx", 1)


def test_an_unknown_backend_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no backend 'abacus' \\(one of tensorrt, tensorrt-rtx, ort-cuda, ort-cpu, "):
        open_backend(tmp_path / "x.onnx", 1, "abacus")


_CHILD = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from streamseg.errors import StreamsegError
from streamseg.infer import load_segmenter
from streamseg.frame import Frame
import numpy as np
from tests.parts.toy_models import mutated

folder = Path(sys.argv[1])
raw = (folder / "toy.onnx").read_bytes()
fine = refused = 0
for seed in range(40):
    file = folder / "mutated.onnx"
    file.write_bytes(mutated(raw, seed))
    try:
        network = load_segmenter(str(file)).make(1)
        network([Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0, 0.0)])
        network.close()
        fine += 1
    except StreamsegError as error:
        assert len(str(error).splitlines()) == 1, error
        refused += 1
print(fine, refused)
"""


def test_mutated_models_load_or_give_one_line_each(tmp_path: Path) -> None:
    toy_models.segmenter(tmp_path / "toy.onnx")
    (tmp_path / "mutated.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\n")
    child = finished([sys.executable, "-c", _CHILD, str(tmp_path)])
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stderr == ""
    fine, refused = map(int, child.stdout.split())
    assert fine + refused == 40 and refused > 10

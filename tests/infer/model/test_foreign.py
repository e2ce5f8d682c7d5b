"""Files that are called models and are none are named for what they are."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.infer import load_segmenter
from streamseg.infer.model.onnxfile import load_onnx
from tests.parts import toy_models


def zipped(name: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(name, "x")
    return raw.getvalue()


def tarred() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return raw.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        (
            "a.onnx",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "Git LFS pointer.*git lfs pull",
        ),
        ("a.onnx", b"\n<!DOCTYPE html><html></html>", "a web page"),
        ("a.onnx", zipped("archive/data.pkl"), "weights of PyTorch"),
        ("a.onnx", zipped("model.onnx"), "a zip archive .*model.onnx is in it"),
        ("a.onnx", zipped("model.onnx")[:-30], "not an ONNX model"),
        ("a.onnx", tarred(), "a tar archive"),
        ("a.onnx", gzip.compress(b"x"), "compressed by gzip"),
        ("a.onnx", b"\x80\x02ctorch", "pickled"),
        ("a.onnx", b"\x20" + bytes(7) + b'{"w":{"dtype":"F32"}}', "safetensors"),
        ("a.onnx", b"\x89HDF\r\n\x1a\n", "HDF5.*format=.onnx"),
        ("a.onnx", b"\x1c\0\0\0TFL3\0", "TensorFlow Lite"),
        ("a.xml", b'<?xml version="1.0"?><net name="a"/>', "as OpenVINO writes one"),
        ("a.onnx", b"ftrt" + bytes(9), "TensorRT engine"),
        ("a.pb", b"\n\1\1", "a graph of TensorFlow"),
        ("a.bin", b"\xff" * 9, "weights"),
        ("a.onnx.data", b"\xff" * 9, "name the .onnx file"),
        ("a.onnx", b"", "an empty file"),
        ("a.onnx", bytes(4096), "a file of zeros"),
        ("a.onnx", b"plain words", "or one without nodes$"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_named_for_what_it_is(name: str, raw: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=words) as caught:
        load_onnx(tmp_path / name)
    assert "not an ONNX model" in str(caught.value)


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("saved_model.pb", "a SavedModel of TensorFlow"),
        ("config.json", "a model of Hugging Face .*optimum-cli"),
        ("", "a folder without an ONNX file"),
        ("onnx/model.onnx", "name the file in it: .*onnx/model.onnx"),
    ],
)
def test_a_folder_is_named_for_what_is_in_it(inside: str, words: str, tmp_path: Path) -> None:
    if inside:
        (tmp_path / inside).parent.mkdir(exist_ok=True)
        (tmp_path / inside).write_bytes(b"x")
    with pytest.raises(InputError, match=words):
        load_onnx(tmp_path)


@pytest.mark.parametrize(
    ("given", "words"), [("ir", "a folder without"), ("ir/a.xml", "in XML, as OpenVINO"), ("ir/a.txt", "no model '")]
)
def test_what_is_named_as_the_model_to_run_is_told_as_well(given: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "ir").mkdir()
    (tmp_path / "ir" / "a.xml").write_text('<?xml version="1.0"?><net name="a"/>')
    (tmp_path / "ir" / "a.txt").write_text("words")
    with pytest.raises(InputError, match=words):
        load_segmenter(str(tmp_path / given))


@pytest.mark.parametrize("name", ["", "a" * 5000, "\0"])
def test_a_name_that_can_be_no_path_is_no_model(name: str) -> None:
    with pytest.raises(InputError, match="^no model '"):
        load_segmenter(name)


def test_half_of_a_model_is_said_to_be_cut_short(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx")
    source.write_bytes(source.read_bytes()[:700])
    with pytest.raises(InputError, match="cut short"):
        load_onnx(source)

"""What a file or folder is that was given for an ONNX model and is none."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

_READ_BYTES = 512
_CONVERT = "convert it to ONNX, then streamseg import FILE.onnx"
_AGAIN = "download the file itself"
_TORCH = "weights of PyTorch"
_EXPORT = "export it with torch.onnx.export where it was made"

_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer, not the model", "git lfs pull fetches it"),
    (b"<?xml", "a description in XML, as OpenVINO writes one beside its weights", "name the ONNX file it was made of"),
    (b"<net", "a description in XML, as OpenVINO writes one beside its weights", "name the ONNX file it was made of"),
    (b"\x89HDF\r\n", "an HDF5 file, as Keras writes it", 'model.export("model.onnx", format="onnx")'),
    (b"ftrt", "a TensorRT engine", "name the ONNX file it was built from"),
    (b"\x80\x02", "pickled, as PyTorch wrote it", _EXPORT),
    (b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
)
"""What a file begins with, what that is, and what to do about it."""
_HOLDS: tuple[tuple[str, str, str], ...] = (
    ("saved_model.pb", "a SavedModel of TensorFlow", "python -m tf2onnx.convert --saved-model FOLDER --output FILE"),
    ("keras_metadata.pb", "a model of Keras", 'model.export("model.onnx", format="onnx")'),
    ("config.json", "a model of Hugging Face", "export it: optimum-cli export onnx --model FOLDER OUT"),
    ("Manifest.json", "a package of Core ML", _CONVERT),
)
"""A file that tells what its folder is."""
_SUFFIXES = {
    ".pb": ("a graph of TensorFlow", "python -m tf2onnx.convert makes an ONNX file of it"),
    ".pdmodel": ("a graph of PaddlePaddle", "paddle2onnx makes an ONNX file of it"),
    ".mlmodel": ("a model of Core ML", _CONVERT),
    ".bin": ("weights, or a graph of another kind", _CONVERT),
    ".data": ("weights beside a model", "name the .onnx file"),
}
"""Of files whose beginning tells nothing."""


def what_it_is(path: Path) -> tuple[str, str]:
    """What lies at `path` in place of an ONNX model, in words, and what to do about it; empty where nothing tells."""
    try:
        return _folder(path) if path.is_dir() else _file(path) if path.is_file() else ("", "")
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return "", ""


def _folder(path: Path) -> tuple[str, str]:
    models = sorted(file.name for file in path.glob("*.onnx")) or sorted(
        f"onnx/{f.name}" for f in path.glob("onnx/*.onnx")
    )
    if models:
        return "a folder", f"name the file in it: {path / models[0]}"
    told = next(((what, hint) for name, what, hint in _HOLDS if (path / name).exists()), None)
    return (f"a folder with {told[0]}", told[1]) if told else ("a folder without an ONNX file", "name the file")


def _file(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        start = file.read(_READ_BYTES)
    if not start.strip(b"\0"):
        return ("a file of zeros", _AGAIN) if start else ("an empty file", _AGAIN)
    if told := next(((what, hint) for known, what, hint in _STARTS if start.lstrip().startswith(known)), None):
        return told
    if start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page", f"{_AGAIN}, not the page about it"
    if start[4:8] == b"TFL3":
        return (
            "a model of TensorFlow Lite",
            "python -m tf2onnx.convert --tflite FILE --output OUT makes an ONNX file of it",
        )
    if start[8:9] == b"{" and not any(start[4:8]):
        return "a file of safetensors: weights without a graph", _EXPORT
    if zipfile.is_zipfile(path):
        return _zip(path)
    if tarfile.is_tarfile(path):
        return "a tar archive", "unpack it first"
    return _SUFFIXES.get(path.suffix.lower(), ("", ""))


def _zip(path: Path) -> tuple[str, str]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH, _EXPORT
    if "config.json" in names and "metadata.json" in names:
        return "a model of Keras", 'model.export("model.onnx", format="onnx")'
    inside = next((name for name in names if name.endswith(".onnx")), "")
    return "a zip archive", f"unpack it first{f': {inside} is in it' if inside else ''}"

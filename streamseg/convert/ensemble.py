"""For Triton, a network that takes its pictures as files: what decodes them, and the two in a row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import OnnxFile
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.model.tensors import TensorInfo

_DECODER = Path(__file__).with_name("triton_decoder.py")
_FILE, _PIXELS = "file", "pixels"
_AT_ONCE = 2  # decoders


def jpeg_models(
    file: Path, found: OnnxFile, spec: ModelSpec, most: int, tensor: Callable[[str, TensorInfo, bool], str]
) -> dict[str, Callable[[Path], None]]:
    """By name what fills the folder of each; `tensor` writes an input or output as `config.pbtxt` has it.

    Raises:
        InputError: the network takes no pictures as a file holds them.
    """
    if len(found.inputs) != 1 or not found.inputs[0].is_picture:
        given = ", ".join(f"{info.dtype} of {info.shape}" for info in found.inputs)
        raise InputError(f"{file}: takes {given}, and --jpeg is for networks that take u8 of (N, H, W, 3)")
    decoder, whole = f"{spec.name}-decode", f"{spec.name}-jpeg"
    (taken,) = found.inputs
    pixels = TensorInfo(_PIXELS, taken.shape, taken.dtype)
    batched = most > 1
    decoding = [
        f"name: {pbtxt_text(decoder)}", 'backend: "python"', f"max_batch_size: {most if batched else 0}",
        _files("input", _FILE), tensor("output", pixels, batched),
        f"instance_group [ {{ count: {_AT_ONCE}, kind: KIND_CPU }} ]",
    ]  # fmt: skip
    steps = [
        _step(decoder, {_FILE: taken.name}, {_PIXELS: _PIXELS}),
        _step(spec.name, {taken.name: _PIXELS}, {info.name: info.name for info in found.outputs}),
    ]
    row = [
        f"name: {pbtxt_text(whole)}", 'platform: "ensemble"', f"max_batch_size: {most if batched else 0}",
        _files("input", taken.name), *(tensor("output", info, batched) for info in found.outputs),
        f"ensemble_scheduling {{ step [ {', '.join(steps)} ] }}",
    ]  # fmt: skip
    return {
        decoder: lambda part: _fill(part, decoding, _DECODER),
        whole: lambda part: _fill(part, row, None),
    }


def _fill(part: Path, config: Sequence[str], code: Path | None) -> None:
    version = part / "1"
    version.mkdir()  # also where there is nothing in it
    if code is not None:
        shutil.copyfile(code, version / "model.py")
    (part / "config.pbtxt").write_text("".join(f"{line}\n" for line in config), encoding="utf-8")


def _files(kind: str, name: str) -> str:
    return f"{kind} [ {{ name: {pbtxt_text(name)}, data_type: TYPE_STRING, dims: [ 1 ] }} ]"


def _step(model: str, given: dict[str, str], taken: dict[str, str]) -> str:
    maps = [
        f"{kind} {{ key: {pbtxt_text(key)}, value: {pbtxt_text(value)} }}"
        for kind, pairs in (("input_map", given), ("output_map", taken))
        for key, value in pairs.items()
    ]
    return f"{{ model_name: {pbtxt_text(model)}, model_version: -1, {', '.join(maps)} }}"


def pbtxt_text(words: str) -> str:
    """A string as `config.pbtxt` has it."""
    return json.dumps(words, ensure_ascii=False)

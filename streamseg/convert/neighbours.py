"""What exporters write of a model: Ultralytics into the file, Hugging Face into files beside it."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.convert.hints import PRESETS, Hints, filled
from streamseg.errors import InputError

_log = logging.getLogger(__name__)

_MAX_BYTES = 1 << 22
_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class Told:
    """What was read, and where."""

    hints: Hints = Hints()
    where: tuple[str, ...] = ()
    """For people: the files, or what wrote the metadata."""
    kind: str = ""
    """What the exporter calls it: Ultralytics' task (`segment`), or Hugging Face's model type (`maskformer`)."""


def read_neighbours(source: Path, metadata: Mapping[str, str]) -> Told:
    """What the metadata of the model `source` and the files in its folder tell.

    Raises:
        InputError: a file that should tell it is broken.
    """
    if "names" in metadata and "task" in metadata:
        return _ultralytics(source, metadata)
    return _hugging_face(source)


def _ultralytics(source: Path, metadata: Mapping[str, str]) -> Told:
    try:
        names = ast.literal_eval(metadata["names"])
        names = tuple(str(names[i]) for i in range(len(names)))
        size = ast.literal_eval(metadata.get("imgsz", "None"))
        stride = int(metadata.get("stride", "32"))
        height, width = (size, size) if isinstance(size, int) else map(int, size or (0, 0))
    except (ValueError, SyntaxError, LookupError, TypeError, RecursionError, MemoryError):
        raise InputError(f"{source}: its Ultralytics metadata cannot be read", "export it again") from None
    hints = Hints(
        classes=names, height=height or None, width=width or None, stride=stride, licence=metadata.get("license", "")
    )
    writer = f"Ultralytics {metadata.get('version', '')}".strip()
    return Told(filled(hints, PRESETS["ultralytics"]), (f"metadata of {writer}",), metadata["task"])


def _hugging_face(source: Path) -> Told:
    """`config.json` lies beside the model, or above it where that is in a folder `onnx`."""
    folders = [source.parent, source.parent.parent] if source.parent.name == "onnx" else [source.parent]
    config, processor = (_first(folders, name) for name in (_CONFIG, _PREPROCESSOR))
    where, hints, kind = [], Hints(), ""
    if config and isinstance(config.get("id2label"), dict) and "model_type" in config:
        where.append(_CONFIG)
        hints, kind = Hints(classes=_labels(source, config["id2label"])), str(config["model_type"])
    if processor and any(key.startswith(("do_", "image_")) for key in processor):
        where.append(_PREPROCESSOR)
        hints = filled(hints, _processing(source, processor))
    return Told(hints, tuple(where), kind)


def _labels(source: Path, names: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(str(names[str(i)]) for i in range(len(names)))
    except KeyError as error:
        raise InputError(f"{source}: {_CONFIG} beside it has no label {error} in id2label") from None


def _processing(source: Path, values: Mapping[str, Any]) -> Hints:
    try:
        factor = float(values.get("rescale_factor", 1 / 255)) if values.get("do_rescale", True) else 1.0
        normalised = values.get("do_normalize", "image_mean" in values)
        mean, std = _numbers(values.get("image_mean", 0)), _numbers(values.get("image_std", 1))
        if not normalised:
            mean, std = (0.0,), (1.0,)
        crop = values.get("crop_size") if values.get("do_center_crop") else None
        height, width = _sides(crop or (values.get("size") if values.get("do_resize", True) else None))
        as_is = factor == 1.0 and not normalised
        return Hints(
            normalise="none" if as_is else None,
            mean=None if as_is else tuple(round(value / factor, 6) for value in mean),
            std=None if as_is else tuple(round(value / factor, 6) for value in std),
            colour="bgr" if values.get("do_flip_channel_order") else None,
            fit="crop" if crop else None,
            height=height,
            width=width,
        )
    except (TypeError, ValueError, ZeroDivisionError):
        raise InputError(f"{source}: {_PREPROCESSOR} beside it cannot be understood", "--preset hf, or flags") from None


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(each) for each in value) if isinstance(value, list) else (float(value),)


def _sides(size: Any) -> tuple[int | None, int | None]:
    """Height and width; a shortest edge alone fixes neither."""
    both = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    if not all(side is None or isinstance(side, int) for side in both):
        raise TypeError
    return both


def _first(folders: list[Path], name: str) -> dict[str, Any] | None:
    """The JSON object in the first of these folders that has a file `name`."""
    for folder in folders:
        file = folder / name
        try:
            if not file.is_file() or file.stat().st_size > _MAX_BYTES:
                continue
            value = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # it need not be this model's
            _log.warning("%s: not read: %s", file, str(error).splitlines()[0])
            return None
        return value if isinstance(value, dict) else None
    return None

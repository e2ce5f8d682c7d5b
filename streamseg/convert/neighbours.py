"""What exporters write of a model: Ultralytics into the file, Hugging Face into files beside it."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from streamseg.convert.class_names import expanded
from streamseg.convert.hints import PRESETS, Hints, filled
from streamseg.errors import InputError, printable
from streamseg.infer.families.yolo import RT_DETR

_log = logging.getLogger(__name__)

_MAX_BYTES = 1 << 22
_LONGEST = 100  # characters of a name
_RT_DETR_HEAD = "RTDETRDecoder"
_CONFIG, _PREPROCESSOR = "config.json", "preprocessor_config.json"

_RESAMPLED = {"0": "to the nearest pixel", "1": "by Lanczos", "3": "by bicubic interpolation"}
"""PIL's filters, as Hugging Face numbers them, that pictures are not resized by here."""

_PROCESSORS: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "MobileViT": {"do_normalize": False, "do_flip_channel_order": True, "do_center_crop": True},
        "MobileNetV1": {"do_center_crop": True},
        "MobileNetV2": {"do_center_crop": True},
        "RTDetr": {"do_normalize": False},
    }
)
"""What image processors of transformers 5.24 do where their file does not say; others normalise, and flip nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was read, and where."""

    hints: Hints = Hints()
    where: tuple[str, ...] = ()
    """For people: the files, or what wrote the metadata."""
    kind: str = ""
    """What the exporter calls it: Ultralytics' task (`segment`), or Hugging Face's model type (`maskformer`)."""
    channels: int | None = None
    """Of its pictures."""
    named_by: str = ""
    """For people: the one of `where` that the names of the classes are from."""


def read_neighbours(source: Path, metadata: Mapping[str, str], given: Hints) -> Told:
    """What the metadata of the model `source` and the files in its folder tell.

    Raises:
        InputError: what should tell it is broken, and what is `given` does not say it in its place.
    """
    if "names" in metadata and "task" in metadata:
        return _ultralytics(source, metadata, given)
    return _hugging_face(source, given)


def _unless(said: bool, error: InputError) -> None:
    """What a person has said counts first: what is broken is then left aside."""
    if not said:
        raise error from None
    _log.warning("%s: left aside", error.message)


def _ultralytics(source: Path, metadata: Mapping[str, str], given: Hints) -> Told:
    try:
        names = ast.literal_eval(metadata["names"])
        names = _names([names[i] for i in range(len(names))])
        size = ast.literal_eval(metadata.get("imgsz", "None"))
        stride = int(metadata.get("stride", "32"))
        height, width = (size, size) if isinstance(size, int) else map(int, size or (0, 0))
    except (ValueError, SyntaxError, LookupError, TypeError, RecursionError, MemoryError):
        _unless(
            given.classes is not None,
            InputError(f"{source}: its Ultralytics metadata cannot be read", "export it again, or --classes NAMES"),
        )
        return Told(PRESETS["ultralytics"], kind=printable(metadata["task"]))
    kind = RT_DETR if metadata.get("head") == _RT_DETR_HEAD else metadata["task"]
    hints = Hints(
        classes=names,
        height=height or None,
        width=width or None,
        stride=stride,
        fit="stretch" if kind == RT_DETR else None,
        licence=metadata.get("license", ""),
    )
    writer = f"metadata of Ultralytics {_name(metadata.get('version', ''))}".strip()
    return Told(filled(hints, PRESETS["ultralytics"]), (writer,), kind, named_by=writer)


def _hugging_face(source: Path, given: Hints) -> Told:
    """`config.json` lies beside the model, or above it where that is in a folder `onnx`."""
    folders = [source.parent, source.parent.parent] if source.parent.name == "onnx" else [source.parent]
    config, processor = (_first(folders, name) for name in (_CONFIG, _PREPROCESSOR))
    where, hints, kind, channels = [], Hints(), "", None
    if config and isinstance(config.get("id2label"), dict) and "model_type" in config:
        where.append(_CONFIG)
        hints, kind = Hints(classes=_labels(source, config["id2label"], given)), _name(config["model_type"])
        channels = config.get("num_channels")
    if processor and any(key.startswith(("do_", "image_")) for key in processor):
        processor = {**_PROCESSORS.get(_processor_of(processor), {}), **processor}
        processing = _processing(source, processor, given)
        if processing is not None:
            where.append(_PREPROCESSOR)
            hints = filled(hints, processing)
        if (
            processing
            and (other := _RESAMPLED.get(str(processor.get("resample"))))
            and processor.get("do_resize", True)
        ):
            where[-1] += f" (which resizes {other}, streamseg by linear interpolation)"
    return Told(hints, tuple(where), kind, channels if isinstance(channels, int) else None, named_by=_CONFIG)


def _labels(source: Path, names: Mapping[str, Any], given: Hints) -> tuple[str, ...] | None:
    try:
        return _names([names[str(i)] for i in range(len(names))])
    except KeyError as error:
        broken = InputError(f"{source}: {_CONFIG} beside it has no label {error} in id2label", "--classes NAMES")
        _unless(given.classes is not None, broken)
        return None


def _names(values: Sequence[object]) -> tuple[str, ...]:
    """A name alone that a person would give for something else (`3`: so many classes) is made one that is a name."""
    names = tuple(_name(value) if value not in (None, "") else f"class {i}" for i, value in enumerate(values))
    try:
        plain = len(names) != 1 or expanded(names) == names
    except InputError:
        plain = False
    return names if plain else (f"class {names[0]}",)


def _name(value: object) -> str:
    """A word of a file from elsewhere, fit to be shown."""
    return printable(str(value))[:_LONGEST]


def _processor_of(values: Mapping[str, Any]) -> str:
    """`MobileViT` of `MobileViTImageProcessorFast`, or of `MobileViTFeatureExtractor`, as it was called before."""
    written = values.get("image_processor_type") or values.get("feature_extractor_type") or ""
    return str(written).partition("ImageProcessor")[0].partition("FeatureExtractor")[0]


def _processing(source: Path, values: Mapping[str, Any], given: Hints) -> Hints | None:
    try:
        factor = float(values.get("rescale_factor", 1 / 255)) if values.get("do_rescale", True) else 1.0
        normalised = values.get("do_normalize", "image_mean" in values)
        mean, std = _numbers(values.get("image_mean", 0)), _numbers(values.get("image_std", 1))
        if not normalised:
            mean, std = (0.0,), (1.0,)
        if {len(mean), len(std)} - {1, 3} or not all(map(isfinite, mean)) or not all(0 < value < inf for value in std):
            raise ValueError
        crop = values.get("crop_size") if values.get("do_center_crop") else None
        height, width = _sides(crop or (values.get("size") if values.get("do_resize", True) else None))
        as_is = factor == 1.0 and not normalised
        untold = factor == 1.0 and normalised and max(*mean, *std) <= 1  # what brings pictures to 0..1 before
        return Hints(
            normalise="none" if as_is else None,
            mean=None if as_is or untold else tuple(round(value / factor, 6) for value in mean),
            std=None if as_is or untold else tuple(round(value / factor, 6) for value in std),
            colour="bgr" if values.get("do_flip_channel_order") else None,
            fit="crop" if crop else None,
            height=height,
            width=width,
        )
    except (TypeError, ValueError, ZeroDivisionError):
        hint = "--preset hf; or --normalise, or --mean and --std"
        broken = InputError(f"{source}: {_PREPROCESSOR} beside it cannot be understood", hint)
        _unless(any((given.preset, given.normalise, given.mean, given.std)), broken)
        return None


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(each) for each in value) if isinstance(value, list) else (float(value),)


def _sides(size: Any) -> tuple[int | None, int | None]:
    """Height and width; a shortest edge alone fixes neither."""
    both = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    if not all(side is None or (isinstance(side, int) and side > 0) for side in both):
        raise TypeError
    return both


def _first(folders: list[Path], name: str) -> dict[str, Any] | None:
    """The JSON object in the first of these folders that has a file `name`."""
    for folder in folders:
        file = folder / name
        try:
            if not file.is_file() or file.stat().st_size > _MAX_BYTES:
                continue
            value = json.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:  # it need not be this model's
            _log.warning("%s: not read: %s", file, str(error).splitlines()[0])
            return None
        return value if isinstance(value, dict) else None
    return None

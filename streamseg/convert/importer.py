"""Any semantic segmentation ONNX made into one that streamseg feeds with bytes and reads labels from."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.signature import Hints as Hints
from streamseg.convert.signature import guess_input, guess_output
from streamseg.convert.surgery import CONFIDENCE, LABELS, PICTURE, OutputPlan, graft
from streamseg.convert.verify import agreement
from streamseg.errors import InputError
from streamseg.files import refuse_existing, whole
from streamseg.infer.backends import open_backend
from streamseg.infer.model.catalogue import new_model
from streamseg.infer.model.onnxfile import inspect_onnx, load_onnx
from streamseg.infer.model.spec import METADATA_KEY, InputSpec, ModelSpec, spec_text
from streamseg.segmentation import distinct

if TYPE_CHECKING:
    import onnx

_log = logging.getLogger(__name__)

_USUAL_STRIDE = 32  # halved five times: what nearly every encoder does


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made."""

    spec: ModelSpec
    file: Path
    agreement: float
    """Share of pixels, 0..1, with the label of a plain NumPy reference; below 1 only by ties within rounding."""


def import_model(
    source: Path, target: Path | None = None, hints: Hints | None = None, *, overwrite: bool = False
) -> Imported:
    """Writes `source` with normalisation, layout, channel order and ArgMax in the graph, its spec inside, to `target`.

    `target` None: under its name into the user's model folder. Sides that are fixed stay fixed, free ones free. The
    result is compared with a NumPy reference before it is put in place.

    Raises:
        InputError: no such model, something must be known that cannot be guessed (the hint names the option), or the
            result does not give the reference's labels.
        OutputError: `target` exists and is not to be overwritten, or cannot be written.
    """
    hints = hints or Hints()
    name = hints.name or source.stem
    target = target or new_model(name)
    if METADATA_KEY in inspect_onnx(source).metadata:
        raise InputError(f"{source}: was imported already", f"streamseg run SOURCE --model {shlex.quote(str(source))}")
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: would overwrite the model itself", "name another file")
    refuse_existing(target, overwrite=overwrite)
    original = open_backend(source, 1, "ort-cpu")
    try:
        taken = guess_input(source, original, hints)
        model = _whole(source)
        plan = guess_output(source, model, original, taken, hints)
        spec = _spec(name, source, taken, plan, hints)
        model = graft(model, taken, plan)
        model.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))
        share = _put(model, target, lambda file: agreement(original, file, taken, plan), overwrite)
    finally:
        original.close()
    _log.info("%s: %.4f %% of the pixels as the NumPy reference has them", target, share * 100)
    return Imported(spec, target, share)


def _whole(source: Path) -> onnx.ModelProto:
    """The checked model with all its weights in it."""
    import onnx

    model = load_onnx(source)
    try:
        onnx.load_external_data_for_model(model, str(source.parent))
    except Exception as error:  # of several unrelated classes
        raise InputError(f"{source}: its external data cannot be read: {str(error).splitlines()[0]}") from None
    return model


def _put(model: onnx.ModelProto, target: Path, check: Callable[[Path], float], overwrite: bool) -> float:
    """Writes the model beside `target`, checks it there, and only then gives it its name."""
    try:
        raw = model.SerializeToString()
    except ValueError:
        raise InputError(f"{target}: with its weights inside the model is over 2 GiB") from None
    with whole(target, overwrite=overwrite) as part:
        part.write_bytes(raw)
        return check(part)


def _spec(name: str, source: Path, taken: InputSpec, plan: OutputPlan, hints: Hints) -> ModelSpec:
    outputs: dict[str, str] = {"labels": LABELS}
    if plan.role == "probability":
        outputs["confidence"] = CONFIDENCE
    free = taken.height is None or taken.width is None
    names = _class_names(source, plan, hints)
    try:
        return ModelSpec(
            name=name,
            classes=names,
            outputs=outputs,
            input=InputSpec(
                name=PICTURE,
                layout="NHWC",
                height=taken.height,
                width=taken.width,
                dtype="uint8",
                colour="grey" if taken.colour == "grey" else "bgr",
                fit=hints.fit,
                stride=hints.stride or (_USUAL_STRIDE if free else 1),
            ),
            colours=hints.colours,
            background=0 if plan.role == "probability" and hints.background is None else hints.background,
            ignore_index=hints.ignore_index,
            licence=hints.licence,
            source=hints.source,
            score=hints.score,
            summary=hints.summary,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


def _class_names(source: Path, plan: OutputPlan, hints: Hints) -> tuple[str, ...]:
    shape = plan.info.shape or ()
    n = 2 if plan.role == "probability" else shape[plan.channel_axis or 0] if plan.role == "logits" else None
    if hints.classes is None:
        if n is None:
            raise InputError(f"{source}: labels do not tell how many classes there are", "name them with --classes")
        return ("background", "object") if plan.role == "probability" else tuple(f"class {i}" for i in range(n))
    if n not in (None, len(hints.classes)):
        raise InputError(f"{source}: expected {n} class names for {n} channels, found {len(hints.classes)}")
    return distinct(hints.classes)

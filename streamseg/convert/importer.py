"""Any semantic segmentation ONNX made into one that streamseg feeds with bytes and reads labels from."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.class_names import class_names, expanded
from streamseg.convert.graph import in_halves
from streamseg.convert.hints import Hints as Hints
from streamseg.convert.hints import filled, preset
from streamseg.convert.inputs import check_fixed, guess_input, probe
from streamseg.convert.neighbours import Told, read_neighbours
from streamseg.convert.outputs import Found, guess_output
from streamseg.convert.questions import Questions
from streamseg.convert.surgery import CONFIDENCE, LABELS, PICTURE, graft, own_names
from streamseg.convert.verify import Agreement, agreement
from streamseg.convert.words import assumed
from streamseg.errors import InputError
from streamseg.files import refuse_existing, whole
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.catalogue import new_model
from streamseg.infer.model.onnxfile import OnnxFile, inspect_onnx, load_onnx
from streamseg.infer.model.spec import METADATA_KEY, PAD, InputSpec, ModelSpec, spec_text

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
    assumed: str
    """For people: how the model was read: output, what its planes are, input, fit, normalisation, classes."""


def import_model(
    source: Path, target: Path | None = None, hints: Hints | None = None, *, overwrite: bool = False
) -> Imported:
    """Writes `source` with normalisation, layout, channel order and ArgMax in the graph, its spec inside, to `target`.

    `target` None: under its name into the user's model folder. Sides that are fixed stay fixed, free ones free. What
    `hints` leave open is taken from their preset, then from what the exporter wrote into the file or beside it. The
    result is compared with a NumPy reference before it is put in place.

    Raises:
        InputError: no such model, it is no semantic segmentation, something must be known that cannot be guessed (the
            hint names the options), or the result does not give the reference's labels.
        OutputError: `target` exists and is not to be overwritten, or cannot be written.
    """
    given = hints or Hints()
    name = given.name or source.stem
    target = target or new_model(name)
    found = inspect_onnx(source)
    if METADATA_KEY in found.metadata:
        raise InputError(f"{source}: was imported already", f"streamseg run SOURCE --model {shlex.quote(str(source))}")
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: would overwrite the model itself", "name another file")
    refuse_existing(target, overwrite=overwrite)
    told = read_neighbours(source, found.metadata)
    hints = filled(filled(given, preset(given.preset)), told.hints)
    original = open_backend(source, 1, "ort-cpu")
    try:
        _check_flags(source, found, original, given)
        return _import(source, target, name, original, hints, told, overwrite)
    finally:
        original.close()


def _check_flags(source: Path, found: OnnxFile, original: Backend, given: Hints) -> None:
    """What a person says of this graph must be true of it."""
    names = [info.name for info in original.outputs]
    if not names:
        raise InputError(f"{source}: nothing comes out of it", "export it again, with an output")
    if given.output not in (None, *names):
        raise InputError(f"{source}: expected output '{given.output}', found {', '.join(names)}", "--output NAME")
    check_fixed(source, original, given)


def _import(
    source: Path, target: Path, name: str, original: Backend, hints: Hints, told: Told, overwrite: bool
) -> Imported:
    questions = Questions(source)
    taken = guess_input(source, original, hints, questions)
    model = _whole(source)
    found = None
    if taken is not None:
        seen = probe(original, taken)
        found = guess_output(source, model, original, taken, seen, hints, questions, told.kind)
    names = _class_names(source, found, hints, told, questions) if found else ()
    questions.ask()
    assert taken is not None and found is not None
    if taken_names := own_names(model):
        raise InputError(
            f"{source}: has tensors with names of streamseg's own, such as '{taken_names[0]}'", "rename it"
        )
    spec = _spec(name, source, taken, found, names, hints)
    grafted = graft(model, taken, found.plan)
    grafted.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))

    def check(file: Path) -> float:
        compared = agreement(original, file, taken, found.plan, seen, halves=in_halves(model))
        _check_names(source, compared, names)
        return compared.share

    share = _put(grafted, target, check, overwrite)
    _log.info("%s: %.4f %% of the pixels as the NumPy reference has them", target, share * 100)
    return Imported(spec, target, share, assumed(taken, spec, found, seen, hints, told))


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


def _spec(name: str, source: Path, taken: InputSpec, found: Found, names: tuple[str, ...], hints: Hints) -> ModelSpec:
    outputs: dict[str, str] = {"labels": LABELS}
    one_plane = found.plan.role == "probability"
    if one_plane:
        outputs["confidence"] = CONFIDENCE
    free = taken.height is None or taken.width is None
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
                fit=hints.fit or "stretch",
                pad=PAD if hints.pad is None else hints.pad,
                stride=hints.stride or (_USUAL_STRIDE if free else 1),
            ),
            colours=hints.colours,
            background=0 if one_plane and hints.background is None else hints.background,
            ignore_index=hints.ignore_index,
            licence=hints.licence,
            source=hints.source,
            score=hints.score,
            summary=hints.summary,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


def _class_names(source: Path, found: Found, hints: Hints, told: Told, questions: Questions) -> tuple[str, ...]:
    n = found.classes
    if n is None:
        if hints.classes is not None:
            return expanded(hints.classes)
        questions.add("labels do not tell how many classes there are", "name them with --classes")
        return ()
    try:
        return class_names(hints.classes, n, one_plane=found.one_plane)
    except InputError as error:
        if hints.classes is None or hints.classes != told.hints.classes:
            raise InputError(f"{source}: {error.message}", error.hint) from None
    questions.add(
        f"{' and '.join(told.where)} names {len(hints.classes)} classes, the graph has {n}", "--classes NAMES"
    )
    return ()


def _check_names(source: Path, compared: Agreement, names: tuple[str, ...]) -> None:
    if compared.highest >= len(names):
        raise InputError(
            f"{source}: gives class {compared.highest}, but there are names for 0 to {len(names) - 1} alone",
            f"--classes with {compared.highest + 1} names or more",
        )

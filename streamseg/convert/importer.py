"""Any semantic segmentation ONNX made into one that streamseg feeds with bytes and reads labels from."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.asked import refuse_asked
from streamseg.convert.class_names import class_names, expanded
from streamseg.convert.families import find_family, plan_objects
from streamseg.convert.graph import in_bfloats, in_doubles, in_halves, whole_model
from streamseg.convert.hints import Hints as Hints
from streamseg.convert.hints import filled, preset
from streamseg.convert.inputs import Probe, check_fixed, free_axes, guess_input, probe
from streamseg.convert.job import Job, Made, model_spec
from streamseg.convert.mend import runnable, too_large
from streamseg.convert.neighbours import Told, read_neighbours
from streamseg.convert.outputs import Found, guess_output
from streamseg.convert.queries import with_class_planes
from streamseg.convert.questions import Questions
from streamseg.convert.remembering import find_memory, matting_hints, write_sizes
from streamseg.convert.scaling import scale_inside
from streamseg.convert.surgery import CONFIDENCE, LABELS, graft, own_names
from streamseg.convert.verify import Agreement, agreement, looks_like_its_picture
from streamseg.convert.words import assumed
from streamseg.errors import InputError, StreamsegError
from streamseg.files import as_argument, refuse_existing, same_file, whole
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.catalogue import new_model
from streamseg.infer.model.onnxfile import MAX_FILE_BYTES, OnnxFile, inspect_onnx, load_onnx
from streamseg.infer.model.spec import METADATA_KEY, InputSpec, ModelSpec, spec_text
from streamseg.infer.targets import check_beside, check_target
from streamseg.segmentation import distinct

if TYPE_CHECKING:
    import onnx

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made."""

    spec: ModelSpec
    file: Path
    agreement: float
    """Share of pixels, 0..1, with the label of a plain NumPy reference; below 1 only by ties within rounding."""
    assumed: str
    """For people: how the model was read: output, what its planes are, input, fit, normalisation, classes."""


_MOST_VOID = 0.5
"""Of the pixels of random pictures: what gives more of them no class has other numbers for its classes."""


def import_model(
    source: Path, target: Path | None = None, hints: Hints | None = None, *, overwrite: bool = False
) -> Imported:
    """Writes `source` with normalisation, layout, channel order and ArgMax in the graph, its spec inside, to `target`.

    `target` None: under its name into the user's model folder. Sides that are fixed stay fixed, free ones free. What
    `hints` leave open is taken from their preset, then from what the exporter wrote into the file or beside it. The
    result is compared with a NumPy reference before it is put in place.

    Raises:
        InputError: no such model, it is no semantic segmentation, something must be known that cannot be guessed (the
            hint names the options), the result does not give the reference's labels, or could not be run from `target`.
        OutputError: `target` exists and is not to be overwritten, or cannot be written.
    """
    given = hints or Hints()
    name = given.name or source.stem
    target = target or new_model(name)
    check_target(target)
    found = inspect_onnx(source)
    if METADATA_KEY in found.metadata:
        raise InputError(f"{source}: was imported already", f"streamseg run SOURCE --model {as_argument(source)}")
    if same_file(target, source):
        raise InputError(f"{target}: would overwrite the model itself", "name another file")
    refuse_existing(target, overwrite=overwrite)
    refuse_asked(found)
    told = read_neighbours(source, found.metadata, given)
    with runnable(source) as file, contextlib.closing(_opened(source, file)) as backend:
        memory = find_memory(source, backend, given)
        original = memory.around(backend)
        told = matting_hints(original, memory, told)
        _check_flags(source, found, original, given)
        model = memory.bound(whole_model(file))
        hints, told = _known(source, model, original, given, told)
        return _import(Job(source, name, original, model, hints, told, memory.states), target, overwrite)


def _opened(source: Path, file: Path) -> Backend:
    """The backend that all others are compared with."""
    try:
        return open_backend(file, 1, "ort-cpu")
    except StreamsegError:
        if in_doubles(load_onnx(file)):
            raise InputError(f"{source}: computes in numbers of 64 bits", "export it in float32") from None
        if in_bfloats(load_onnx(file)):
            raise InputError(f"{source}: computes in bfloat16", "export it in float32 or float16") from None
        raise


def _known(source: Path, model: onnx.ModelProto, original: Backend, given: Hints, told: Told) -> tuple[Hints, Told]:
    """All that is known without asking: a person's word counts most, what the graph itself shows comes next."""
    shown = axes = Hints()
    if len(original.inputs) == 1:
        shown = scale_inside(model, original.inputs[0].name)
        axes = free_axes(source, model, original.inputs[0], told)
    seen = filled(given, shown)
    if (seen.normalise, seen.mean, seen.std) != (given.normalise, given.mean, given.std):
        told = replace(told, where=(*told.where, "what the graph does first"))
    return filled(filled(filled(seen, preset(given.preset)), told.hints), axes), told


def _check_flags(source: Path, found: OnnxFile, original: Backend, given: Hints) -> None:
    """What a person says of this graph must be true of it."""
    if given.threshold is not None and not 0 <= given.threshold <= 1:
        raise InputError(f"--threshold {given.threshold:g}: expected 0 to 1")
    names = [info.name for info in original.outputs]
    if not names:
        raise InputError(f"{source}: nothing comes out of it", "export it again, with an output")
    if given.output not in (None, *names):
        raise InputError(f"{source}: expected output '{given.output}', found {', '.join(names)}", "--output NAME")
    check_fixed(source, original, given)


def _import(job: Job, target: Path, overwrite: bool) -> Imported:
    questions = Questions(job.source)
    taken = guess_input(job.source, job.original, job.hints, questions)
    seen = None if taken is None else probe(job.original, taken)
    family = seen and find_family(job.source, seen, job.told.kind, job.hints.family)
    if own := own_names(job.model):
        raise InputError(f"{job.source}: has tensors with names of streamseg's own, such as '{own[0]}'", "rename it")
    if taken and seen and job.states:
        write_sizes(job, taken, seen)
    if seen and family:
        made = plan_objects(job, seen, family)
    else:
        if taken and seen and not job.states:
            job, seen = with_class_planes(job, taken, seen)
        made = _plan_labels(job, taken, seen, questions)
    made.model.metadata_props.add(key=METADATA_KEY, value=spec_text(made.spec))
    share = _put(made, target, overwrite)
    _log.info("%s: %.4f %% as the NumPy reference has it", target, share * 100)
    return Imported(made.spec, target, share, made.assumed)


def _plan_labels(job: Job, taken: InputSpec | None, seen: Probe | None, questions: Questions) -> Made:
    source, hints, told = job.source, job.hints, job.told
    found = guess_output(job, taken, seen, questions) if taken and seen else None
    names = _class_names(source, found, hints, told, questions) if found else ()
    questions.ask()
    assert taken is not None and found is not None and seen is not None
    outputs = {"labels": LABELS} | ({"confidence": CONFIDENCE} if found.plan.role == "probability" else {})
    if found.with_background:
        names = distinct(("background", *names))
    first = found.with_background or (found.plan.role == "probability" and hints.background is None)
    own = {"background": 0} if first else {}
    spec = model_spec(job, taken, names, outputs, **own)

    def check(file: Path) -> float:
        compared = agreement(
            job.original, file, taken, found.plan, seen, states=job.states, halves=in_halves(job.model)
        )
        _check_names(source, compared, names)
        _check_no_picture(job, taken, found, seen)
        return compared.share

    model = graft(job.model, taken, found.plan, job.states.values())
    return Made(model, spec, assumed(taken, spec, found, seen, hints, told), check)


def _put(made: Made, target: Path, overwrite: bool) -> float:
    """Writes the model beside `target`, checks it there, and only then gives it its name."""
    try:
        raw = made.model.SerializeToString()
        if len(raw) > MAX_FILE_BYTES:
            raise ValueError
    except ValueError:  # of protobuf's own, in some of its versions
        raise too_large(target) from None
    with whole(target, overwrite=overwrite) as part:
        part.write_bytes(raw)
        check_beside(part, target)
        return made.check(part)


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
    questions.add(f"{told.named_by} names {len(hints.classes)} classes, the graph has {n}", "--classes NAMES")
    return ()


def _check_no_picture(job: Job, taken: InputSpec, found: Found, seen: Probe) -> None:
    if job.hints.role is not None or found.plan.role != "logits" or found.classes != taken.channels:
        return
    if looks_like_its_picture(job.original, taken, found.plan, seen):
        raise InputError(
            f"{job.source}: output '{found.plan.info.name}' looks like a picture in colours: its planes follow the"
            " channels of the one that is fed",
            "--role logits where they are scores of classes",
        )


def _check_names(source: Path, compared: Agreement, names: tuple[str, ...]) -> None:
    if compared.highest >= len(names):
        raise InputError(
            f"{source}: gives class {compared.highest}, but there are names for 0 to {len(names) - 1} alone",
            f"--classes with {compared.highest + 1} names or more",
        )
    if compared.void > _MOST_VOID:
        raise InputError(
            f"{source}: gives 255 or less than 0, which stand for no class, on {compared.void:.0%} of the pixels",
            "export it with class ids from 0: 0 and 1 where there is one class and a background",
        )

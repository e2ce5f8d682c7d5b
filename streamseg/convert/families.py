"""The import of networks for objects: fed with bytes like all others, their outputs left as their family has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamseg.convert.chain import PICTURE
from streamseg.convert.graph import in_halves, score_classes
from streamseg.convert.hints import Hints, filled
from streamseg.convert.inputs import Probe, guess_input
from streamseg.convert.job import Job, Made, model_spec
from streamseg.convert.object_names import object_names
from streamseg.convert.questions import Questions
from streamseg.convert.soundness import Soundness
from streamseg.convert.surgery import graft_objects
from streamseg.convert.verify import as_fed, from_the_start, random_image
from streamseg.convert.words import assumed_objects
from streamseg.errors import InputError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.families import FAMILIES, Limits, Objects, Recognised, Seen, recognise
from streamseg.infer.families.queries import SIGMOID, Detr, Queries
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.model.tensors import Tensor

_BACKGROUND = "background"
_IMAGES = 3
_NEAR_PX, _NEAR_SCORE = 0.5, 1e-3
_NEAR_SCORE_HALVES = 1e-2
_LEAST_ALIKE = 0.9  # of the objects: of two that are about as good the graph itself may have suppressed the other one


def find_family(source: Path, seen: Probe, kind: str, wanted: str | None) -> Recognised | None:
    """The family that the network is of; None where it is of none and none is `wanted`.

    Raises:
        InputError: it is not of the one that is wanted.
    """
    if wanted is not None and wanted not in FAMILIES:
        raise InputError(f"no family '{wanted}'", f"one of {', '.join(FAMILIES)}")
    shapes = {name: np.shape(output) for name, output in seen.outputs.items()}
    whole = frozenset(name for name, output in seen.outputs.items() if output.dtype.kind in "iu")
    found = recognise(Seen(shapes, seen.size, kind, whole=whole), wanted)
    if found is None and wanted is not None:
        told = ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
        raise InputError(f"{source}: outputs {told} are not those of {FAMILIES[wanted].title}", "leave --family out")
    return found


def plan_objects(job: Job, seen: Probe, found: Recognised) -> Made:
    """The import of a network of the family that was `found`; what `seen` shows of it is as it gave it.

    Raises:
        InputError: something must be known that cannot be guessed, or does not fit.
    """
    family = FAMILIES[found.family]
    own = family.defaults
    given = Hints(normalise=own.normalise, fit=own.fit, pad=own.pad, threshold=own.least_score)
    job = replace(job, hints=filled(job.hints, given))
    questions = Questions(job.source)
    taken = guess_input(job.source, job.original, job.hints, questions)
    if found.classes is None and "scores" in found.roles:
        classes, apart = score_classes(job.source, found.roles["scores"])
        found = replace(found, classes=classes, zero_is_class=apart)
    if found.family == Queries.name and job.hints.family is None and job.told.kind not in SIGMOID:
        questions.add(
            "outputs of boxes and classes do not show how scores are read",
            f"--family {Queries.name} for a sigmoid each (RT-DETR, D-FINE), or {Detr.name} for a softmax (DETR, YOLOS)",
        )
    names = _names(job, found, questions)
    questions.ask()
    assert taken is not None
    model, outputs = graft_objects(job.model, taken, found.roles, job.states.values(), batched=found.batched)
    spec = model_spec(
        job,
        taken,
        names,
        outputs,
        task="instance",
        family=family.name,
        background=names.index(_BACKGROUND),
        least_score=job.hints.threshold,
        most=own.most,
        overlap=own.overlap,
    )

    def check(file: Path) -> float:
        return object_agreement(job.original, file, taken, found, spec, seen, halves=in_halves(job.model))

    return Made(model, spec, assumed_objects(taken, spec, family.title, found.roles, job.hints, job.told), check)


def _names(job: Job, found: Recognised, questions: Questions) -> tuple[str, ...]:
    given = job.hints.classes
    try:
        return object_names(found, job.hints, questions)
    except InputError as error:
        if given is None or given != job.told.hints.classes:
            raise InputError(f"{job.source}: {error.message}", error.hint) from None
        told = f"{job.told.named_by} names {len(given)} classes, the graph has {found.classes}"
        raise InputError(f"{job.source}: {told}", "--classes NAMES") from None


def object_agreement(
    original: Backend,
    file: Path,
    taken: InputSpec,
    recognised: Recognised,
    spec: ModelSpec,
    seen: Probe,
    *,
    halves: bool,
) -> float:
    """Share of the objects, 0..1, that the imported `file` finds as the network itself does, on random pictures.

    Raises:
        InputError: they are too few.
    """
    imported = from_the_start(original, file, spec.states)
    random, batch = np.random.default_rng(0), seen.batch or 1
    family, batched = FAMILIES[recognised.family], recognised.batched
    limits = Limits(0.0, spec.most, spec.overlap)
    same = total = 0
    sound = Soundness(family.title, seen.size)
    try:
        for _ in range(_IMAGES):
            images = np.stack([random_image(random, *seen.size, taken.channels) for _ in range(batch)])
            mine = imported.run({PICTURE: images})
            theirs = original.run({taken.name or "": as_fed(images, taken, batched=seen.batch is not None)})
            theirs = _first(theirs, recognised.roles, batched=batched)
            expected = family.decode(theirs, seen.size, limits)
            sound.add(expected, theirs)
            found = family.decode(_first(mine, spec.outputs, batched=True), seen.size, limits)
            same += _alike(found, expected, _NEAR_SCORE_HALVES if halves else _NEAR_SCORE)
            total += max(len(expected.scores), len(found.scores))
    finally:
        imported.close()
    sound.check()
    if total and same < _LEAST_ALIKE * total:
        raise InputError(f"the import finds other objects than the model itself: {same} of {total} are the same")
    return same / total if total else 1.0


def _first(outputs: Mapping[str, Tensor], roles: Mapping[str, str], *, batched: bool) -> dict[str, Tensor]:
    """What belongs to the first picture."""
    if batched:
        return {role: outputs[name][0] for role, name in roles.items()}
    return {role: outputs[name][:, 0] if role == "planes" else outputs[name] for role, name in roles.items()}


def _alike(found: Objects, expected: Objects, near: float) -> int:
    """How many of those that were expected were found, each once."""
    left = np.ones(len(found.scores), bool)
    count = 0
    for box, score, class_id in zip(expected.boxes, expected.scores, expected.class_ids, strict=True):
        fits = left & (found.class_ids == class_id) & (np.abs(found.scores - score) <= near)
        fits &= (np.abs(found.boxes - box) <= _NEAR_PX).all(1)
        if fits.any():
            left[int(fits.argmax())] = False
            count += 1
    return count

"""What an import assumed of a model, in one line: a misreading is seen there, or in a picture, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from streamseg.convert.hints import Hints, named_normalisation
from streamseg.convert.inputs import Probe
from streamseg.convert.neighbours import Told
from streamseg.convert.outputs import Found
from streamseg.convert.surgery import OutputPlan
from streamseg.infer.families import FAMILIES
from streamseg.infer.memory import with_states
from streamseg.infer.model.geometry import sized
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.model.tensors import TensorInfo
from streamseg.infer.model.validate import input_info

_COLOURS = {"rgb": "RGB", "bgr": "BGR", "grey": "grey"}
_NORMALISED = {
    "imagenet": "normalised as for ImageNet",
    "0..1": "as 0 to 1",
    "-1..1": "as -1 to 1",
    "none": "as bytes, 0 to 255",
}


def assumed(taken: InputSpec, spec: ModelSpec, found: Found, seen: Probe, hints: Hints, told: Told) -> str:
    """`output 'y' (1, 150, 128, 128): 150 planes of logits at 1/4, enlarged; input RGB, stretched to 512x512, …`."""
    parts = [_output(found, seen), *_remembered(spec), _input(taken, spec), _classes(spec)]
    return "; ".join(parts + _by(hints, told))


def assumed_objects(
    taken: InputSpec, spec: ModelSpec, title: str, roles: Mapping[str, str], hints: Hints, told: Told
) -> str:
    """`YOLO (…): 'output0' holds anchors; input RGB, letterboxed (grey 114) to 640x640, …`."""
    held = ", ".join(f"'{name}' holds {role}" for role, name in roles.items())
    limits = f"objects from a score of {spec.least_score:g}"
    if spec.overlap is not None:
        limits += f" that overlap by less than {spec.overlap:g}"
    parts = [f"{title}: {held}", limits, *_remembered(spec), _input(taken, spec), _classes(spec) + _first_label(spec)]
    return "; ".join(parts + _by(hints, told))


def described(spec: ModelSpec, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> str:
    """The same of a model whose spec is known, and of the `inputs` and `outputs` of its graph."""
    shapes = {info.name: _shape(info) for info in outputs}
    held = ", ".join(f"'{name}' {shapes.get(name, '')} holds {role}" for role, name in spec.outputs.items())
    family = FAMILIES.get(spec.family or "")
    spec = with_states(spec, inputs, outputs)
    picture = sized(spec.input, input_info(spec, inputs).shape)
    parts = [f"{family.title}: {held}" if family else held]
    if family or spec.task == "instance":
        parts.append(f"objects from a score of {spec.least_score:g}")
    return "; ".join([*parts, *_remembered(spec), _input(picture, spec), _classes(spec)])


def _shape(info: TensorInfo) -> str:
    return "" if info.shape is None else f"({', '.join(str(side or 'free') for side in info.shape)})"


def _remembered(spec: ModelSpec) -> list[str]:
    pairs = ", ".join(f"{name} from {pair}" for name, pair in spec.states.items())
    return [f"remembers {pairs}"] if pairs else []


def _by(hints: Hints, told: Told) -> list[str]:
    sources = [*([f"--preset {hints.preset}"] if hints.preset else []), *told.where]
    return [f"by {', '.join(sources)}"] if sources else []


def _output(found: Found, seen: Probe) -> str:
    plan = found.plan
    shape = tuple(seen.outputs[plan.info.name].shape)
    given = [side for axis, side in enumerate(shape) if axis != plan.channel_axis][-2:]
    planes = {
        "labels": "class ids",
        "logits": f"the highest of {found.classes} planes of {found.planes}{_above(plan)}",
        "probability": _one_plane(plan),
    }[plan.role]
    scale = seen.size[0] / given[0]
    at = "" if scale == 1 else f" at 1/{scale:.0f}" if scale == round(scale) else f" at {given[1]}x{given[0]}"
    at += " (enlarged first)" if plan.upsampled else ""
    rest = f" ({', '.join(found.others)} left out)" if found.others else ""
    return f"output '{plan.info.name}' {shape}{rest}: {planes}{at}"


def _one_plane(plan: OutputPlan) -> str:
    if plan.threshold is None:
        return "one plane of logits, above 0" if plan.sigmoid else "one plane of 0..1, above a half"
    return f"one plane of {'logits through a sigmoid' if plan.sigmoid else '0..1'}, above {plan.threshold:g}"


def _above(plan: OutputPlan) -> str:
    if plan.threshold is None:
        return ""
    return f"{' through a sigmoid' if plan.sigmoid else ''} above {plan.threshold:g}, else the background"


def _input(taken: InputSpec, spec: ModelSpec) -> str:
    normalised = next(
        (
            text
            for name, text in _NORMALISED.items()
            if (taken.mean, taken.std) == named_normalisation(name, taken.colour)
        ),
        f"less {_numbers(taken.mean)}, over {_numbers(taken.std)}",
    )
    size = f"{taken.width}x{taken.height}"
    if taken.height is None and taken.width is None:
        side, largest = spec.input.side, spec.input.largest
        size = f"{side} along the longer side" if largest is None else f"{side} to {largest} along the longer side"
    elif None in (taken.height, taken.width):
        size = f"{taken.height or taken.width} px of {'width' if taken.height is None else 'height'}"
    fit = {"stretch": "stretched", "letterbox": f"letterboxed (grey {spec.input.pad})", "crop": "cropped"}
    return f"input {_COLOURS[taken.colour]}, {fit[spec.input.fit]} to {size}, {normalised}"


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _classes(spec: ModelSpec) -> str:
    first = ", ".join(spec.classes[:3])
    return f"{len(spec.classes)} classes ({first}{', …' if len(spec.classes) > 3 else ''})"


def _first_label(spec: ModelSpec) -> str:
    """Where frameworks count from 0 as well as from 1."""
    counted = FAMILIES[spec.family or ""].defaults
    return f", of which label 1 is '{spec.classes[1]}'" if counted.background_first or counted.spare_class else ""

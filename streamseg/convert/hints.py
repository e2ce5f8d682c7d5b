"""What can be told of a model that its graph does not show: by a person, by a preset, or by what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Literal

from streamseg.errors import InputError
from streamseg.infer.model.spec import IMAGENET_MEAN, IMAGENET_STD, Colour, FitKind, Layout

NORMALISATIONS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
        "0..1": ((0.0,), (255.0,)),
        "-1..1": ((127.5,), (127.5,)),
        "none": ((0.0,), (1.0,)),
    }
)
"""Name to mean and std in 0..255 units; `imagenet` in the order red, green, blue."""
USUAL_STRIDE = 32
"""Halved five times: what nearly every encoder does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known of the model that is imported; None is guessed where it can be, else asked for."""

    name: str | None = None
    preset: str | None = None
    """A key of `PRESETS`: what its exporter's models have in common."""
    output: str | None = None
    role: Literal["labels", "logits", "probability"] | None = None
    layout: Layout | None = None
    colour: Colour | None = None
    normalise: str | None = None
    """A key of `NORMALISATIONS`; or give mean and std."""
    mean: tuple[float, ...] | None = None
    """In 0..255 units; where mean and std are all at most 1, in 0..1 units."""
    std: tuple[float, ...] | None = None
    fit: FitKind | None = None
    """None: stretch."""
    pad: int | None = None
    """Grey of a letterbox's bars, 0..255."""
    height: int | None = None
    width: int | None = None
    stride: int | None = None
    upsample: Literal["yes", "no"] | None = None
    """Whether scores are enlarged to the input's size before the best is taken; None: where they are below half."""
    state: tuple[str, ...] | None = None
    """Pairs `IN=OUT` of a network that remembers: input IN is fed what output OUT gave for the frame before."""
    family: str | None = None
    """A name of `infer.families`: how objects are read from the outputs."""
    threshold: float | None = None
    """Objects that score less, 0..1, are none; None: what their framework takes."""
    classes: tuple[str, ...] | None = None
    """Names; or one word: how many there are, or a data set of `DATASETS`."""
    colours: tuple[str, ...] | None = None
    background: int | None = None
    ignore_index: int | None = 255
    licence: str = ""
    source: str = ""
    score: str = ""
    summary: str = ""


PRESETS: Mapping[str, Hints] = MappingProxyType(
    {
        "ultralytics": Hints(normalise="0..1", fit="letterbox", pad=114),
        "hf": Hints(normalise="imagenet"),
        "smp": Hints(normalise="imagenet"),
        "torchvision": Hints(normalise="imagenet", output="out"),
        "mmseg": Hints(normalise="imagenet"),
        "paddle": Hints(normalise="-1..1"),
        "keras": Hints(normalise="0..1"),
    }
)
"""What each framework does by default; flags of one's own come first."""

_NORMALISING = ("normalise", "mean", "std")


def preset(name: str | None) -> Hints:
    """The hints of the preset `name`; None gives none.

    Raises:
        InputError: there is no such preset.
    """
    if name is not None and name not in PRESETS:
        raise InputError(f"no preset '{name}'", f"one of {', '.join(PRESETS)}")
    return Hints() if name is None else PRESETS[name]


def filled(hints: Hints, weaker: Hints) -> Hints:
    """`hints`, and what they leave open out of `weaker`; normalisation comes from one of them as a whole."""
    own = any(getattr(hints, name) is not None for name in _NORMALISING)
    open_ = [field.name for field in fields(Hints) if getattr(hints, field.name) in (None, "")]
    taken = {name: getattr(weaker, name) for name in open_ if not (own and name in _NORMALISING)}
    return replace(hints, **taken)


def normalisation(hints: Hints, colour: Colour) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and std in 0..255 units, in the order of `colour`; None where nothing is known.

    Raises:
        InputError: the name is none of `NORMALISATIONS`, or the numbers mean one thing in 0..1 units and another in
            0..255 units.
    """
    if hints.normalise is None:
        if hints.mean is None and hints.std is None:
            return None
        return _in_bytes(hints.mean or (0.0,), hints.std or (1.0,))
    if hints.mean is not None or hints.std is not None:
        raise InputError("either a normalisation by its name, or by mean and std", "--normalise, or --mean and --std")
    if hints.normalise not in NORMALISATIONS:
        raise InputError(f"no normalisation '{hints.normalise}'", f"one of {', '.join(NORMALISATIONS)}")
    return named_normalisation(hints.normalise, colour)


def named_normalisation(name: str, colour: Colour) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of one of `NORMALISATIONS`, in the order of `colour`."""
    mean, std = NORMALISATIONS[name]
    return (mean[::-1], std[::-1]) if colour == "bgr" else (mean, std)


def _in_bytes(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Everybody has ImageNet's numbers at hand as shares of 1: `0.485,0.456,0.406`."""
    if max(*mean, *std) > 1:
        if (0 < max(mean) <= 1 < min(std)) or (max(mean) > 1 and min(std) < 1):
            raise InputError(
                "mean and std are of different units: one in 0..1, one in 0..255", "--mean and --std alike"
            )
        return mean, std
    if not any(mean) and set(std) == {1.0}:
        raise InputError(
            "mean 0 and std 1 leave open whether the model takes 0..1 or 0..255", "--normalise 0..1, or none"
        )
    return tuple(round(255 * value, 6) for value in mean), tuple(round(255 * value, 6) for value in std)

"""Classical methods: no training, no weights, each a model name like any other."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import msgspec

from streamseg.contracts import Recipe
from streamseg.errors import InputError
from streamseg.infer.classical import background, clusters, edges, regions, threshold
from streamseg.infer.classical.method import Method, two_classes

METHODS: dict[str, Method] = {
    "threshold": Method("brighter than a fixed value", threshold.Threshold, threshold.fixed, two_classes),
    "otsu": Method("brighter than Otsu's threshold", threshold.Otsu, threshold.otsu, two_classes),
    "adaptive": Method("brighter than the surroundings", threshold.Adaptive, threshold.adaptive, two_classes),
    "hsv": Method("within a range of colours, green by default", threshold.Hsv, threshold.hsv, two_classes),
    "edges": Method("Canny's edges, drawn", edges.Edges, edges.edges, edges.edge_classes),
    "edge-regions": Method("regions between Canny's edges", edges.Regions, edges.edge_regions, edges.region_classes),
    "watershed": Method("touching objects told apart", regions.Watershed, regions.watershed, regions.watershed_classes),
    "grow": Method("what is alike around given points", regions.Grow, regions.grow, regions.grow_classes),
    "grabcut": Method("what stands out in a box", regions.GrabCut, regions.grabcut, two_classes, parallel=False),
    "components": Method("bright connected areas", regions.Components, regions.components, regions.component_classes),
    "kmeans": Method(
        "k colours, stable from frame to frame", clusters.KMeans, clusters.kmeans, clusters.cluster_classes, False
    ),
    "kmeans-reference": Method(
        "k colours as in OpenCV's example, slow", clusters.KMeans, clusters.kmeans_reference, clusters.cluster_classes
    ),
    "motion": Method(
        "what moves before a still camera", background.Motion, background.motion, background.motion_classes, False
    ),
}


def load(name: str, settings: Mapping[str, object]) -> Recipe:
    """The recipe of the method `name`.

    Raises:
        InputError: a setting is unknown or out of range; the message names it and what is allowed.
    """
    method = METHODS[name]
    try:
        checked = msgspec.convert(dict(settings), method.settings, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"model {name}: {_plain(str(error))}", _allowed(method, str(error))) from None
    return Recipe(name, method.classes(checked), lambda threads: method.make(checked), method.parallel)


def _allowed(method: Method, message: str) -> str:
    """The words that a setting takes, where it takes some of few; else the settings."""
    name = message.partition(" - at `$.")[2].rstrip("`")
    words = typing.get_args(typing.get_type_hints(method.settings).get(name))
    if words and all(isinstance(word, str) for word in words):
        return f"{name} is one of {', '.join(words)}"
    return f"its settings are {', '.join(method.settings.__struct_fields__)}"


def _plain(message: str) -> str:
    text, _, where = message.partition(" - at `$.")
    text = text.replace("Object contains unknown field", "no setting")
    return f"{where.rstrip('`')}: {text[0].lower()}{text[1:]}" if where else text

"""Classical methods: no training, no weights, each a model name like any other."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Mapping

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import InputError
from streamseg.infer import follow as following
from streamseg.infer.classical import background, clusters, edges, regions, threshold
from streamseg.infer.classical.method import Method, two_classes
from streamseg.prompts import Prompts
from streamseg.validation import MisfitError, fit

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
    "follow": Method(
        "what is clicked on or boxed, followed",
        following.Follow,
        following.follow,
        following.follow_classes,
        False,
        True,
        following.check_files,
    ),
}


def load(
    name: str, settings: Mapping[str, object], prompts: Prompts | None = None, backend: str | None = None, gpu: int = 0
) -> SegmenterFactory:
    """The recipe of the method `name`; one that is asked reads `prompts`, and has its encoder run by `backend` on
    `gpu`.

    Raises:
        InputError: a setting is unknown or out of range, or names a file that is not right; the message tells which.
    """
    from streamseg.infer.backends import REFERENCE, check_wanted, open_backend

    method = METHODS[name]
    if method.asked:
        check_wanted(backend)
    try:
        checked = fit(dict(settings), method.settings, strict=False)
    except MisfitError as error:
        known = f"its settings are {', '.join(method.settings.__struct_fields__)}"
        raise InputError(f"model {name}: {error}", known) from None
    method.check(checked)
    read: Prompts = deque() if prompts is None else prompts

    def make(threads: int) -> Segmenter:
        if not method.asked:
            return method.make(checked)
        # The decoder is asked for any number of points, which the reference takes as it is.
        opened = functools.partial(open_backend, threads=threads, gpu=gpu)
        openers = (functools.partial(opened, wanted=each) for each in (backend, REFERENCE))
        return method.make(checked, read, *openers)

    return SegmenterFactory(name, method.classes(checked), make, method.parallel, asked=method.asked)

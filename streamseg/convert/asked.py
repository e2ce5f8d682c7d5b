"""Halves of networks that are asked, such as Segment Anything: they are no segmentation by themselves."""

from __future__ import annotations

from streamseg.errors import InputError
from streamseg.files import as_argument
from streamseg.infer.follow.network import LABELS, POINTS
from streamseg.infer.model.onnxfile import OnnxFile

_EMBEDDED = "image_embed"  # `image_embeddings` of SAM, `image_embed` of SAM 2


def refuse_asked(found: OnnxFile) -> None:
    """Raises InputError where the graph is an encoder or a decoder, or both in one, and says what takes the two."""
    gives = any(info.name.startswith(_EMBEDDED) for info in found.outputs)
    if not gives and not {info.name for info in found.inputs} & {*POINTS, *LABELS}:
        return
    half, pair = ("encoder", f"{found.path},decoder.onnx") if gives else ("decoder", f"encoder.onnx,{found.path}")
    raise InputError(
        f"{found.path}: is the {half} of a network that is asked, such as Segment Anything",
        f"run it with its other half: streamseg run SOURCE --model follow --set {as_argument(f'network={pair}')}",
    )

"""Networks that are asked, such as Segment Anything, whole or in halves: they are no segmentation by themselves."""

from __future__ import annotations

from streamseg.errors import InputError
from streamseg.files import as_argument
from streamseg.infer.follow.network import LABELS, POINTS
from streamseg.infer.model.onnxfile import OnnxFile

_EMBEDDED = "image_embed"  # `image_embeddings` of SAM, `image_embed` of SAM 2
_PICTURE = "pixel_values"  # of Hugging Face, whose sides may all be free
_CHANNELS = 3
_ASKED = (*POINTS, *LABELS)  # the ends of names: `batched_point_coords` of EfficientSAM


def refuse_asked(found: OnnxFile) -> None:
    """Raises InputError where the graph is an encoder or a decoder, or both in one, and says what takes two halves."""
    gives = any(info.name.startswith(_EMBEDDED) for info in found.outputs)
    asked = [info for info in found.inputs if info.name.endswith(_ASKED)]
    if not gives and not asked:
        return
    others = [info for info in found.inputs if info not in asked]  # three points look like three channels
    if asked and any(info.name == _PICTURE or (info.shape or ())[1:2] == (_CHANNELS,) for info in others):
        raise InputError(
            f"{found.path}: is a network that is asked, such as Segment Anything, with both halves in one file",
            f"export its encoder and its decoder, then {_followed('encoder.onnx,decoder.onnx')}",
        )
    half, pair = ("encoder", f"{found.path},decoder.onnx") if gives else ("decoder", f"encoder.onnx,{found.path}")
    raise InputError(
        f"{found.path}: is the {half} of a network that is asked, such as Segment Anything",
        f"run it with its other half: {_followed(pair)}",
    )


def _followed(halves: str) -> str:
    return f"streamseg run SOURCE --model follow --set {as_argument(f'network={halves}')}"

"""Encoders whose packets go elsewhere than into a file of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from streamseg.contracts import Shown
from streamseg.sinks.codecs import H264, Encoding
from streamseg.sinks.video import Encoder

_HEAD = {"movflags": "empty_moov+frag_keyframe"}  # a file of nothing else


def encoder_alone(
    first: Shown,
    name: str,
    encoding: Encoding = H264,
    options: Mapping[str, str] | None = None,
    *,
    on_gpu: bool = False,
    for_files: bool = False,
) -> Encoder:
    """An encoder for pictures like the `first`; the other arguments are those of `Encoder`.

    Its packets bear the parameters that a decoder needs, or `for_files` they are known from the beginning, as the head
    of a file has them.
    """
    import av

    form, how = ("mp4", _HEAD) if for_files else (encoding.bare, {})
    container = av.open(os.devnull, "w", format=form, options=how)
    try:
        encoder = Encoder(container, first, name, encoding, options, on_gpu=on_gpu)
        if for_files:
            container.start_encoding()
    finally:
        container.close()  # it and its stream hold each other: the encoder would stay until a garbage collector comes
    return encoder

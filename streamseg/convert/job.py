"""One import: what it starts from, and what is about to be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg.convert.chain import PICTURE
from streamseg.convert.hints import USUAL_STRIDE, Hints
from streamseg.convert.neighbours import Told
from streamseg.errors import InputError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.spec import PAD, InputSpec, ModelSpec

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class Job:
    """The model that is imported, and what is known of it."""

    source: Path
    name: str
    original: Backend
    """Of a network that remembers without its states, which it feeds back."""
    model: onnx.ModelProto
    hints: Hints
    told: Told
    states: Mapping[str, str] = field(default_factory=dict)
    """Of a network that remembers: input to the output that it is fed next."""


@dataclass(frozen=True, slots=True)
class Made:
    """A graph that takes bytes, and its spec."""

    model: onnx.ModelProto
    spec: ModelSpec
    assumed: str
    """For people: how the model was read."""
    check: Callable[[Path], float]
    """Share, 0..1, of what the file finds that is as the model itself finds it; raises InputError where it is not."""


def model_spec(job: Job, taken: InputSpec, names: tuple[str, ...], outputs: dict[str, str], **more: Any) -> ModelSpec:
    """The spec of what is made, with `more` of its fields; `taken` is the input as the model itself has it.

    Raises:
        InputError: the fields do not go together.
    """
    hints = job.hints
    free = taken.height is None or taken.width is None
    fields: dict[str, Any] = {
        "colours": hints.colours,
        "background": hints.background,
        "ignore_index": hints.ignore_index,
        "licence": hints.licence,
        "source": hints.source,
        "score": hints.score,
        "summary": hints.summary,
        "states": dict(job.states),
    }
    try:
        return ModelSpec(
            name=job.name,
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
                stride=hints.stride or (USUAL_STRIDE if free else 1),
            ),
            **(fields | more),
        )
    except ValueError as error:
        raise InputError(f"{job.source}: {error}") from None

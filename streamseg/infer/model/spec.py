"""What must be known of a network to run it: data only, from the YAML beside it or from inside the file."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from streamseg.errors import InputError, legible
from streamseg.folders import models_folder
from streamseg.infer.model.palette import default_colours, parse_colours
from streamseg.segmentation import Classes, distinct
from streamseg.yamlfile import parse_yaml, read_yaml

METADATA_KEY = "streamseg"
"""Name under which an ONNX file's metadata holds a ModelSpec as JSON or YAML."""

N = TypeVar("N", int, int | None)
Task = Literal["semantic", "instance"]
OBJECT_ROLES = ("boxes", "scores", "class_ids", "masks")
"""Of a network for objects that is of no family."""
ROLES: dict[Task, tuple[str, ...]] = {
    "semantic": ("labels", "logits", "probability", "confidence"),
    "instance": (*OBJECT_ROLES, "anchors", "rows", "classes", "prototypes", "planes", "maps"),
}
"""What the outputs of a network may be."""
Layout = Literal["NCHW", "NHWC"]
Colour = Literal["rgb", "bgr", "grey"]
FitKind = Literal["letterbox", "stretch", "crop"]

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, in 0..255: what most networks subtract and divide by."""
PAD = 116
"""Grey around a letterboxed picture: near the mean that most networks subtract."""
MAX_SIDE_PX = 16384


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a picture enters the network."""

    name: str | None = None
    """The tensor; None: the model's only input."""
    layout: Layout = "NCHW"
    height: int | None = None
    """Pixels; None: as the graph says, and where that is free by the frame's own aspect."""
    width: int | None = None
    side: int = 512
    """Pixels of the frame's longer side where height and width are both free."""
    largest: int | None = None
    """Then larger frames keep their size, up to so many pixels of the longer side; None: none does."""
    dtype: Literal["uint8", "float32", "float16"] = "float32"
    colour: Colour = "rgb"
    mean: tuple[float, ...] = (0.0,)
    """Subtracted from 0..255 values, in the order of `colour`; one number stands for all channels."""
    std: tuple[float, ...] = (1.0,)
    """Divided by, after the mean."""
    fit: FitKind = "stretch"
    pad: int = PAD
    """Grey of a letterbox's bars, 0..255."""
    stride: int = 1
    """A free side is rounded to a multiple of this."""

    def __post_init__(self) -> None:
        for word in ("mean", "std"):
            if len(getattr(self, word)) not in (1, self.channels):
                raise ValueError(f"`{word}` needs one number, or one a channel, for {self.colour}")
        if not all(value > 0 for value in self.std):
            raise ValueError("`std` must be above 0")
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)):
            raise ValueError("`mean` and `std` must be finite")
        if any(self.mean) and max(*self.mean, *self.std) <= 1:  # everybody has ImageNet's at hand as shares of 1
            mean, std = ([round(255 * value, 3) for value in values] for values in (self.mean, self.std))
            raise ValueError(f"`mean` and `std` are in units of 0 to 255: mean {mean}, std {std}")
        if not 0 <= self.pad <= 255:
            raise ValueError(f"`pad` must be 0 to 255, not {self.pad}")
        if self.dtype == "uint8" and (any(self.mean) or set(self.std) != {1.0}):
            raise ValueError("a uint8 input takes no `mean` or `std`: the graph normalises")
        self._check_sides()

    @property
    def channels(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.colour == "grey" else 3

    def shape(self, batch: N, size: tuple[N, N]) -> tuple[N | int, ...]:
        """Of the tensor of so many pictures of (height, width) `size`; None stands for what is open."""
        height, width = size
        if self.layout == "NCHW":
            return batch, self.channels, height, width
        return batch, height, width, self.channels

    def sides(self, shape: Sequence[N]) -> Sequence[N]:
        """Height and width in the shape of such a tensor, with an axis for the pictures or without."""
        return shape[-2:] if self.layout == "NCHW" else shape[-3:-1]

    def _check_sides(self) -> None:
        for word in ("height", "width", "side", "stride"):
            value = getattr(self, word)
            if value is not None and not 1 <= value <= MAX_SIDE_PX:
                raise ValueError(f"`{word}` must be 1 to {MAX_SIDE_PX} px, not {value}")
        if self.largest is not None and not self.side <= self.largest <= MAX_SIDE_PX:
            raise ValueError(f"`largest` must be `side`, {self.side}, to {MAX_SIDE_PX} px, not {self.largest}")


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A network's contract; checked against the graph's own inputs and outputs before it runs."""

    classes: tuple[str, ...]
    outputs: dict[str, str]
    """Role to tensor. Semantic: one of `labels` (class ids), `logits` (a plane a class) or `probability` (one plane,
    0..1, of class 1), and `confidence` (u8 beside labels) where the graph has it. Instance: all of `boxes` (N, K, 4)
    in pixels of the input, `scores` (N, K) of 0..1, `class_ids` (N, K) and `masks` (N, K, m, m) of 0..1 over the
    inside of each box; or those of its `family`."""
    input: InputSpec = InputSpec()
    states: dict[str, str] = {}
    """Of a network that remembers: inputs that are fed what these outputs gave for the frame before, zeros at first."""
    values: dict[str, float] = {}
    """Inputs that are fed the same number every time."""
    name: str = ""
    task: Task = "semantic"
    family: str = ""
    """How objects are read from the outputs: a name of `infer.families`; "": they are what `outputs` says."""
    least_score: float = 0.5
    """Objects that score less, 0..1, are no objects."""
    most: int = 300
    """Objects in a picture, where a family is read."""
    overlap: float | None = None
    """Intersection over union, 0..1, beyond which the worse of two objects of one class goes; None: of all of them
    none does."""
    colours: tuple[str, ...] | None = None
    """RGB hex, one a class; None: chosen for you."""
    background: int | None = None
    """Class that overlays leave undrawn."""
    ignore_index: int | None = 255
    licence: str = ""
    source: str = ""
    score: str = ""
    summary: str = ""

    def __post_init__(self) -> None:
        if set(self.name) & {"/", "\0"}:  # folders are called by it
            raise ValueError("`name` must be one that a file may have, without '/'")
        n = len(self.classes)
        if not 1 <= n <= 256:
            raise ValueError(f"`classes` needs 1 to 256 names, not {n}")
        for role in self.outputs.keys() - set(ROLES[self.task]):
            raise ValueError(f"`outputs` has no role '{role}': one of {', '.join(ROLES[self.task])}")
        self._check_states()
        if self.task == "instance":
            self._check_instance()
        elif len(self.outputs.keys() - {"confidence"}) != 1:
            raise ValueError("`outputs` needs exactly one of labels, logits and probability")
        if "probability" in self.outputs and n != 2:
            raise ValueError(f"`probability` tells 2 classes apart, not {n}")
        if self.colours is not None and len(self.colours) != n:
            raise ValueError(f"{len(self.colours)} colours for {n} classes")
        if self.background is not None and not 0 <= self.background < n:
            raise ValueError(f"`background` must be 0 to {n - 1}, not {self.background}")
        if self.ignore_index is not None and not 0 <= self.ignore_index <= 255:
            raise ValueError(f"`ignore_index` must be 0 to 255, not {self.ignore_index}")
        parse_colours(self.colours or ())

    def _check_states(self) -> None:
        if len({*self.states.values()}) < len(self.states):
            raise ValueError("`states`: each needs an output of its own")
        if both := {*self.states} & {*self.values}:
            raise ValueError(f"'{both.pop()}' cannot be a state and have a value")
        if self.input.name in {*self.states, *self.values}:
            raise ValueError(f"'{self.input.name}' is the picture")
        if both := {*self.states.values()} & {*self.outputs.values()}:
            raise ValueError(f"output '{both.pop()}' cannot be a state and a result")

    def _check_instance(self) -> None:
        for role in () if self.family else OBJECT_ROLES:
            if role not in self.outputs:
                raise ValueError(f"`outputs` of a network for objects needs {role}")
        if self.background is None:
            raise ValueError("a network for objects needs `background`, the class of what is no object")
        if not 0 <= self.least_score <= 1:
            raise ValueError(f"`least_score` must be 0 to 1, not {self.least_score}")
        if self.overlap is not None and not 0 <= self.overlap <= 1:
            raise ValueError(f"`overlap` must be 0 to 1, not {self.overlap}")
        if self.most < 1:
            raise ValueError(f"`most` must be 1 or more, not {self.most}")


def spec_classes(spec: ModelSpec) -> Classes:
    """Names and colours as every segmentation of this model carries them; names that repeat are told apart."""
    n = len(spec.classes)
    colours = default_colours(n, spec.background) if spec.colours is None else parse_colours(spec.colours)
    return Classes(distinct(spec.classes), colours, spec.background, spec.ignore_index)


def spec_beside(file: Path) -> ModelSpec | None:
    """The spec in `NAME.yaml` beside `NAME.onnx`, or None where there is no such file.

    Raises:
        InputError: the YAML is there and wrong.
    """
    path = file.with_suffix(".yaml")
    return _named(read_yaml(path, ModelSpec), file) if path.is_file() else None


def spec_inside(file: Path, metadata: dict[str, str]) -> ModelSpec:
    """The spec that the file carries in its metadata.

    Raises:
        InputError: there is none, or it is wrong.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        missing = f"no {file.with_suffix('.yaml').name} beside it, none inside"
        raise InputError(f"{file}: nothing says how to feed this model: {missing}", _hint(file))
    return _named(parse_yaml(text, ModelSpec, f"{file} (metadata)"), file)


def _hint(file: Path) -> str:
    """What to do about a file without a spec: name what was imported under its name before, or import it."""
    own = models_folder()
    if own and own != file.parent and (own / file.name).is_file():
        return f"--model {shlex.quote(file.stem)} is the model that was imported under this name"
    return f"streamseg import {shlex.quote(str(file))}"


def spec_text(spec: ModelSpec) -> str:
    """JSON for a file's metadata; what is as by default is left out."""
    fields = {key: value for key, value in msgspec.to_builtins(spec).items() if value not in ("", None)}
    fields["input"] = {key: value for key, value in fields["input"].items() if value is not None}
    return msgspec.json.encode(legible(fields)).decode()


def _named(spec: ModelSpec, file: Path) -> ModelSpec:
    return spec if spec.name else msgspec.structs.replace(spec, name=file.stem)

"""What a training is to do, as one YAML file says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streamseg.errors import InputError
from streamseg.yamlfile import read_yaml

Weights = Literal["fp32", "fp16", "int8"]
# Every number has an end: YAML knows .inf, and a checkpoint's JSON does not.
_Share = Annotated[float, Meta(ge=0, le=1)]
_Weight = Annotated[float, Meta(ge=0, le=1000)]
_Zoom = Annotated[float, Meta(ge=0.01, le=100)]
_Many = Annotated[int, Meta(ge=1, le=100_000)]
_FromNone = Annotated[int, Meta(ge=0, le=100_000)]
_Side = Annotated[int, Meta(ge=1, le=16384)]
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/\ud800-\udfff]")
_MOST_BYTES = 200  # of a name: of 255, with room for what stands around it


class Folder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures, and what is known of each."""

    pictures: str
    """A folder, or `test://?frames=200` for a generated scene."""
    masks: str = ""
    """A folder of PNGs of the same names whose values are class ids. For objects, their numbers in 8 or 16 bits, 0 for
    none, all of class 1; or COCO's JSON."""
    misses: list[str] = []
    """Classes that the masks label only in part, as bystanders: what is labelled otherwise and the network itself takes
    for one of them is void, from `loss.hard_from_epoch` on."""


class Also(Folder, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """More pictures to learn from, whose masks may know less than the plan's classes."""

    means: dict[str, list[str]] = {}
    """Values in these masks -> names of classes: of one, or of several where the masks do not tell them apart. What is
    left out is void. Empty: as in `train`."""
    hold_out: list[str] = []
    """File name patterns, as in `data`; scored apart where the masks have a meaning of their own."""
    each_epoch: _Many | None = None
    """How many of them an epoch shows, at random, some several times where there are fewer; None: each once."""


class Groups(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pictures that belong together (a drive, a road, a surface) are learnt from or held out together."""

    named: str
    """A regular expression; its first bracket, or all that it matches, is the group in a picture's file name."""
    folds: int = 5
    """The groups are dealt into so many parts of about one size."""
    fold: int | None = 0
    """The part that is held out; None: nothing, for the last training, on all of them."""
    sealed: list[str] = []
    """File name patterns of pictures that are neither learnt from nor chosen by, but scored once, at the very end."""


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the pictures lie; folders are relative to `root`, `root` to the working directory."""

    root: str
    train: Folder
    also: list[Also] = []
    validation: Folder | None = None
    hold_out: list[str] = []
    """File name patterns: these pictures of `train` are kept for validation. A whole sequence is the honest choice."""
    hold_out_groups: Groups | None = None
    """Instead of patterns: whole groups, one part after the other (`streamseg train --folds`)."""
    ids: dict[str, int] = {}
    """Values in the masks -> class ids, where they differ; 255 is void."""
    grey: bool = False
    thin: dict[str, Annotated[int, Meta(ge=1, le=1000)]] = {}
    """Class -> pixels: where its labels are wider than this they are filled in, and void."""


class ClassEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A class's name and the colour that it is drawn in, as RRGGBB."""

    name: str
    colour: str


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of `ARCHITECTURES`, and its size."""

    architecture: str
    width: Annotated[int, Meta(ge=1, le=4096)] | None = None
    depth: Annotated[int, Meta(ge=1, le=8)] | None = None
    encoder: Literal["imagenet", "random"] = "imagenet"
    start_from: str | None = None
    """A checkpoint of an earlier training, or a model that was exported from one (`street`); layers whose shapes differ
    (other classes) start from scratch."""


class Paste(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is cut out of other pictures and put into this one.

    Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation", CVPR 2021.
    """

    classes: list[str]
    most: Annotated[int, Meta(ge=0, le=1000)] = 1
    """Cut-outs a picture, from none to this."""
    scale: tuple[_Zoom, _Zoom] | None = None
    """Of the cut-outs; None: as `augment.scale`."""
    decoys: Annotated[int, Meta(ge=0, le=1000)] = 0
    """From none to so many cut-outs of the same outlines that hold something else: an outline alone says nothing."""

    def __post_init__(self) -> None:
        _refuse_falling(self.scale or (1.0, 1.0))


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far a picture and its mask are changed, at random, each time they are seen."""

    crop: tuple[_Side, _Side]
    """Height, width in pixels, best multiples of the network's stride."""
    scale: tuple[_Zoom, _Zoom] = (1.0, 1.0)
    """1: as large as when the network runs, whatever the size of the pictures (`export`)."""
    rotate_deg: Annotated[float, Meta(ge=0, le=360)] = 0.0
    flip: Literal["none", "horizontal", "both"] = "horizontal"
    elastic_px: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    colour: _Share = 0.0
    """Brightness, contrast, saturation and hue."""
    grey: _Share = 0.0
    """Probability that the colours are taken away."""
    negative: _Share = 0.0
    """Probability that dark becomes bright: for what is dark under one microscope and bright under another."""
    noise: Annotated[float, Meta(ge=0, le=255)] = 0.0
    """Standard deviation, at most."""
    blur: _Share = 0.0
    """Probability."""
    jpeg: _Share = 0.0
    """Probability."""
    paste: Paste | None = None

    def __post_init__(self) -> None:
        _refuse_falling(self.scale)


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is made small."""

    class_weights: Literal["balanced", "none"] = "balanced"
    hard_fraction: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """Only this share of the pixels, those with the largest loss, counts."""
    hard_from_epoch: _FromNone = 3
    dice: _Weight = 0.0
    """Weight of the Dice loss beside the cross-entropy."""
    coarse: _Weight = 0.4
    """Weight of the loss at 1/16, in networks that have one."""


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long and how fast."""

    epochs: _Many
    batch: _Many = 8
    rate: Annotated[float, Meta(gt=0, le=10)] = 2e-3
    encoder_rate: _Weight = 0.3
    """Times `rate`."""
    weight_decay: _Weight = 1e-2
    warm_up_steps: _FromNone = 30
    freeze_epochs: _FromNone = 0
    """The encoder stays as it is for so long."""
    ema: _Share = 0.998
    """Decay a step of the running average of the weights, which is what is kept; 0 keeps the weights themselves."""
    repeat: _Many = 1
    """How often an epoch shows each picture: more for few pictures, so that an epoch is worth its validation."""
    rare: _Share = 0.0
    """Pictures with a class that fewer of them have than this share are shown more often, by the root of that
    share through theirs. Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019. Where
    objects are numbered: pictures whose mean colour fewer of them have."""
    validate_every: _Many = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**62)] = 1


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network as it will run: bytes in, labels out."""

    height: _Side | None = None
    """Pixels; None for both: any size, made from the frame's own aspect."""
    width: _Side | None = None
    side: _Side = 512
    """Pixels of the longer side, where the size is free."""
    largest: _Side | None = None
    """Then larger pictures keep their size, up to so many pixels of the longer side; None: none does."""
    labels_stride: Annotated[int, Meta(ge=1, le=64)] = 1
    """1: a label for every pixel; 2: for every second one, in a quarter of the time that labels take."""
    background: int | None = None
    """The class that overlays leave undrawn."""
    least_score: _Share = 0.5
    """Objects below it are not shown. Only for networks that find objects."""
    weights: Weights = "fp32"
    """How they are kept in the file: fp16 takes half the space, int8 a quarter; both compute as before."""
    summary: str = ""

    def __post_init__(self) -> None:
        if (self.height is None) != (self.width is None):
            raise ValueError("height and width go together: give both, or neither")


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training, from the pictures to the weights."""

    name: str
    classes: list[ClassEntry]
    data: Data
    network: Network
    augment: Augment
    schedule: Schedule
    loss: Loss = Loss()
    export: Export = Export()
    licence: str = ""
    """Of the trained weights, for the model's card."""

    def __post_init__(self) -> None:
        if self.name in ("", ".", "..") or as_name(self.name) != self.name:
            raise ValueError(f"name: has to be that of a file, without folders, of 1 to {_MOST_BYTES} bytes")


def as_name(text: str, most_bytes: int = _MOST_BYTES) -> str:
    """`text` as a plan can be called, which files are named after: what none can hold becomes a dash."""
    return _NO_NAME.sub("-", text).encode()[:most_bytes].decode(errors="ignore")


def _refuse_falling(scale: tuple[float, float]) -> None:
    if scale[0] > scale[1]:
        raise ValueError("scale: the smaller one comes first")


def read_plan(path: Path, root: str | None = None) -> Plan:
    """The plan in `path`, its pictures under `root` where one is given.

    Raises:
        InputError: no plan; the message names file and line.
    """
    plan = read_yaml(path, Plan)
    return plan if root is None else msgspec.structs.replace(plan, data=msgspec.structs.replace(plan.data, root=root))


def of_fold(plan: Plan, fold: int) -> Plan:
    """The plan with this one of its folds held out; raises InputError where it has none."""
    groups = plan.data.hold_out_groups
    if groups is None:
        raise InputError(f"{plan.name}: its plan has no folds", "data: {hold_out_groups: {named: …, folds: 5}}")
    groups = msgspec.structs.replace(groups, fold=fold)
    return msgspec.structs.replace(plan, data=msgspec.structs.replace(plan.data, hold_out_groups=groups))


def plan_text(plan: Plan) -> str:
    """JSON, for a checkpoint; where the pictures lie is left out, since that may differ the next time."""
    data = msgspec.structs.replace(plan.data, root="")
    return msgspec.json.encode(msgspec.structs.replace(plan, data=data)).decode()


def same_training(one: Plan, other: Plan) -> bool:
    """Whether both give the same weights: where the pictures lie and how the network is exported changes none."""
    return plan_text(_bare(one)) == plan_text(_bare(other))


def _bare(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, export=Export(), licence="")


def parse_plan(text: str) -> Plan:
    """What `plan_text` wrote."""
    return msgspec.json.decode(text, type=Plan)

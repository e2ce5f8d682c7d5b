"""What a person can ask of a run: one table behind the command line, the YAML file and `streamseg.open`."""

from __future__ import annotations

import functools
import shlex
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo, fields

from streamseg.errors import InputError
from streamseg.options import Codec, Effort, PrivacyOptions, RenderOptions, SourceOptions, option
from streamseg.pipeline.scheduler import Target
from streamseg.rules.check import Problem, name_problems
from streamseg.rules.grammar import Rule
from streamseg.rules.shapes import Ground, Line, Polygon
from streamseg.validation import MisfitError, fit
from streamseg.yamlfile import read_tree

Group = TypeVar("Group", bound=msgspec.Struct)
DEFAULT_MODEL = "person"

BACKEND_NAMES = (
    "tensorrt", "tensorrt-rtx", "ort-cuda", "ort-cpu", "openvino", "openvino-bf16", "openvino-gpu", "openvino-npu",
    "ort-coreml", "ort-directml", "ort-migraphx", "ort-qnn", "ort-cpu-spin",
)  # fmt: skip
"""Those of `streamseg.infer.backends`, which `--help` does not import; packages add more."""

_Source = Annotated[
    str | int | tuple[str, ...],
    option("source", "where frames come from; several files in turn"),
]
_Count = Annotated[int, Meta(ge=1, le=256)]


class RunOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every option of `run`, those of the source, of what is drawn and of what is hidden by themselves."""

    source: _Source
    outputs: Annotated[tuple[str, ...], option("output", "where the result goes", default="a window")] = ()
    overwrite: Annotated[bool, option("output", "replace outputs that exist")] = False
    codec: Annotated[
        Codec,
        option(
            "output",
            "what videos are encoded in; hevc, which is H.265, takes less room and more of the processor",
            "NAME",
            rare=True,
        ),
    ] = "h264"
    model: Annotated[str, option("model", "a name from `streamseg models`, or an .onnx file", "NAME|FILE")] = (
        DEFAULT_MODEL
    )
    settings: Annotated[
        dict[str, Any], option("model", "a setting of the model, such as value=128; may be repeated", "KEY=VALUE")
    ] = {}
    tiles: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Literal["auto"] | None,
        option("model", "look in overlapping tiles: auto, or how many along the longer side", "N|auto"),
    ] = None
    steady: Annotated[bool, option("picture", "take the flicker out of masks")] = True
    target: Annotated[Target | None, option("speed", "aim", "GOAL", default="fps live, else quality")] = None
    effort: Annotated[
        Effort | None,
        option(
            "speed",
            "how much is spent on carrying and steadying masks",
            "NAME",
            default="live by the time that is left, quick in files",
            rare=True,
        ),
    ] = None
    backend: Annotated[
        str | None,
        option(
            "speed",
            "what runs the network, or servers as kserve:grpc://HOST:8001/MODEL",
            "NAME",
            choices=BACKEND_NAMES,
            default="the best here",
        ),
    ] = None
    workers: Annotated[
        _Count | None,
        option("speed", "networks side by side on a file", "N", default="one a core, two on a GPU", rare=True),
    ] = None
    threads: Annotated[
        _Count | None,
        option("speed", "threads of each network", "N", default="the cores, shared among them", rare=True),
    ] = None

    zones: Annotated[
        dict[str, Annotated[Polygon, Meta(title="a list of corners")]],
        option("rules", "an area by its corners, as NAME=0,0.5 1,0.5 1,1; may be repeated", "NAME=POINTS", rare=True),
    ] = {}
    lines: Annotated[
        dict[str, Annotated[Line, Meta(title="a list of two ends")]],
        option("rules", "what objects cross, by its two ends; may be repeated", "NAME=POINTS", rare=True),
    ] = {}
    ground: Annotated[
        Annotated[Ground, Meta(title="four points")] | None,
        option(
            "rules",
            "four points of the ground, each x,y in the picture and x,y in metres, for speeds in m/s",
            "POINTS",
            rare=True,
        ),
    ] = None
    rules: Annotated[
        dict[str, Annotated[Rule, Meta(title="a rule")]],
        option(
            "rules", "what makes an event, as NAME=person.count in ZONE >= 1; may be repeated", "NAME=RULE", rare=True
        ),
    ] = {}

    render: RenderOptions = RenderOptions()
    privacy: PrivacyOptions = PrivacyOptions()
    capture: SourceOptions = SourceOptions(wait=True)

    def __post_init__(self) -> None:
        if self.source == ():
            raise ValueError("no source is named")
        if any("\0" in text for text in (self.source_text, *self.outputs, self.model, self.render.background or "")):
            raise ValueError("a name holds a NUL, which no file can")

    @property
    def uri(self) -> str | tuple[str, ...]:
        """The name of the source, or those of several files."""
        if isinstance(self.source, tuple):
            return self.source if len(self.source) > 1 else self.source[0]
        return str(self.source)

    @property
    def source_text(self) -> str:
        """The same in one text, for people."""
        return self.uri if isinstance(self.uri, str) else ", ".join(self.uri)


class FlatOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same as a person writes them, all on one level: keys in YAML and, with dashes, flags."""

    def __post_init__(self) -> None:
        self.grouped()

    def grouped(self) -> RunOptions:
        """The options that these are.

        Raises:
            ValueError: they contradict one another.
        """
        return self._made(RunOptions)

    def _made(self, kind: type[Group]) -> Group:
        values = {
            each.name: self._made(type(each.default)) if _is_group(each) else getattr(self, each.encode_name)
            for each in _fields(kind)
        }
        return kind(**values)


_fields = functools.cache(fields)  # which reads the types out of their words each time


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.default, msgspec.Struct)


def _flat(group: msgspec.Struct | type[msgspec.Struct]) -> Iterator[tuple[Any, ...]]:
    """Key, type and, where it has one, default of each option; it is the value in `group` where that is no type."""
    for each in fields(group):
        default = each.default if isinstance(group, type) else getattr(group, each.name)
        if _is_group(each):
            yield from _flat(default)
        elif each.default_factory is not msgspec.NODEFAULT:
            yield each.encode_name, each.type, msgspec.field(default_factory=each.default_factory)
        else:
            yield (each.encode_name, each.type) if each.required else (each.encode_name, each.type, default)


def _table(name: str, base: type[FlatOptions], rows: Iterable[tuple[Any, ...]]) -> type[FlatOptions]:
    made = msgspec.defstruct(name, rows, bases=(base,), frozen=True, forbid_unknown_fields=True, kw_only=True)
    return typing.cast("type[FlatOptions]", made)


OPTIONS = _table("OPTIONS", FlatOptions, _flat(RunOptions))
"""Every option with its type, range and default: what flags, configuration files and their reference are made of."""
ANY_SOURCE = _table("ANY_SOURCE", OPTIONS, [("source", _Source, "")])
"""The same where the source is named elsewhere."""


def read_config(path: Path, overrides: Mapping[str, object]) -> RunOptions:
    """The options in the YAML file `path`, with those in `overrides` put over them.

    Raises:
        InputError: the file cannot be read or does not fit; the message names the line.
    """
    tree = read_tree(path)
    if isinstance(tree.value, dict) and "streams" in tree.value:
        raise InputError(
            f"{path}: many streams are for a service", f"streamseg serve --config {shlex.quote(str(path))}"
        )
    written = tree.fit(ANY_SOURCE if "source" in overrides else OPTIONS)
    for at, problem in rule_problems(written.grouped()):
        raise tree.error(problem, *at)
    return make_options({**msgspec.structs.asdict(written), **overrides})


def rule_problems(options: RunOptions) -> Iterator[Problem]:
    """What is wrong with zones, lines and rules, whatever the model is."""
    return name_problems(options.zones, options.lines, options.rules, options.ground)


def make_options(values: Mapping[str, object]) -> RunOptions:
    """Options from names and values; text is read as the number or truth value that is wanted.

    Raises:
        InputError: one does not fit; the message names it.
    """
    if "source" not in values:
        raise InputError("no source is named")
    plain = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    try:
        options = fit(plain, OPTIONS, strict=False).grouped()
    except MisfitError as error:
        raise InputError(str(error)) from None
    if not options.privacy.classes and options.privacy.hide_with != PrivacyOptions().hide_with:
        raise InputError("hide_with: nothing is hidden", "--hide CLASS says what")
    return options

"""The half of the double of TensorRT that builds: an "engine" is the prepared ONNX file with its profile before it."""

from __future__ import annotations

import enum
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import onnx

from tests.parts.cuda_errors import must
from tests.parts.fake_cuda import FakeGpu

MAGIC = b"engine of the double\n"
ComputeCapability = enum.Enum("ComputeCapability", ["SM75", "SM80", "SM86", "SM89", "SM120", "CURRENT"])
NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1})


class Dims:
    """A sequence, but no tuple."""

    def __init__(self, sides: Sequence[int]) -> None:
        self._sides = list(sides)

    def __len__(self) -> int:
        return len(self._sides)

    def __getitem__(self, index: int) -> int:
        return self._sides[index]

    def as_tuple(self) -> tuple[int, ...]:
        """For the double itself."""
        return tuple(self._sides)


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    INTERNAL_ERROR, ERROR, WARNING = Severity.INTERNAL_ERROR, Severity.ERROR, Severity.WARNING

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    pass


class World:
    """The library as loaded once: its version, its one logger, and what is to go wrong."""

    def __init__(self, gpu: FakeGpu, version: str) -> None:
        self.gpu, self.version = gpu, version
        self.logger: ILogger | None = None
        self.faults: dict[str, int] = {}
        """What fails how often, by its name here."""
        self.refusal = ""
        """Why no engine is loaded any more."""
        self.null: set[str] = set()
        """Classes whose constructor answers null, as all do where CUDA does not start."""
        self.chips: list[str] = []
        """What engines are for; empty: for the GPU of this machine."""
        self.builds = 0
        self.engines = 0
        """How often one was loaded."""
        self.on_load: Callable[[], object] = lambda: None
        """Called before an engine is loaded."""
        self.on_step: Callable[[], object] = lambda: None
        """Called after each step of a build."""
        self.passes = 0
        """How often any execution context was asked for one, recorded ones included."""
        self.compiled = 0
        """How often TensorRT-RTX compiled something that was not in its cache."""
        self.graphs = False
        """Whether the last execution context was asked for CUDA graphs."""

    def heard(self, logger: ILogger) -> None:
        must(self.logger in (None, logger), "there is one logger for everything")
        self.logger = logger

    def fails(self, what: str) -> bool:
        left = self.faults.get(what, 0)
        self.faults[what] = max(0, left - 1)
        return left > 0

    def made(self, name: str, logger: ILogger) -> None:
        """A constructor's first step."""
        self.heard(logger)
        if name in self.null:
            self.say("CUDA initialization failure with error: 35. Please check your CUDA installation")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def say(self, text: str) -> None:
        """The reason comes last, behind a warning about something else and from a thread of the library's own."""
        logger = self.logger
        assert logger is not None
        said = [(ILogger.Severity.WARNING, "Using default stream may cause delays"), (ILogger.Severity.ERROR, text)]
        thread = threading.Thread(target=lambda: [*itertools.starmap(logger.log, said)])
        thread.start()
        thread.join()

    def chip(self) -> str:
        """The GPU of this machine, as engines call it."""
        return "sm{}{}".format(*self.gpu.capability)

    def current(self, what: str) -> None:
        must(bool(self.gpu.stack), f"{what} needs a CUDA context that is current")


class Network:
    def __init__(self) -> None:
        self.model: onnx.ModelProto | None = None

    @property
    def num_layers(self) -> int:
        assert self.model is not None
        return len(self.model.graph.node)


class ParserError:
    def desc(self) -> str:
        return "no importer for the operator"

    def node_name(self) -> str:
        return "the_odd_one"


class Profile:
    def __init__(self, world: World) -> None:
        self._world = world
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        if self._world.fails("set_shape"):
            raise RuntimeError("Shape provided for input is inconsistent")
        ordered = all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True))
        if ordered:  # the real one says nothing either
            self.shapes[input] = [list(min), list(opt), list(max)]


class Config:
    def __init__(self) -> None:
        self.profiles: list[Profile] = []
        self.progress_monitor: Any = None

    num_compute_capabilities = 0
    _target: ComputeCapability | None = None

    def set_compute_capability(self, compute_capability: ComputeCapability, index: int) -> bool:
        must(index < self.num_compute_capabilities, "how many there are is said first")
        self._target = compute_capability
        return True

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    def __init__(self, world: World, logger: ILogger) -> None:
        world.made("Builder", logger)
        self._world = world

    def create_network(self, flags: int = 0) -> Network:
        must(flags == 1 << 1, "networks are strongly typed")
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile(self._world)

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        world = self._world
        world.current("a build")
        world.builds += 1
        must(network.model is not None, "a network is parsed before it is built")
        assert network.model is not None
        if world.fails("build"):
            world.say("could not find any implementation for node the_odd_one")
            return None
        if not _watched(config.progress_monitor, world.on_step):
            return None
        known = {name: shape for profile in config.profiles for name, shape in profile.shapes.items()}
        if set(known) != {value.name for value in network.model.graph.input}:
            world.say("network has dynamic inputs, but no optimization profile has been defined")
            return None
        world.chips = world.chips and [config._target.name.lower() if config._target else world.chip()]
        header = json.dumps({"version": world.version, "shapes": known, "chips": world.chips}).encode()
        model: bytes = network.model.SerializeToString()
        return MAGIC + header + b"\n" + model


class OnnxParser:
    def __init__(self, world: World, network: Network, logger: ILogger) -> None:
        world.made("OnnxParser", logger)
        self._world, self._network = world, network
        self.num_errors = 0

    def parse(self, model: bytes) -> bool:
        if self._world.fails("parse"):
            self.num_errors = 1
            return False
        self._network.model = onnx.load_from_string(model)
        return True

    def get_error(self, index: int) -> ParserError:
        return ParserError()


def _watched(monitor: Any, on_step: Callable[[], object]) -> bool:
    """Tells the monitor of phases within phases, from a thread that is not the program's own; the inner ones are long.

    A step that is answered with False is the last.
    """
    answers = [True]

    def tell() -> None:
        monitor.phase_start("Building", None, 3)
        for step in range(3):
            monitor.phase_start("Tactics", "Building", 20)
            done = all(stepped("Tactics", inner) for inner in range(20))
            monitor.phase_finish("Tactics")
            if not done or not stepped("Building", step):
                break
        monitor.phase_finish("Building")

    def stepped(phase: str, step: int) -> bool:
        answers.append(monitor.step_complete(phase, step))
        on_step()
        return answers[-1]

    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    return answers[-1]

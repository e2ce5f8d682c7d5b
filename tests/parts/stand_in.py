"""The real pycuda or cuda-bindings on a driver that stands in for NVIDIA's: C compiled here, and the attributes of the
double of a GPU. FFmpeg's own code for CUDA runs on it as well, and decodes by a library that stands in for NVDEC.

Only for a process of its own: whatever asks for libcuda.so.1 afterwards gets this one.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import subprocess
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from tests.parts import host_kernels

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("stand_in_cuda.c")
PARTS = ROOT / ".cache" / "gpu" / f"cp{sys.version_info.major}{sys.version_info.minor}"
PACKAGES = ("pycuda", "cuda-bindings")
PACKAGE = "REAL_CUDA_PACKAGE"
"""One of `PACKAGES` in the environment of a process whose doubles run on the real one; streamseg's own variables are
hidden from tests."""
_LAUNCH_FAILED, _NO_DEVICE = 719, 100


def part(name: str) -> Path | None:
    """The folder of a real part that `tools/gpu_parts.py` made; None where it is not there."""
    folder = PARTS / name
    return folder if folder.is_dir() else None


def compile_driver(target: Path, users: list[Path]) -> Path:
    """libcuda.so.1 in the folder `target`; what `users` or FFmpeg want of it and it has not answers "not supported"."""
    wanted = _named_in_ffmpeg("libavutil", "cu[A-Z]")
    for user in users:
        listed = subprocess.run(
            ["nm", "--dynamic", "--undefined-only", str(user)], capture_output=True, text=True, check=True
        )
        wanted |= set(re.findall(r" U (cu[A-Z]\w+)$", listed.stdout, re.MULTILINE))
    return _compile(target / "libcuda.so.1", SOURCE, wanted, "-ldl", "-lpthread")


def compile_decoder(driver: Path) -> Path:
    """libnvcuvid.so.1 beside `driver`."""
    wanted = _named_in_ffmpeg("libavcodec", "cuvid[A-Z]")
    return _compile(driver.with_name("libnvcuvid.so.1"), SOURCE.with_name("stand_in_cuvid.c"), wanted, str(driver))


def _compile(library: Path, source: Path, wanted: set[str], *more: str) -> Path:
    rest = library.with_name(f"{source.stem}_rest.c")
    rest.write_text("".join(f"__attribute__((weak)) int {name}(void) {{ return 801; }}\n" for name in sorted(wanted)))
    command = ["gcc", "-O1", "-w", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", str(library)]
    subprocess.run([*command, str(source), str(rest), *more], check=True)
    return library


def _named_in_ffmpeg(library: str, pattern: str) -> set[str]:
    """Functions that FFmpeg looks up by name while it runs, as PyAV's packages hold it."""
    found: set[str] = set()
    for file in Path(av.__file__).parents[1].glob(f"av.libs/{library}-*.so*"):
        found |= {name.decode() for name in re.findall(rf"\0({pattern}\w+)(?=\0)".encode(), file.read_bytes())}
    return found


def environment(folder: Path, *names: str, driver: bool = True) -> dict[str, str]:
    """For a process with these real parts and, in `folder`, the driver that stands in; skips without the parts."""
    missing = [name for name in names if part(name) is None]
    if missing:
        pytest.skip(f"without {', '.join(missing)}: python tools/gpu_parts.py")
    found = [folder_of for name in names if (folder_of := part(name))]
    libraries = [str(each / "lib") for each in found if (each / "lib").is_dir()]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*found, ROOT])), "PYTHONWARNINGS": "error"}
    if driver:
        users = [file for each in found for file in each.glob("pycuda/_driver*.so")]
        users += [file for each in found for file in each.glob("**/libonnxruntime_providers_cuda.so")]
        compile_driver(folder, users)
        libraries.append(str(folder))
        variables["STAND_IN_KERNELS"] = str(host_kernels.compile_kernels(folder))
    return variables | {"LD_LIBRARY_PATH": os.pathsep.join(libraries), "XDG_CACHE_HOME": str(folder / "cache")}


class _State(ctypes.Structure):
    """`State` of the source."""

    _fields_ = [
        *((name, ctypes.c_long) for name in (
            "fatal", "fatal_pop", "count", "init_code", "major", "minor", "processors", "room", "held", "pages",
            "streams", "events", "modules", "retained", "uploaded", "downloaded", "slept", "spun", "meet",
            "most_in_flight", "graphs", "recorded", "replayed", "waits_asleep", "fatal_alone",
        )),
        ("uploads", ctypes.c_long * 4),
        ("name", ctypes.c_char * 64),
    ]  # fmt: skip


class Driver:
    """The library, loaded once for all tests of a process, and what it counts."""

    def __init__(self, kernels: Path, package: str) -> None:
        real = part(package)
        assert real, "python tools/gpu_parts.py"
        folder = Path(tempfile.mkdtemp())
        file = compile_driver(folder, [*real.glob("pycuda/_driver*.so")])
        self.library = ctypes.CDLL(str(file))
        self.decoder = ctypes.CDLL(str(compile_decoder(file)))
        os.environ["STAND_IN_KERNELS"] = str(kernels)
        self.state = _State.in_dll(self.library, "stand_in")
        self._fresh = bytes(self.state)
        sys.path.insert(0, str(real))
        self.modules: dict[str, ModuleType] = {}
        """By the names that streamseg imports."""
        for name in ("pycuda", "pycuda.driver") if package == "pycuda" else ("cuda.bindings", "cuda.bindings.driver"):
            self.modules[name] = importlib.import_module(name)

    def reset(self) -> None:
        """As when it was loaded, but for the context, which is retained once."""
        retained, asleep = self.state.retained, self.state.waits_asleep
        ctypes.memmove(ctypes.byref(self.state), self._fresh, len(self._fresh))
        self.state.retained, self.state.waits_asleep = retained, asleep


class _Stream:
    """A stream as the double of TensorRT puts its passes into one."""

    def __init__(self, library: Any, handle: int) -> None:
        self._library, self._handle = library, handle
        self.waiting = ()  # whether work is under way, the driver knows alone
        self._kept: list[object] = []

    def put(self, work: Callable[[], None]) -> None:
        held = [work]
        again = self._library.stand_in_recording(ctypes.c_void_p(self._handle))
        # Which keeps nothing alive once it was called, but in a graph, where it is called again.
        callback = ctypes.CFUNCTYPE(None)(work if again else lambda: held.pop()())
        self._kept.append(callback)
        self._library.stand_in_put(ctypes.c_void_p(self._handle), callback)


class _Streams:
    def __init__(self, library: Any) -> None:
        self._library = library
        self._known: dict[int, _Stream] = {}

    def __contains__(self, handle: int) -> bool:
        return handle != 0

    def __getitem__(self, handle: int) -> _Stream:
        return self._known.setdefault(handle, _Stream(self._library, handle))


class StandInGpu:
    """What tests look at and change of a `FakeGpu`, of the driver that stands in."""

    def __init__(self, driver: Driver) -> None:
        self._driver, self._state = driver, driver.state
        driver.reset()
        self.refuse(b"")
        self.streams = _Streams(driver.library)
        self.kept: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
        self.broken: list[str] = []
        self.kernels: dict[str, object] = {}
        self.room_bytes = int(self._state.room)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, _NAMES[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _NAMES:
            setattr(self._state, _NAMES[name], value)
        elif name in _TOLD:
            for field, told in _TOLD[name](self, value).items():
                setattr(self._state, field, told)
            super().__setattr__(f"_{name}", value)
        else:
            super().__setattr__(name, value)

    @property
    def stack(self) -> range:
        """As long as this thread's."""
        return range(self._driver.library.stand_in_depth())

    @property
    def name(self) -> str:
        """Of every device."""
        return bytes(self._state.name).decode()

    @property
    def number(self) -> int:
        """The device whose context is current."""
        return int(self._driver.library.stand_in_current())

    @property
    def uploads(self) -> Counter[int]:
        """Copies to each device."""
        return Counter(dict(enumerate(self._state.uploads)))

    @property
    def failed(self) -> bool:
        """Whether the device whose context is current is lost."""
        return self.lost and self._state.fatal_alone in (0, 1 + self.number)

    def device_of(self, address: int) -> int:
        """The device whose memory that is; the current one's where it is nobody's."""
        return int(self._driver.library.stand_in_device_of(ctypes.c_void_p(address)))

    def records(self, handle: int) -> bool:
        """Whether what is put into that stream goes into a graph."""
        return bool(self._driver.library.stand_in_recording(ctypes.c_void_p(handle)))

    def spoil(self) -> None:
        """What no graph can hold: memory allocated in the thread that records."""
        self._driver.library.cuMemAlloc_v2(ctypes.byref(ctypes.c_void_p()), ctypes.c_size_t(1))

    @property
    def capability(self) -> tuple[int, int]:
        return int(self._state.major), int(self._state.minor)

    @property
    def lost(self) -> bool:
        return bool(self._state.fatal)

    @property
    def held_bytes(self) -> int:
        return int(self._state.held) + sum(self.kept.values())

    def has_room(self, size: int) -> bool:
        return bool(self.held_bytes + size <= self._room_bytes)

    def refuse(self, image: bytes) -> None:
        """Kernels that hold none for this GPU."""
        self._refused = image
        self._driver.library.stand_in_refuse(ctypes.c_char_p(image), ctypes.c_size_t(len(image)))

    def view(self, address: int, size: int) -> Any:
        """What lies there, which must have been allocated."""
        assert self._driver.library.stand_in_living(ctypes.c_void_p(address), ctypes.c_size_t(size))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def leaks(self) -> list[str]:
        """What was not given back."""
        state = self._state
        counts = {"bytes of GPU memory": state.held, "page-locked": state.pages, "streams": state.streams}
        counts |= {
            "graphs": state.graphs,
            "events": state.events,
            "modules": state.modules,
            "on this thread's stack": len(self.stack),
        }
        counts |= {"bytes of engines": sum(self.kept.values())}
        return [f"{count} {what}" for what, count in counts.items() if count]


_NAMES = {
    "processors": "processors", "count": "count", "uploaded_bytes": "uploaded", "downloaded_bytes": "downloaded",
    "most_in_flight": "most_in_flight", "slept": "slept", "spun": "spun", "fatal_pop": "fatal_pop",
    "recorded": "recorded", "replayed": "replayed",
}  # fmt: skip
_TOLD: dict[str, Callable[[StandInGpu, Any], dict[str, object]]] = {
    "name": lambda gpu, name: {"name": name.encode()},
    "capability": lambda gpu, pair: {"major": pair[0], "minor": pair[1]},
    "lost": lambda gpu, lost: {"fatal": _LAUNCH_FAILED * bool(lost)},
    "lost_alone": lambda gpu, number: {"fatal_alone": 0 if number is None else 1 + number},
    "init_error": lambda gpu, text: {"init_code": _NO_DEVICE},
    "room_bytes": lambda gpu, size: {"room": size - sum(gpu.kept.values())},
    "meet": lambda gpu, barrier: {"meet": barrier.parties if barrier else 0},
}

"""High dynamic range (PQ and HLG, as televisions and telephones record it) made what any other video is: BT.709.

Light is brought to a range that a plain picture has by the curve of ITU-R BT.2390-11, 5.4: diffuse white, 203 cd/m2 by
BT.2408, is the brightest that comes out, and what is half as bright or less stays as it was. Sources are taken to
reach 1,000 cd/m2; what is brighter is white. One table over all colours, which FFmpeg interpolates, does all of it.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.capture.orientation import Chain

Light: TypeAlias = NDArray[np.float64]

PQ, HLG = 16, 18
"""Transfer characteristics in ITU-T H.273."""
_NAMES = {PQ: "pq", HLG: "hlg"}
_SIDE = 49  # entries of the table along each colour: within a level of 255, but for the most vivid colours
_BRIGHTEST, _WHITE = 1000.0, 203.0  # cd/m2
# ITU-R BT.2087, 2: linear light of BT.2020's colours as BT.709's.
_TO_BT709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)


def tone_mapping(transfer: int) -> Chain:
    """The filters for video of this transfer; none for what has a plain range already."""
    if transfer not in _NAMES:
        return ()
    return (
        ("format", "gbrp16le"),  # FFmpeg's vector code knows tables for this one: a quarter of the time of gbrp10le
        ("lut3d", _NAMES[transfer]),
        ("scale", "out_color_matrix=bt709:out_range=limited"),
        ("format", "yuv420p"),
        ("setparams", "colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=limited"),
    )


@contextlib.contextmanager
def table_file(name: str) -> Iterator[str]:
    """The path of a table as FFmpeg reads it, `.cube`, for as long as it takes to read it."""
    with tempfile.NamedTemporaryFile("w", suffix=".cube") as file:
        file.write(_cube(name))
        file.flush()
        yield file.name


@functools.cache
def _cube(name: str) -> str:
    """Red varies fastest, as the format wants it."""
    axis = np.linspace(0, 1, _SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    table = plain(np.stack([red, green, blue], -1).reshape(-1, 3), name)
    return f"LUT_3D_SIZE {_SIDE}\n" + "%.5f %.5f %.5f\n" * len(table) % tuple(table.ravel().tolist())


def plain(signal: Light, name: str) -> Light:
    """(n, 3) RGB of BT.2020 in PQ or HLG, 0 to 1, as RGB of BT.709, 0 to 1."""
    light = _FROM_SIGNAL[name](signal)
    light = np.maximum(_compressed(light) @ _TO_BT709.T, 0) / _WHITE
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.4))  # ITU-R BT.1886, as screens show BT.709


def _compressed(light: Light) -> Light:
    """Light of at most `_WHITE`: the brightest of the three decides, so that colours keep their hue."""
    brightest = light.max(-1, keepdims=True)
    return np.asarray(light * (_pq_light(_rolled_off(_pq_signal(brightest))) / np.maximum(brightest, 1e-6)))


def _rolled_off(signal: Light) -> Light:
    """BT.2390's EETF: straight up to the knee, then a Hermite spline that ends level."""
    source, target = float(_pq_signal(np.array(_BRIGHTEST))), float(_pq_signal(np.array(_WHITE)))
    e, top = np.minimum(signal / source, 1), target / source
    knee = 1.5 * top - 0.5
    t = np.maximum(e - knee, 0) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
    return np.where(e < knee, e, bent) * source


def _pq_light(signal: Light) -> Light:
    """SMPTE ST 2084: cd/m2 of a signal."""
    power = np.maximum(signal, 0) ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _pq_signal(light: Light) -> Light:
    power = (np.maximum(light, 0) / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_light(signal: Light) -> Light:
    """ITU-R BT.2100: cd/m2 on a screen of 1,000, whose gamma is 1.2."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    return np.asarray(_BRIGHTEST * scene * np.maximum(scene @ _LUMA, 1e-9)[:, None] ** 0.2)


_FROM_SIGNAL: dict[str, Callable[[Light], Light]] = {"pq": _pq_light, "hlg": _hlg_light}

"""Pictures of every kind that a file may hold, with what is to be seen in them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import tifffile
from numpy.typing import NDArray

from streamseg.frame import Image

Kind = Callable[[Path], list[Image]]
"""Writes a file, and gives the pictures to be seen in it."""
HEIGHT, WIDTH = 48, 80


def soft(seed: int = 0) -> Image:
    """A picture of all colours without sharp edges, from 0 to 255 in each; no two seeds give the same."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    low, high = image.min((0, 1)).astype(float), image.max((0, 1)).astype(float)
    return np.asarray(np.rint((image - low) * 255 / (high - low)), np.uint8)


def grey(seed: int = 0) -> NDArray[np.uint8]:
    return np.ascontiguousarray(soft(seed)[..., 1])


def as_bgr(image: NDArray[Any]) -> Image:
    return np.repeat(np.asarray(image, np.uint8)[..., None], 3, 2)


def stack(values: Callable[[NDArray[np.uint8]], NDArray[Any]], count: int = 5, **how: Any) -> Kind:
    """A TIFF of grey pages with these values, whose range over all pages is that of 0 to 255."""

    def write(path: Path) -> list[Image]:
        pages = [grey(seed) for seed in range(count)]
        tifffile.imwrite(path, np.stack([values(page) for page in pages]), **{"photometric": "minisblack", **how})
        return [as_bgr(page) for page in pages]

    return write


def coloured(change: Callable[[Image], NDArray[Any]] = lambda rgb: rgb, **how: Any) -> Kind:
    def write(path: Path) -> list[Image]:
        image = soft()
        tifffile.imwrite(path, change(np.ascontiguousarray(image[..., ::-1])), **{"photometric": "rgb", **how})
        return [image]

    return write


def by_pillow(mode: str, compression: str, count: int = 2) -> Kind:
    """Pages as libtiff compresses them."""

    def write(path: Path) -> list[Image]:
        colours = [soft(seed) for seed in range(count)]
        made = {
            "L": lambda: [PIL.Image.fromarray(image[..., 1]) for image in colours],
            "I;16": lambda: [PIL.Image.fromarray(image[..., 1].astype(np.uint16) * 16) for image in colours],
            "F": lambda: [PIL.Image.fromarray(image[..., 1].astype(np.float32) / 99 - 1) for image in colours],
            "RGB": lambda: [PIL.Image.fromarray(np.ascontiguousarray(image[..., ::-1])) for image in colours],
            "P": lambda: [PIL.Image.fromarray(np.ascontiguousarray(i[..., ::-1])).quantize(200) for i in colours],
            "1": lambda: [PIL.Image.fromarray(image[..., 1] > 127) for image in colours],
            "CMYK": lambda: [PIL.Image.fromarray(i[..., ::-1].copy()).convert("CMYK") for i in colours],
        }[mode]()
        made[0].save(path, "TIFF", compression=compression, save_all=True, append_images=made[1:])
        if mode in ("I;16", "F", "L"):
            return [as_bgr(image[..., 1]) for image in colours]
        return [np.asarray(each.convert("RGB"))[..., ::-1] for each in made]

    return write


def palette(path: Path) -> list[Image]:
    ramp = np.arange(256, dtype=np.uint16)
    table = np.stack([ramp * 257, (255 - ramp) * 257, np.full(256, 99 * 257, np.uint16)])
    tifffile.imwrite(path, np.stack([grey(0), grey(1)]), photometric="palette", colormap=table)
    return [np.dstack([np.full((HEIGHT, WIDTH), 99, np.uint8), 255 - page, page]) for page in (grey(0), grey(1))]


def with_a_smaller_copy(path: Path) -> list[Image]:
    with tifffile.TiffWriter(path) as writer:
        for seed in range(2):
            writer.write(grey(seed), photometric="minisblack")
            writer.write(grey(seed)[::4, ::4], photometric="minisblack", subfiletype=1)
    return [as_bgr(grey(0)), as_bgr(grey(1))]


def pages_of_all_sizes(path: Path) -> list[Image]:
    tifffile.imwrite(path, grey(0), photometric="minisblack")
    tifffile.imwrite(path, soft(1)[:20, ::-1, ::-1].copy(), photometric="rgb", append=True)
    return [as_bgr(grey(0)), soft(1)[:20, ::-1]]


def _twelve_bits(page: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return page.astype(np.uint16) * 16 + 15


TIFFS: dict[str, Kind] = {
    "bytes": stack(lambda page: page),
    "12 bits in 16": stack(_twelve_bits),
    "16 bits, big end first": stack(lambda page: page.astype(np.uint16) * 257, byteorder=">"),
    "big tiff": stack(_twelve_bits, bigtiff=True),
    "tiles": stack(_twelve_bits, tile=(16, 16)),
    "tiles, deflate": stack(_twelve_bits, tile=(16, 16), compression="zlib"),
    "float 32": stack(lambda page: page.astype(np.float32) / 100 - 1),
    "float 64": stack(lambda page: page.astype(np.float64) / 100 - 1),
    "float 32, deflate": stack(lambda page: page.astype(np.float32) / 100 - 1, compression="zlib"),
    "16 bits with a sign": stack(lambda page: page.astype(np.int16) * 9 - 700),
    "32 bits": stack(lambda page: page.astype(np.uint32) * 70_000),
    "white is 0": stack(lambda page: 255 - page, photometric="miniswhite"),
    "white is 0, 12 bits": stack(lambda page: _twelve_bits(255 - page), photometric="miniswhite"),
    "imagej": stack(lambda page: _twelve_bits(page), 6, imagej=True),
    "imagej, pages not announced": stack(_twelve_bits, 6, imagej=True, truncate=True),
    "pages not announced": stack(_twelve_bits, 6, truncate=True),
    "ome": stack(_twelve_bits, 6, ome=True),
    "planes of colours": coloured(lambda rgb: np.moveaxis(rgb, -1, 0).copy(), planarconfig="separate"),
    "planes of colours, deflate": coloured(
        lambda rgb: np.moveaxis(rgb, -1, 0).copy(), planarconfig="separate", compression="zlib"
    ),
    "colours of 16 bits": coloured(lambda rgb: rgb.astype(np.uint16) * 257),
    "colours of 16 bits, deflate": coloured(lambda rgb: rgb.astype(np.uint16) * 257, compression="zlib"),
    "colours and alpha": coloured(lambda rgb: np.dstack([rgb, grey()]), extrasamples=["unassalpha"]),
    "palette": palette,
    "with a smaller copy": with_a_smaller_copy,
    "pages of all sizes": pages_of_all_sizes,
    **{
        f"{mode}, {compression}": by_pillow(mode, compression)
        for mode in ("L", "I;16", "F", "RGB", "P", "1")
        for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
    },
    "CMYK, tiff_lzw": by_pillow("CMYK", "tiff_lzw"),
    "fax": by_pillow("1", "group4"),
}
"""What microscopes, scanners and programs write; more than 8 bits use exactly what becomes 0 to 255."""


def animation(path: Path, durations_ms: list[int], **how: Any) -> list[Image]:
    """An animation in the format that `path` names, without loss."""
    images = [soft(seed) for seed in range(len(durations_ms))]
    made = [PIL.Image.fromarray(np.ascontiguousarray(image[..., ::-1])) for image in images]
    made[0].save(path, save_all=True, append_images=made[1:], duration=durations_ms, loop=0, **how)
    return images


def held(path: Path, orientation: int, image: NDArray[Any]) -> Path:
    """A picture whose Exif (or TIFF) says how the camera was held; RGB, or grey of 8 or 16 bits."""
    made, exif = PIL.Image.fromarray(image), PIL.Image.Exif()
    exif[0x0112] = orientation
    if path.suffix == ".tif":
        made.save(path, tiffinfo={0x0112: orientation}, compression="tiff_lzw" if "lzw" in path.name else None)
    else:
        made.save(path, exif=exif.tobytes(), quality=98)
    return path


def as_seen(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """By the table of Exif: where row 0 and column 0 of the stored picture are."""
    stored = image.swapaxes(0, 1) if orientation > 4 else image
    return stored[:: -1 if orientation in (3, 4, 7, 8) else 1, :: -1 if orientation in (2, 3, 6, 7) else 1]


def tiff_of(*entries: tuple[int, int, int, int], next_at: int = 0) -> bytes:
    """A little-endian TIFF of one directory: tag, type, count and value of each entry."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", next_at)

"""What was found in one image, at the size of that image: drawn, and converted to what other tools take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg import installing
from streamseg.coco import CocoAnnotation, MaskFormat, encode_rle, polygons
from streamseg.contracts import Controls, Shown, ViewLike
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, ImageLike, as_image, checked_image
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.segmentation import Classes, Instances, Segmentation

if TYPE_CHECKING:
    import supervision
    from PIL.Image import Image as PilImage


class _Region(NamedTuple):
    """An instance, or all pixels of a class where the model finds no instances."""

    class_id: int
    score: float
    track_id: int
    """-1 where it is not tracked."""
    box: NDArray[np.float32]
    """(4,) f32: left, top, right, bottom in pixels."""
    mask: NDArray[np.bool_]
    """(H, W) bool."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A `Segmentation`, and the size of the image that it was found in."""

    segmentation: Segmentation
    height: int
    """Of the image, px."""
    width: int

    @classmethod
    def of(cls, shown: Shown) -> Result:
        """The result of one frame of a stream."""
        return cls(shown.segmentation, shown.frame.height, shown.frame.width)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(h, w) u8 class ids at the network's resolution, over the whole image: see `full_labels`."""
        return self.segmentation.labels

    @property
    def confidence(self) -> NDArray[np.uint8] | None:
        """(h, w) u8, 0..255 for 0..1: how sure each label is; None where the model cannot tell."""
        return self.segmentation.confidence

    @property
    def classes(self) -> Classes:
        """Names and colours behind the class ids."""
        return self.segmentation.classes

    @property
    def instances(self) -> Instances | None:
        """Objects with boxes in pixels of the image; None where the model finds classes alone."""
        return self.segmentation.instances

    def areas(self) -> NDArray[np.float64]:
        """Share of the image under each class, (C,) f64, 0..1."""
        return self.segmentation.areas()

    def full_labels(self) -> NDArray[np.uint8]:
        """(H, W) u8 class ids at the size of the image."""
        size = (self.width, self.height)
        return np.asarray(cv2.resize(self.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    def draw(
        self,
        bgr: ImageLike,
        view: ViewLike = "overlay",
        *,
        opacity: float = 0.5,
        outline: bool = False,
        legend: bool = False,
    ) -> Image:
        """A new picture, (H, W, 3) u8 BGR, of `bgr` with the masks, as outputs show it; `bgr` stays as it is.

        Args:
            bgr: (H, W, 3) u8: the image that was segmented, or another of the same size.
            view: a name such as `overlay`, `blur`, `mask`, or a function that fills a picture.
            opacity: of the colours, 0..1.
            outline: draws the borders of the masks.
            legend: draws names and shares of the classes.

        Raises:
            InputError: there is no such view, or `bgr` is no image of this size.
        """
        image = checked_image(bgr)
        if image.shape[:2] != (self.height, self.width):
            raise InputError(
                f"the result is of {self.width}x{self.height}, the image {image.shape[1]}x{image.shape[0]}"
            )
        frame = Frame(image, self.segmentation.frame_index, self.segmentation.frame_time_s, time.monotonic())
        options = RenderOptions(opacity=opacity, outline=outline, legend=legend)
        return as_image(make_renderer(options, Controls(), view)(frame, self.segmentation, Meter().read()))

    def to_supervision(self) -> supervision.Detections:
        """`supervision.Detections` with masks: the instances, or one detection for each class in the image.

        Raises:
            InputError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError:
            raise InputError("supervision is not installed", installing.package("supervision")) from None
        regions = list(self._regions())
        if not regions:
            return supervision.Detections.empty()
        class_ids = np.array([region.class_id for region in regions], int)
        return supervision.Detections(
            xyxy=np.stack([region.box for region in regions]),
            mask=np.stack([region.mask for region in regions]),
            confidence=np.array([region.score for region in regions], np.float32),
            class_id=class_ids,
            tracker_id=_tracked(regions),
            data={"class_name": np.array(self.classes.names)[class_ids]},
        )

    def to_coco(self, image_id: int, masks: MaskFormat = "rle") -> list[CocoAnnotation]:
        """COCO's annotations of this image: the instances, or one for each class in the image.

        `category_id` is the class id as it stands; the background is left out.

        Args:
            image_id: of the image in the data set.
            masks: `rle`, compressed as `pycocotools` does it, or `polygon`, in which holes are filled.
        """
        return [_annotation(region, image_id, masks) for region in self._regions()]

    def to_pil(self) -> PilImage:
        """An indexed PIL image of mode P and the image's own size: class ids, with the classes' colours as palette."""
        import PIL.Image

        image = PIL.Image.fromarray(self.full_labels())
        image.putpalette(np.ascontiguousarray(self.classes.colours[:, ::-1]).tobytes())
        return image

    def to_dict(self) -> dict[str, object]:
        """Numbers and text alone, as JSON takes them: size, share of each class in 0..1, and instances.

        Masks are not in it: see `to_coco`.
        """
        shares = zip(self.classes.names, self.areas().tolist(), strict=True)
        found: dict[str, object] = {"width": self.width, "height": self.height, "areas": dict(shares)}
        if (objects := self.instances) is not None:
            columns = zip(objects.class_ids, objects.scores, objects.boxes, objects.track_ids, strict=True)
            found["instances"] = [
                {"class": self.classes.names[i], "score": float(score), "box": box.tolist(), "track_id": int(track_id)}
                for i, score, box, track_id in columns
            ]
        return found

    def _regions(self) -> Iterator[_Region]:
        return self._classes() if self.instances is None else self._objects(self.instances)

    def _objects(self, found: Instances) -> Iterator[_Region]:
        columns = zip(found.class_ids, found.scores, found.track_ids, found.boxes, strict=True)
        for i, (class_id, score, track_id, box) in enumerate(columns):
            mask = found.mask(i, (self.height, self.width))
            yield _Region(int(class_id), float(score), int(track_id), box, mask)

    def _classes(self) -> Iterator[_Region]:
        labels, confidence = self.full_labels(), self.confidence
        for class_id in np.unique(self.labels).tolist():
            if class_id == self.classes.background or class_id >= len(self.classes):
                continue
            mask = labels == class_id
            left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
            if not width:  # in a plane larger than the image
                continue
            score = 1.0 if confidence is None else float(confidence[self.labels == class_id].mean()) / 255
            box = np.array([left, top, left + width, top + height], np.float32)
            yield _Region(class_id, score, -1, box, mask)

    def __repr__(self) -> str:
        objects = "" if self.instances is None else f", {len(self.instances)} instances"
        return f"Result({self.width}x{self.height}, {len(self.classes)} classes{objects})"


def _tracked(regions: list[_Region]) -> NDArray[np.int_] | None:
    ids = np.array([region.track_id for region in regions], int)
    return ids if (ids >= 0).any() else None


def _annotation(region: _Region, image_id: int, masks: MaskFormat) -> CocoAnnotation:
    left, top, right, bottom = (round(float(side), 2) for side in region.box)
    return {
        "image_id": image_id,
        "category_id": region.class_id,
        "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "area": float(np.count_nonzero(region.mask)),
        "segmentation": encode_rle(region.mask) if masks == "rle" else polygons(region.mask),
        "score": round(region.score, 5),
        "iscrowd": 0,
    }

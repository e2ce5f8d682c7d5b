"""What was found in one image, at the size of that image: drawn, and converted to what other tools take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from streamseg import installing
from streamseg.coco import CocoAnnotation, MaskFormat
from streamseg.contracts import Controls, Shown, ViewLike
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, ImageLike, as_image, checked_image
from streamseg.masks import sampled
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.regions import Region, coco_annotations, regions
from streamseg.render import make_renderer
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.validation import plain

if TYPE_CHECKING:
    import supervision
    from PIL.Image import Image as PilImage


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
        return sampled(self.labels, (self.height, self.width))

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
            InputError: there is no such view, `bgr` is no image of this size, or the opacity is not 0 to 1.
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
        found, size = self._regions(), (self.height, self.width)
        if not found:
            return supervision.Detections.empty()
        class_ids = np.array([region.class_id for region in found], int)
        return supervision.Detections(
            xyxy=np.stack([region.box for region in found]),
            mask=np.stack([region.plane(size) for region in found]),
            confidence=np.array([region.score for region in found], np.float32),
            class_id=class_ids,
            tracker_id=_tracked(found),
            data={"class_name": np.array(self.classes.names)[class_ids]},
        )

    def to_coco(self, image_id: int, masks: MaskFormat = "rle") -> list[CocoAnnotation]:
        """COCO's annotations of this image: the instances, or one for each class in the image.

        `category_id` is the class id as it stands; the background is left out.

        Args:
            image_id: of the image in the data set.
            masks: `rle`, compressed as `pycocotools` does it, or `polygon`, in which holes are filled.

        Raises:
            InputError: `masks` is neither.
        """
        if masks not in get_args(MaskFormat):
            raise InputError(f"masks are {' or '.join(get_args(MaskFormat))}, not {masks!r}")
        return coco_annotations(self._regions(), (self.height, self.width), plain(image_id), masks)

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

    def _regions(self) -> list[Region]:
        return regions(self.segmentation, (self.height, self.width))

    def __repr__(self) -> str:
        objects = "" if self.instances is None else f", {len(self.instances)} instances"
        return f"Result({self.width}x{self.height}, {len(self.classes)} classes{objects})"


def _tracked(found: list[Region]) -> NDArray[np.int_] | None:
    ids = np.array([region.track_id for region in found], int)
    return ids if (ids >= 0).any() else None

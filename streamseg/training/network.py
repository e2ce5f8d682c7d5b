"""From a plan to a network, and from pictures to what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.infer.model.geometry import input_size
from streamseg.infer.model.spec import IMAGENET_MEAN, IMAGENET_STD, InputSpec
from streamseg.labelmap import VOID
from streamseg.training.deeplab import DeepLab
from streamseg.training.encoder import load_imagenet
from streamseg.training.fcn import FCN
from streamseg.training.maskrcnn import MaskRCNN
from streamseg.training.plan import Network, Plan
from streamseg.training.segnet import FastSegNet, SegNet
from streamseg.training.unet import FastUNet, TinyUNet, UNet
from streamseg.training.watershed import MAPS

GREY_MEAN, GREY_STD = (127.5,), (63.75,)


@dataclass(frozen=True, slots=True)
class Architecture:
    """How to make a network, and what it asks of a picture."""

    make: Callable[[Network, int, int], nn.Module]
    """Takes the plan's table, channels in and channels out."""
    stride: int
    """Both sides of a picture are made a multiple of this, so that features halve without a rest: those that are a
    fraction of a pixel off cost `street` 1.4 points of mIoU. 2 ** depth where the plan chooses the depth."""
    summary: str
    encoder: bool = False
    """Whether it has an `encoder` with ImageNet weights, which takes three channels."""
    gives: Literal["labels", "objects", "maps"] = "labels"
    """Maps are such as `infer.families.watershed` finds objects in, of any size and all of one class."""
    depths: range = range(1, 9)
    """What the plan may choose."""
    exact: bool = False
    """Whether it takes no sides but multiples of its stride; others learn the worse from them."""

    @property
    def instances(self) -> bool:
        """Whether it finds objects; the first class is then the background."""
        return self.gives != "labels"


_OF_ENCODER = range(2, 6)  # steps that it has, of which training looks at two

ARCHITECTURES: dict[str, Architecture] = {
    "unet-tiny": Architecture(
        lambda net, channels, out: TinyUNet(channels, out, width=net.width or 64),
        2, "the Keras tutorials' example: one pooling, no skips"),
    "unet": Architecture(
        lambda net, channels, out: UNet(channels, out, width=net.width or 64, depth=net.depth or 4),
        16, "the paper's, with concatenated skips", exact=True),
    "unet-lite0": Architecture(
        lambda net, channels, out: FastUNet(out, width=net.width or 96, depth=net.depth or 4),
        32, "ImageNet encoder, added skips: the fast one", encoder=True, depths=_OF_ENCODER),
    "unet-lite2": Architecture(
        lambda net, channels, out: FastUNet(out, width=net.width or 96, depth=net.depth or 4, size=2),
        32, "the same on a larger encoder: half as long again", encoder=True, depths=_OF_ENCODER),
    "fcn": Architecture(
        lambda net, channels, out: FCN(out, depth=net.depth or 3),
        32, "scores at 1/32, 1/16 and 1/8, summed", encoder=True),
    "segnet": Architecture(
        lambda net, channels, out: SegNet(channels, out, width=net.width or 64, depth=net.depth or 5),
        32, "pooling indices carried to the decoder", exact=True),
    "segnet-lite0": Architecture(
        lambda net, channels, out: FastSegNet(out, width=net.width or 64),
        32, "ImageNet encoder, pooling indices to the decoder", encoder=True, exact=True),
    "deeplab": Architecture(
        lambda net, channels, out: DeepLab(out, width=net.width or 128),
        32, "v3+: kernels with holes, a pyramid, a small decoder", encoder=True),
    "mask-rcnn": Architecture(
        lambda net, channels, out: MaskRCNN(out, width=net.width or 64),
        32, "objects: a box, a class and a mask for each", encoder=True, gives="objects"),
    "watershed-lite0": Architecture(
        lambda net, channels, out: FastUNet(MAPS, width=net.width or 64, depth=net.depth or 5),
        32, "objects of one class that touch: a U-Net, flooded", encoder=True, gives="maps", depths=_OF_ENCODER),
}  # fmt: skip


def architecture(plan: Plan) -> Architecture:
    """Raises InputError where the plan names none, or one that does not take its pictures."""
    found = ARCHITECTURES.get(plan.network.architecture)
    if found is None:
        raise InputError(
            f"network.architecture: no '{plan.network.architecture}'", f"one of {', '.join(ARCHITECTURES)}"
        )
    if found.encoder and plan.data.grey:
        raise InputError(f"{plan.network.architecture} takes three channels", "leave out data.grey: grey pictures work")
    return found


def build(plan: Plan) -> nn.Module:
    """The plan's network with its starting weights; labels of two classes share one channel."""
    kind, n = architecture(plan), len(plan.classes)
    _refuse_classes(plan)
    net = kind.make(plan.network, 1 if plan.data.grey else 3, 1 if n == 2 and not kind.instances else n)
    if kind.encoder and plan.network.encoder == "imagenet" and plan.network.start_from is None:
        load_imagenet(net.encoder)  # type: ignore[arg-type]
    return net


def refuse_impossible(plan: Plan) -> None:
    """Raises InputError where no such network can be made, or none that takes the sizes that the plan names."""
    _refuse_classes(plan)
    depths = architecture(plan).depths
    if plan.network.depth and plan.network.depth not in depths:
        raise InputError(
            f"network.depth: {plan.network.architecture} has {depths.start} to {depths.stop - 1}, "
            f"not {plan.network.depth}"
        )
    step, export = stride(plan), plan.export
    if architecture(plan).encoder and plan.schedule.batch == 1 and plan.augment.crop == (step, step):
        raise InputError(
            f"augment.crop: a single picture of {step} x {step} has nothing to be normalised by",
            "a larger crop, or schedule.batch: 2",
        )
    sizes = {"augment.crop": plan.augment.crop}
    if export.height and export.width:
        sizes["export"] = export.height, export.width
    for where, (height, width) in sizes.items() if architecture(plan).exact else ():
        if height % step or width % step:
            raise InputError(
                f"{where}: {height} x {width}, but {plan.network.architecture} takes multiples of {step} pixels",
                f"{_near(height, step)} x {_near(width, step)}",
            )


def _refuse_classes(plan: Plan) -> None:
    names = [entry.name for entry in plan.classes]
    if len(names) < 2:
        raise InputError(f"classes: {len(names)} of them leave nothing to tell apart", "name the background too")
    if len(names) > VOID:
        raise InputError(f"classes: {len(names)} of them, but {VOID} is void in a mask", f"{VOID} at most")
    if architecture(plan).gives == "maps" and len(names) > 2:
        raise InputError(
            f"{plan.network.architecture}: tells no classes of objects apart", "name the background and one"
        )
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"classes: {', '.join(sorted(repeated))} is there twice", "give each a name of its own")


def _near(side: int, step: int) -> int:
    return max(step, round(side / step) * step)


def without_pretraining(plan: Plan) -> Plan:
    """The plan for a network whose weights come from a checkpoint."""
    network: Network = msgspec.structs.replace(plan.network, encoder="random")
    return msgspec.structs.replace(plan, network=network)


def stride(plan: Plan) -> int:
    """What both sides of a picture must be a multiple of, in pixels."""
    if plan.network.depth and not architecture(plan).encoder:
        return 1 << plan.network.depth
    return architecture(plan).stride


def normalisation(plan: Plan) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, each (1, C, 1, 1), in 0..255 and RGB order."""
    mean, std = (GREY_MEAN, GREY_STD) if plan.data.grey else (IMAGENET_MEAN, IMAGENET_STD)
    return torch.tensor(mean).view(1, -1, 1, 1), torch.tensor(std).view(1, -1, 1, 1)


def as_input(images: NDArray[np.uint8], plan: Plan) -> Tensor:
    """(N, H, W, 3) u8 BGR -> (N, C, H, W) f32, normalised RGB or grey."""
    if plan.data.grey:
        images = np.stack([cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images])[..., None]
    x = torch.from_numpy(np.ascontiguousarray(images[..., ::-1])).permute(0, 3, 1, 2).float()
    mean, std = normalisation(plan)
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def run_size(plan: Plan, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height, width to which the program will bring a picture of (height, width, …) `shape`."""
    wanted = plan.export
    size = InputSpec(
        height=wanted.height, width=wanted.width, side=wanted.side, largest=wanted.largest, stride=stride(plan)
    )
    return input_size(size, (shape[0], shape[1]))


def as_run(image: Image, plan: Plan) -> Image:
    """`image` at the size at which the network will run."""
    height, width = run_size(plan, image.shape)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)

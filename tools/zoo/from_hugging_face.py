"""Small networks of Hugging Face's transformers with random weights, their configurations saved beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers as hf
from numpy.typing import NDArray

from zoo.exporting import Chosen, calibrate, export, normalised, spread
from zoo.row import Found, Row, pictures, write_row

Judge = Callable[[Any, tuple[int, int]], Found]
SWIN = {"embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 4, "image_size": 128}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
_SMALL = (192, 192)
SIDES = {"height": 128, "width": 128}
BOXES = ("logits", "pred_boxes")
QUERIES = ("class_queries_logits", "masks_queries_logits")


def segformer(folder: Path, classes: int = 19, dynamo: bool = False) -> None:
    network = hf.SegformerForSemanticSegmentation(hf.SegformerConfig(num_labels=classes))
    _semantic(folder, network, (512, 512), network.decode_head.classifier, hf.SegformerImageProcessor, dynamo)


def upernet(folder: Path) -> None:
    backbone = hf.ConvNextConfig(depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 128, 256], out_features=STAGES)
    config = hf.UperNetConfig(
        backbone_config=backbone, hidden_size=64, num_labels=21, use_auxiliary_head=False, auxiliary_in_channels=128
    )
    network = hf.UperNetForSemanticSegmentation(config)
    _semantic(folder, network, (256, 256), network.decode_head.classifier, hf.SegformerImageProcessor, dynamo=True)


def dpt(folder: Path) -> None:
    config = hf.DPTConfig(
        hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192, image_size=192,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[24, 48, 96, 96], fusion_hidden_size=64, num_labels=21,
    )  # fmt: skip
    network = hf.DPTForSemanticSegmentation(config)
    _semantic(folder, network, (192, 192), network.head.head[-2], hf.DPTImageProcessor, dynamo=False)


def _semantic(folder: Path, network: Any, size: tuple[int, int], last: Any, kind: Any, dynamo: bool) -> None:
    processor = kind(size={"height": size[0], "width": size[1]}, do_resize=True)
    row = Row(f"transformers {hf.__version__}, {'dynamo' if dynamo else 'legacy'}", size=size)
    images = torch.cat([normalised(image) for image in pictures(folder.parent, row)])  # pooled, one alone has no spread

    def run() -> None:
        network(pixel_values=images)

    calibrate(network, run)
    spread(last, run)

    def judge(outputs: Any, size: tuple[int, int]) -> Found:
        (labels,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[size])
        return Found(labels.numpy().astype(np.uint8))

    _save(folder, network, ("logits",), row, judge, processor, dynamo)


def detr(folder: Path) -> None:
    backbone = hf.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 32, 64], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage4"],
    )  # fmt: skip
    config = hf.DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, backbone=None, use_pretrained_backbone=False, d_model=64,
        num_queries=30, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64, num_labels=6,
    )  # fmt: skip
    network = hf.DetrForObjectDetection(config)
    network.class_labels_classifier.weight.data.normal_(0, 1.5)
    network.bbox_predictor.layers[-1].weight.data.normal_(0, 0.3)
    _boxes(folder, network, hf.DetrImageProcessor(size={"height": 192, "width": 192}, do_pad=False))


def _rt_backbone(kind: Any) -> Any:
    return kind(
        embedding_size=16, hidden_sizes=[16, 32, 32, 64], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip


_RT = {
    "encoder_in_channels": [32, 32, 64], "encoder_hidden_dim": 64, "d_model": 64, "num_queries": 50,
    "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "feat_strides": [8, 16, 32], "num_labels": 7,
    "decoder_in_channels": [64, 64, 64], "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "anchor_image_size": None, "freeze_backbone_batch_norms": False,
}  # fmt: skip


def rt_detr(folder: Path, kind: Any = hf.RTDetrForObjectDetection, config: Any = hf.RTDetrConfig) -> None:
    network = kind(config(backbone_config=_rt_backbone(hf.RTDetrResNetConfig), **_RT))
    _livened(folder, network)
    _boxes(folder, network, hf.RTDetrImageProcessor(size={"height": 192, "width": 192}))


def d_fine(folder: Path) -> None:
    backbone = hf.HGNetV2Config(
        embedding_size=16, stem_channels=[3, 8, 16], stage_in_channels=[16, 32, 32, 32],
        stage_mid_channels=[8, 8, 16, 16], stage_out_channels=[32, 32, 32, 64], stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1], hidden_sizes=[32, 32, 32, 64], depths=[1, 1, 1, 1],
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    network = hf.DFineForObjectDetection(hf.DFineConfig(backbone_config=backbone, **_RT))
    _livened(folder, network)
    _boxes(folder, network, hf.RTDetrImageProcessor(size={"height": 192, "width": 192}))


def _livened(folder: Path, network: Any) -> None:
    """Boxes and classes that differ from query to query, and queries that are chosen by more than ties."""
    for name, values in network.named_parameters():
        if "class_embed" in name:
            values.data.normal_(0, 1 if "bias" in name else 0.3)
        elif ("bbox_embed" in name or "enc_bbox_head" in name) and "weight" in name:
            values.data.normal_(0, 0.2)
    run = _fed(folder, network, _SMALL)
    calibrate(network, run)
    spread(network.model.enc_score_head, run, axis=2)


def _fed(folder: Path, network: Any, size: tuple[int, int]) -> Callable[[], None]:
    images = [normalised(image) for image in pictures(folder.parent, Row("", size=size))]

    def run() -> None:
        for image in images:
            network(pixel_values=image)

    return run


def _boxes(folder: Path, network: Any, processor: Any) -> None:
    row = Row(f"transformers {hf.__version__}, legacy", size=(192, 192))

    def judge(outputs: Any, size: tuple[int, int]) -> Found:
        (found,) = processor.post_process_object_detection(outputs, threshold=0.5, target_sizes=[size])
        return Found(None, *(found[name].numpy() for name in ("boxes", "scores", "labels")))

    _save(folder, network, BOXES, row, judge, processor, dynamo=False)


def maskformer(folder: Path, instances: bool = False) -> None:
    config = hf.MaskFormerConfig(
        backbone_config=hf.SwinConfig(out_features=STAGES, **SWIN), num_labels=9, fpn_feature_size=32,
        mask_feature_size=32,
        decoder_config=hf.DetrConfig(
            d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=20,
        ),
    )  # fmt: skip
    processor = hf.MaskFormerImageProcessor(size=SIDES, size_divisor=32)
    _queries(folder, hf.MaskFormerForInstanceSegmentation(config), processor, "maskformer" if instances else "", 32)


def mask2former(folder: Path, instances: bool = False) -> None:
    config = hf.Mask2FormerConfig(
        backbone_config=hf.SwinConfig(out_features=STAGES, **SWIN), num_labels=9, feature_size=32,
        mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=64, dim_feedforward=64, encoder_layers=1,
        decoder_layers=3, num_attention_heads=4, num_queries=20,
    )  # fmt: skip
    processor = hf.Mask2FormerImageProcessor(size=SIDES)
    network = hf.Mask2FormerForUniversalSegmentation(config)
    _queries(folder, network, processor, "mask2former" if instances else "", 384)


def eomt(folder: Path, instances: bool = False) -> None:
    config = hf.EomtConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, image_size=128, patch_size=8, num_blocks=2,
        num_queries=20, num_upscale_blocks=1, num_labels=9,
    )  # fmt: skip
    processor = hf.EomtImageProcessor(size={"shortest_edge": 128, "longest_edge": 128})
    _queries(folder, hf.EomtForUniversalSegmentation(config), processor, "eomt" if instances else "", 128)


class Asked(torch.nn.Module):
    """OneFormer with the words that tell it to segment by classes, which its export has inside."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.config = network, network.config
        self.class_predictor = network.model.transformer_module.decoder.class_embed
        words = torch.randint(1, network.config.text_encoder_vocab_size, (1, network.config.task_seq_len))
        self.register_buffer("words", words)

    def forward(self, pixel_values: Any) -> Any:
        """`pixel_values` (N, 3, H, W) f32."""
        return self.network(pixel_values=pixel_values, task_inputs=self.words.to(torch.float32))


def oneformer(folder: Path) -> None:
    config = hf.OneFormerConfig(
        backbone_config=hf.SwinConfig(out_features=STAGES, **SWIN), num_labels=9, conv_dim=32, mask_dim=32,
        hidden_dim=32, encoder_feedforward_dim=64, dim_feedforward=64, encoder_layers=1, decoder_layers=3,
        query_dec_layers=1, num_attention_heads=4, num_queries=20, text_encoder_width=32,
    )  # fmt: skip
    told = {str(i): {"isthing": 0, "name": f"class {i}"} for i in range(9)}
    (folder / "classes.json").write_text(json.dumps(told))
    processor = hf.OneFormerImageProcessor(repo_path=str(folder), class_info_file="classes.json", size=SIDES)
    _queries(folder, Asked(hf.OneFormerForUniversalSegmentation(config)), processor, "", 128)


def _queries(folder: Path, network: Any, processor: Any, family: str, side: int) -> None:
    """Objects where a `family` is named, else classes; masks are compared at the `side` at which they are judged."""
    row = Row(f"transformers {hf.__version__}, legacy", ("--family", family) if family else (), size=(128, 128))
    for name, values in network.named_parameters():
        if "quer" in name and values.dim() == 2 and values.shape[0] == 20:
            values.data.normal_(0, 4)
        elif name.endswith(("mask_embedder.2.0.weight", "mask_head.fc3.weight")):
            values.data.mul_(6)
    network.eval()
    spread(network.class_predictor, _fed(folder, network, (128, 128)), deviation=8, axis=2)

    def judge(outputs: Any, size: tuple[int, int]) -> Found:
        if family:
            return _segments(processor, outputs, size, side)
        (labels,) = processor.post_process_semantic_segmentation(outputs, target_sizes=[size])
        return Found(labels.numpy().astype(np.uint8))

    _save(folder, network, QUERIES, row, judge, processor, dynamo=False)


def _segments(processor: Any, outputs: Any, size: tuple[int, int], side: int) -> Found:
    """Objects with their whole masks: those of EoMT hide each other, so it is asked for one query at a time."""
    if isinstance(processor, hf.EomtImageProcessor):
        parts = [_query(outputs, i) for i in range(outputs.class_queries_logits.shape[1])]
        more = {}
    else:
        parts, more = [outputs], {"threshold": 0.5, "return_binary_maps": True}
    masks, info = [], []
    for part in parts:
        (found,) = processor.post_process_instance_segmentation(part, target_sizes=[(side, side)], **more)
        segments = found["segments_info"]
        masks += [found["segmentation"] >= 0] if segments and not more else list(found["segmentation"][: len(segments)])
        info += segments
    planes = np.array([np.asarray(mask) for mask in masks]).astype(bool).reshape(-1, side, side)
    ends = [(np.argwhere(mask).min(0)[::-1], np.argwhere(mask).max(0)[::-1] + 1) for mask in planes]
    boxes = np.array(ends, np.float32).reshape(-1, 4) * np.array(size[::-1] * 2, np.float32) / np.float32(side)
    scores, ids = ([each[name] for each in info] for name in ("score", "label_id"))
    return Found(None, boxes, np.array(scores, np.float32), np.array(ids, np.int64), planes)


def _query(outputs: Any, i: int) -> Any:
    names = (*QUERIES, "patch_offsets")
    return SimpleNamespace(**{name: outputs[name][:, [i]] if name in QUERIES else None for name in names})


def _save(
    folder: Path, network: Any, names: tuple[str, ...], row: Row, judge: Judge, processor: Any, dynamo: bool
) -> None:
    network.eval()
    seen: list[NDArray[np.uint8]] = pictures(folder.parent, row)
    found = []
    for image in seen:
        fed = processor(images=np.ascontiguousarray(image[..., ::-1]), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            found.append(judge(network(pixel_values=fed), (image.shape[0], image.shape[1])))
    network.config.save_pretrained(folder)
    processor.save_pretrained(folder)
    export(Chosen(network, names), (normalised(seen[0]),), folder, names, dynamo=dynamo)
    write_row(folder, row, found)


def _seeded(make: Callable[..., None], **more: Any) -> Callable[[Path], None]:
    def seeded(folder: Path) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        make(folder, **more)

    return seeded


MODELS = {
    "segformer": _seeded(segformer),
    "segformer-dynamo": _seeded(segformer, dynamo=True),
    "segformer-150": _seeded(segformer, classes=150),
    "upernet": _seeded(upernet),
    "dpt": _seeded(dpt),
    "detr": _seeded(detr),
    "rt-detr": _seeded(rt_detr),
    "rt-detr-v2": _seeded(rt_detr, kind=hf.RTDetrV2ForObjectDetection, config=hf.RTDetrV2Config),
    "d-fine": _seeded(d_fine),
    "maskformer": _seeded(maskformer),
    "maskformer-instances": _seeded(maskformer, instances=True),
    "mask2former": _seeded(mask2former),
    "mask2former-instances": _seeded(mask2former, instances=True),
    "oneformer": _seeded(oneformer),
    "eomt": _seeded(eomt),
    "eomt-instances": _seeded(eomt, instances=True),
}

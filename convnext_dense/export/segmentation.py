"""Graphs of segmentors: logits, or a label map."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..io.image_size import ImageSize
from ..models.label_map import labels_of_logits
from .graphs import Graph, Normalization, class_with


class PixelLogits(Graph):
    """Graph of a segmentor's logits at the size of the input, by whole inference (no sliding window)."""

    outputs = {'logits': 'float32 (N, classes, H, W), before softmax'}
    left_out = 'decoding and resizing the image, cutting it into windows (slide inference)'

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.original = [model]  # in a list, to hide it from torch: the parts below have the same weights
        self.backbone = model.backbone
        self.neck = model.neck if model.with_neck else nn.Identity()
        self.head: Any = _with_exportable_pools(model.decode_head)
        self.align_corners = model.align_corners
        self.threshold = model.decode_head.threshold if model.out_channels == 1 else None
        if self.threshold is not None and 'logits' in self.outputs:
            where = f'class 1 is where that is above {self.threshold:g}'
            self.outputs = {'logits': f'float32 (N, 1, H, W), before sigmoid; {where}'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self._logits(image),)

    def _logits(self, image: Tensor) -> Tensor:  # (N, K, H, W)
        features = self.neck(self.backbone(self.normalized(image)))
        if all(class_with(self.head, method) == 'BaseDecodeHead' for method in ('predict', 'predict_by_feat')):
            return F.interpolate(
                self.head(features), image.shape[2:], mode='bilinear', align_corners=self.align_corners
            )
        size_of_all = [{'img_shape': image.shape[2:]}]
        return self.head.predict(features, size_of_all, self.original[0].test_cfg)

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        (model,) = self.original
        pixels = image if self.bands else image.flip(1)  # to BGR
        inputs = model.data_preprocessor({'inputs': list(pixels)})['inputs']
        return {'logits': model.encode_decode(inputs, [{'img_shape': tuple(image.shape[2:])}] * len(image))}

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        return [{'labels': labels.numpy()} for labels in labels_of_logits(outputs[0], self.threshold)]


class PixelLabels(PixelLogits):
    """Graph of a segmentor's label map: the class of each pixel."""

    outputs = {'labels': 'int64 (N, H, W), the class of each pixel'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (labels_of_logits(self._logits(image), self.threshold),)

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        return {}

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        return [{'labels': labels.numpy()} for labels in outputs[0]]


class AveragePool(nn.Module):
    """``nn.AdaptiveAvgPool2d`` to (S, S) as two matrix products, exportable for inputs of any size.

    Torch's own layer can only be exported for fixed sizes. As in torch, window i of a side of length L covers
    floor(i L / S) to ceil((i + 1) L / S), so that both give the same averages.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, S, S)
        return self._averages(x.shape[2], x) @ x @ self._averages(x.shape[3], x).T

    def _averages(self, length: int, like: Tensor) -> Tensor:  # (S, length)
        window = torch.arange(self.size, device=like.device)[:, None] * length
        position = torch.arange(length, device=like.device) * self.size
        inside = ((position + self.size > window) & (position < window + length)).to(like.dtype)
        return inside / inside.sum(dim=1, keepdim=True)


def _with_exportable_pools(head: Any) -> nn.Module:
    """Copy a head, sharing its weights, and replace its adaptive pools by exportable ones."""
    shared = {id(tensor): tensor for tensor in (*head.parameters(), *head.buffers())}
    head = copy.deepcopy(head, shared)
    for module in head.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d):
                setattr(module, name, AveragePool(int(child.output_size)))  # type: ignore[arg-type]
    return head

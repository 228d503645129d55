"""Graphs of segmentors: logits, or a label map."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graphs import Graph, Normalization


class PixelLogits(Graph):
    """Graph of a segmentor's logits at the size of the input, by whole inference (no sliding window)."""

    outputs = {'logits': 'float32 (N, classes, H, W), before softmax'}
    left_out = 'decoding and resizing the image, cutting it into windows (slide inference)'

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.original = [model]  # in a list, to hide it from torch: the parts below have the same weights
        self.backbone = model.backbone
        self.neck = model.neck if model.with_neck else nn.Identity()
        self.head = _with_exportable_pools(model.decode_head)
        self.align_corners = model.align_corners

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        logits = self.head(self.neck(self.backbone(self.normalized(image))))  # (N, classes, H / 4, W / 4)
        return (F.interpolate(logits, image.shape[2:], mode='bilinear', align_corners=self.align_corners),)

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        (model,) = self.original
        inputs = model.data_preprocessor({'inputs': list(image.flip(1))})['inputs']  # from BGR
        return (model.encode_decode(inputs, [{'img_shape': tuple(image.shape[2:])}] * len(image)),)


class PixelLabels(PixelLogits):
    """Graph of a segmentor's label map: the class of each pixel."""

    outputs = {'labels': 'int64 (N, H, W), the class of each pixel'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().forward(image)[0].argmax(dim=1),)

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().reference(image)[0].argmax(dim=1),)


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

"""What is exported: modules from an image to named outputs, normalization inside, made of a loaded model's parts."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..inference.predictor import Predictor
from ..models import ConvNeXt
from ..models.layers import LayerNorm2d

STAGES = (0, 1, 2, 3)


class Graph(nn.Module):
    """From images to a tuple of tensors.

    Inputs:
        A float tensor (N, 3, H, W) of RGB values from 0 to 255.

    Attributes:
        outputs: what each output is, by its name.
        left_out: what the one who calls it has to do.
        one_image: whether N is 1.
        side_multiple: of what H and W are multiples.
    """

    outputs: ClassVar[dict[str, str]]
    left_out: ClassVar[str] = 'decoding and resizing the image'
    one_image: ClassVar[bool] = False
    side_multiple: ClassVar[int] = 1
    mean: Tensor
    std: Tensor

    def __init__(self, predict: Predictor) -> None:
        super().__init__()
        mean, std = predict.normalization
        self.register_buffer('mean', mean.view(3, 1, 1))
        self.register_buffer('std', std.view(3, 1, 1))

    def normalized(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        """The same as :meth:`forward` by the stock model's own steps, for comparison; whole values only."""
        raise NotImplementedError


class Classifier(Graph):
    """A classifier's logits."""

    outputs = {'logits': 'float32 (N, classes), before softmax'}

    def __init__(self, predict: Predictor) -> None:
        super().__init__(predict)
        self.model: Any = predict.model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.model(self.normalized(image)),)

    reference = forward


class Probabilities(Classifier):
    """A classifier's probabilities."""

    outputs = {'probabilities': 'float32 (N, classes), each image sums to 1'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().forward(image)[0].softmax(dim=1),)

    reference = forward


class Features(Graph):
    """The outputs of the backbone's four stages, whatever the model is for.

    Each goes through its LayerNorm ``norm{i}``. A classifier has none of these: they are fresh, with weight 1 and bias
    0, as a detector or segmentor starts with them.
    """

    outputs = {
        f'stage{i}': f'float32 (N, C{i}, H // {s}, W // {s}), normalized over its channels'
        for i, s in enumerate((4, 8, 16, 32))
    }

    def __init__(self, predict: Predictor) -> None:
        super().__init__(predict)
        backbone = predict.model.backbone
        if getattr(backbone, 'out_indices', ()) != STAGES:
            if type(backbone) is not ConvNeXt:
                raise UserError(
                    f'{type(backbone).__name__} has no features of four stages: take another --task-output'
                )
            backbone = copy.deepcopy(backbone)
            for i in STAGES:
                if not hasattr(backbone, f'norm{i}'):
                    backbone.add_module(f'norm{i}', LayerNorm2d(backbone.dims[i]))
            backbone.out_indices = STAGES
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.backbone(self.normalized(image))

    reference = forward


class Segmentor(Graph):
    """A segmentor's logits at the size of the input, which it sees whole."""

    outputs = {'logits': 'float32 (N, classes, H, W), before softmax'}
    left_out = 'decoding and resizing the image, cutting it into windows (slide inference)'

    def __init__(self, predict: Predictor) -> None:
        super().__init__(predict)
        self.stock = [predict.model]  # in a list, since its weights are those of the parts below
        self.backbone = predict.model.backbone
        self.neck = predict.model.neck if predict.model.with_neck else nn.Identity()
        self.head = _with_exportable_pools(predict.model.decode_head)
        self.align_corners = predict.model.align_corners

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        logits = self.head(self.neck(self.backbone(self.normalized(image))))  # (N, classes, H / 4, W / 4)
        return (F.interpolate(logits, image.shape[2:], mode='bilinear', align_corners=self.align_corners),)

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        (model,) = self.stock
        inputs = model.data_preprocessor({'inputs': list(image.flip(1))})['inputs']  # it takes BGR
        return (model.encode_decode(inputs, [{'img_shape': tuple(image.shape[2:])}] * len(image)),)


class LabelMap(Segmentor):
    """A segmentor's class of each pixel."""

    outputs = {'labels': 'int64 (N, H, W), the class of each pixel'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().forward(image)[0].argmax(dim=1),)

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().reference(image)[0].argmax(dim=1),)


class AveragePool(nn.Module):
    """``nn.AdaptiveAvgPool2d`` to (S, S) as two products with matrices of averages, which is exact at any size.

    Window i of a side of L positions goes from floor(i L / S) to ceil((i + 1) L / S), as in torch. Torch's own can
    only be exported for sides that are known beforehand.
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
    """A copy of the head, with the same weights, whose adaptive pools can be exported."""
    shared = {id(tensor): tensor for tensor in (*head.parameters(), *head.buffers())}
    head = copy.deepcopy(head, shared)
    for module in head.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d):
                setattr(module, name, AveragePool(int(child.output_size)))  # type: ignore[arg-type]
    return head

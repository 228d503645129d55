"""The image classifier: a backbone that returns one feature vector per image, and a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .layers import init_conv_and_linear


class MlpHead(nn.Linear):
    """Linear layer with a hidden layer and exact GELU before it.

    Args:
        in_features: C, channels of the features.
        hidden_size: channels of the hidden layer ``hidden``.
        num_classes: K.
    """

    def __init__(self, in_features: int, hidden_size: int, num_classes: int) -> None:
        super().__init__(hidden_size, num_classes)
        self.hidden = nn.Linear(in_features, hidden_size)

    def forward(self, x: Tensor) -> Tensor:  # (N, C) -> (N, K)
        return super().forward(F.gelu(self.hidden(x)))


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """Backbone, head, and the ImageNet recipe's loss.

    Args:
        backbone: config of a backbone that returns (N, C) features (``ConvNeXt`` with ``out_indices=None``).
        num_classes: K, the number of classes.
        head_init_scale: factor on the head's initial weight and bias (0.001 in the fine-tuning recipes).
        label_smoothing: share of the target, in [0, 1), that is spread evenly over all classes.
        mixup: arguments of timm's ``Mixup`` (``mixup_alpha``, ``cutmix_alpha``, ``prob``,
            ``switch_prob``, ``mode``), or None for neither Mixup nor CutMix.
        data_preprocessor: mmengine's; the default moves the batch to the model's device.
        head_hidden_size: channels of a hidden layer with GELU in the head, as timm's ``convnext_large_mlp`` has it
            (1536 there); None for a linear head.

    Raises:
        UserError: (a ValueError) if the batch size is odd while Mixup, which pairs images, is on.
    """

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        head_init_scale: float = 1.0,
        label_smoothing: float = 0.1,
        mixup: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        head_hidden_size: int | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.num_classes = num_classes
        channels = self.backbone.dims[-1]
        if head_hidden_size is None:
            self.head = nn.Linear(channels, num_classes)
        else:
            self.head = MlpHead(channels, head_hidden_size, num_classes)
            init_conv_and_linear(self.head.hidden)
        init_conv_and_linear(self.head)
        with torch.no_grad():
            self.head.weight.mul_(head_init_scale)
            self.head.bias.mul_(head_init_scale)
        self.label_smoothing = label_smoothing
        self.mixup = _build_mixup(mixup, num_classes, label_smoothing)

    def forward(
        self,
        inputs: Tensor,
        labels: Tensor | None = None,
        paths: list[str] | None = None,
        mode: str = 'tensor',
        **_: object,
    ) -> Tensor | dict[str, Tensor] | list[dict]:
        """Run the network.

        Args:
            inputs: (N, 3, H, W), normalized images.
            labels: (N,), class indices in [0, K).
            paths: N file names, passed on to the predictions.
            mode: ``'tensor'`` for logits (N, K); ``'loss'`` for ``{'loss': scalar}``; ``'predict'`` for a list of
                N dicts with ``scores`` (K,) that sum to 1, and ``label`` and ``path`` if they were given.
        """
        if mode == 'loss':
            assert labels is not None
            return {'loss': self._loss(inputs, labels)}
        logits = self.head(self.backbone(inputs))
        if mode == 'tensor':
            return logits
        scores = logits.float().softmax(dim=1).cpu()
        predictions: list[dict] = [{'scores': row} for row in scores]
        for i, prediction in enumerate(predictions):
            if labels is not None:
                prediction['label'] = int(labels[i])
            if paths is not None:
                prediction['path'] = paths[i]
        return predictions

    def _loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        if self.training and self.mixup is not None:
            if len(inputs) % 2:
                raise UserError(f'Mixup pairs images: the batch size must be even, it is {len(inputs)}')
            inputs, targets = self.mixup(inputs, labels)  # targets (N, K), smoothing included
            return F.cross_entropy(self.head(self.backbone(inputs)), targets)
        return F.cross_entropy(self.head(self.backbone(inputs)), labels, label_smoothing=self.label_smoothing)


def _build_mixup(mixup: dict | None, num_classes: int, label_smoothing: float):
    if mixup is None or not mixes_images(mixup):  # which would refuse odd batches, and timm one without any kind
        return None
    from timm.data import Mixup  # here, because timm takes seconds to import

    return Mixup(**mixup, num_classes=num_classes, label_smoothing=label_smoothing)


def mixes_images(mixup: Mapping[str, Any]) -> bool:
    """Whether arguments of timm's ``Mixup`` ever mix images."""
    kinds = mixup.get('mixup_alpha', 1.0) > 0 or mixup.get('cutmix_alpha', 0.0) > 0 or mixup.get('cutmix_minmax')
    return mixup.get('prob', 1.0) > 0 and bool(kinds)

"""Focal loss of sigmoids: replacements for mmcv's two compiled ops, which mmdet and mmseg call on a GPU.

Formula: "Focal Loss for Dense Object Detection" (arXiv 1708.02002), equation 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .common import to_full_precision


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N, K) with the loss of each logit.

    Args:
        input: (N, K) logits.
        target: (N,) labels in [0, K]; K is the background.
        weight: (K,) weights of the labels, or empty.
        gamma: exponent of the modulating factor.
        alpha: weight of the positive logits; the negative ones have 1 - alpha.
    """
    (logits,), positive = to_full_precision(input), _positive(input, target)
    p = logits.sigmoid()
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * F.logsigmoid(logits),
        -(1 - alpha) * p**gamma * F.logsigmoid(-logits),
    )
    output.copy_(_weighted(loss, target, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, K) with the derivative of each loss by its logit; other arguments as in the forward."""
    (logits,), positive = to_full_precision(input), _positive(input, target)
    p = logits.sigmoid()
    of_positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * F.logsigmoid(logits))
    of_negative = -(1 - alpha) * p**gamma * (gamma * (1 - p) * F.logsigmoid(-logits) - p)
    grad_input.copy_(_weighted(torch.where(positive, of_positive, of_negative), target, weight))


def _positive(input: Tensor, target: Tensor) -> Tensor:  # bool (N, K)
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _weighted(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    if not weight.numel():
        return values
    of_background = weight.new_ones(1)
    return values * torch.cat([weight, of_background])[target][:, None]

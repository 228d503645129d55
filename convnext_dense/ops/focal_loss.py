"""Focal loss of sigmoids and of softmax: replacements for mmcv's four compiled ops.

mmdet and mmseg call those of sigmoids on a GPU.

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


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``output`` (N,) with the loss of each row.

    Args:
        softmax: (N, K) probabilities.
        target: (N,) labels in [0, K); rows with a negative label have no loss.
        weight: (K,) weights of the labels, or empty.
        gamma: exponent of the modulating factor.
        alpha: factor of all losses.
    """
    (probabilities,), labeled = to_full_precision(softmax), target >= 0
    p = _of_label(probabilities, target)
    loss = -alpha * (1 - p) ** gamma * _logarithm(p)
    output.copy_(torch.where(labeled, loss * _label_weight(weight, target), 0))


def softmax_focal_loss_backward(
    softmax: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fill ``grad_input`` (N, K) with the derivatives of each row's loss by its logits.

    ``buff`` (N,) is filled with the derivative by the logarithm of the label's probability; the other arguments are as
    in :func:`softmax_focal_loss_forward`.
    """
    (probabilities,), labeled = to_full_precision(softmax), target >= 0
    p = _of_label(probabilities, target)
    rest = (1 - p).clamp(min=torch.finfo(p.dtype).tiny)  # at p = 1 the second part is 0, also with gamma < 1
    slope = alpha * (gamma * rest ** (gamma - 1) * p * _logarithm(p) - (1 - p) ** gamma)
    slope = torch.where(labeled, slope * _label_weight(weight, target), 0)
    buff.copy_(slope)
    hit = (target[:, None] == torch.arange(softmax.shape[1], device=softmax.device)).to(p)
    grad_input.copy_(slope[:, None] * (hit - probabilities))


def _of_label(values: Tensor, target: Tensor) -> Tensor:
    """Return the value of each row's label, (N,), from (N, K)."""
    return values.gather(1, target.clamp(min=0)[:, None])[:, 0]


def _label_weight(weight: Tensor, target: Tensor) -> Tensor:
    return weight[target.clamp(min=0)] if weight.numel() else weight.new_ones(len(target))


def _logarithm(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()


def _positive(input: Tensor, target: Tensor) -> Tensor:  # bool (N, K)
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _weighted(values: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    if not weight.numel():
        return values
    of_background = weight.new_ones(1)
    return values * torch.cat([weight, of_background])[target][:, None]

"""CARAFE, upsampling with a kernel for each place: replacements for mmcv's four compiled ops.

Each output cell is a weighted sum of the cells around the input cell that it lies in. Paper: "CARAFE: Content-Aware
ReAssembly of FEatures" (arXiv 1905.02188). One tap of the kernels is computed at a time, so that nothing is larger
than the output.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.mmcv_carafe_naive import allow_gradient_on_cpu
from .common import to_full_precision


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``output`` (N, C, scale_factor * H, scale_factor * W) with the upsampled features.

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size^2, scale_factor * H, scale_factor * W), the kernels of each output cell.
        rfeatures: as large as the features, which it is filled with: the backward gets it in their place.
        routput, rmasks: not needed.
        kernel_size: odd side of the kernels.
        group_size: groups of channels with kernels of their own.
        scale_factor: output cells per input cell and axis.
    """
    rfeatures.copy_(features)
    output.copy_(_upsampled(features, masks, kernel_size, group_size, scale_factor))


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``grad_input`` and ``grad_masks``; the other arguments are as in :func:`carafe_forward`, or not needed."""
    carafe_naive_backward(grad_output, rfeatures, masks, grad_input, grad_masks, kernel_size, group_size, scale_factor)


def carafe_naive_forward(
    features: Tensor, masks: Tensor, output: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> None:
    """Fill ``output``; the arguments are as in :func:`carafe_forward`."""
    allow_gradient_on_cpu()
    output.copy_(_upsampled(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill ``grad_input`` and ``grad_masks``; the other arguments are as in :func:`carafe_forward`."""
    features, masks, gradient = to_full_precision(features, masks, grad_output)
    (batch, channels, height, width), border = features.shape, kernel_size // 2
    outer = gradient.reshape(batch, group_size, -1, height, scale_factor, width, scale_factor)
    of_features = features.new_zeros(batch, channels, height + 2 * border, width + 2 * border)
    of_masks = torch.empty_like(masks).view(batch, group_size, -1, *masks.shape[2:])
    for tap, (cells, weights) in enumerate(_taps(features, masks, kernel_size, group_size, scale_factor)):
        row, column = divmod(tap, kernel_size)
        of_masks[:, :, tap] = (outer * cells).sum(2).flatten(4, 5).flatten(2, 3)
        of_cells = (outer * weights).sum((4, 6)).flatten(1, 2)
        of_features[:, :, row : row + height, column : column + width] += of_cells
    grad_input.copy_(of_features[:, :, border : border + height, border : border + width])
    grad_masks.copy_(of_masks.view(masks.shape))


def _upsampled(features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int) -> Tensor:
    features, masks = to_full_precision(features, masks)
    batch, channels, height, width = features.shape
    total = features.new_zeros(batch, group_size, channels // group_size, height, scale_factor, width, scale_factor)
    for cells, weights in _taps(features, masks, kernel_size, group_size, scale_factor):
        total.addcmul_(cells, weights)
    return total.view(batch, channels, height * scale_factor, width * scale_factor)


def _taps(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the input cell and the weight of each tap, for all output cells.

    They are (N, groups, C / groups, H, 1, W, 1) and (N, groups, 1, H, s, W, s).
    """
    (batch, _, height, width), border = features.shape, kernel_size // 2
    padded = F.pad(features, (border, border, border, border))
    kernels = masks.view(batch, group_size, kernel_size**2, height, scale_factor, width, scale_factor)
    for tap in range(kernel_size**2):
        row, column = divmod(tap, kernel_size)
        cells = padded[:, :, row : row + height, column : column + width]
        cells = cells.unflatten(1, (group_size, -1))[:, :, :, :, None, :, None]
        yield cells, kernels[:, :, tap, None]

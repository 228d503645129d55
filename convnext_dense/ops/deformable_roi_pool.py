"""Deformable RoI pooling: replacements for mmcv's two compiled ops.

Each bin of a box is moved by an offset of its own. Paper: "Deformable Convolutional Networks" (arXiv 1703.06211).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .bilinear import alike, along, bins_of, corners, rows
from .common import to_full_precision


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Fill ``output`` (K, C, pooled_height, pooled_width) with the means of bilinear samples of moved bins.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
        offset: (K, 2, pooled_height, pooled_width), x and y in `gamma` boxes; or empty, for no offsets.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes one per feature cell of the bin.
        gamma: scale of the offsets.
    """
    features, rois, offset = to_full_precision(input, rois, offset)
    cells, size = rows(features), (pooled_height, pooled_width)
    output.zero_()
    for chosen, index, weight in _samples(features, rois, offset, size, spatial_scale, sampling_ratio, gamma):
        total = torch.zeros((), device=cells.device, dtype=cells.dtype)
        for one_index, one_weight in zip(index, weight, strict=True):
            total = total + (cells[one_index] * one_weight[..., None]).sum(3)
        output[chosen] = (total / max(index.shape[4], 1)).permute(0, 3, 1, 2).to(output.dtype)


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Fill the two gradients; the other arguments are as in :func:`deform_roi_pool_forward`."""
    features, rois, offset, gradient = to_full_precision(input, rois, offset, grad_output)
    cells, size = rows(features), (pooled_height, pooled_width)
    moved, of_cells, of_offset = offset.detach().requires_grad_(), torch.zeros_like(cells), torch.zeros_like(offset)
    with torch.enable_grad():
        groups = _samples(features, rois, moved, size, spatial_scale, sampling_ratio, gamma)
        for chosen, index, weight in groups:
            outer = gradient[chosen].permute(0, 2, 3, 1)[:, :, :, None] / max(index.shape[4], 1)
            of_weight = torch.zeros_like(weight)
            for corner, (one_index, one_weight) in enumerate(zip(index, weight.detach(), strict=True)):
                of_cells.index_add_(0, one_index.flatten(), (one_weight[..., None] * outer).flatten(0, -2))
                of_weight[corner] = (cells[one_index] * outer).sum(-1)
            if offset.numel():
                of_offset += torch.autograd.grad(weight, moved, of_weight)[0]
    batch, channels, height, width = input.shape
    grad_input.copy_(of_cells.view(batch, height, width, channels).permute(0, 3, 1, 2))
    grad_offset.copy_(of_offset)


def _samples(
    features: Tensor,
    rois: Tensor,
    offset: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield indices of boxes, and the rows and weights of the cells of their samples, (4, k, *size, samples)."""
    _, channels, height, width = features.shape
    bins = bins_of(rois, scale, size, sampling_ratio)
    for chosen, down, across in alike(bins, 4 * size[0] * size[1] * channels):
        start, extent = bins.start[chosen], bins.extent[chosen]
        y = along(start[:, 0], extent[:, 0], size[0], down)[:, :, None, :, None]
        x = along(start[:, 1], extent[:, 1], size[1], across)[:, None, :, None, :]
        y, x = (t.expand(-1, *size, down, across) for t in (y, x))
        if offset.numel():
            shift = gamma * extent[:, :, None, None] * offset[chosen].flip(1)  # y and x
            y, x = (t + one[..., None, None] for t, one in zip((y, x), shift.unbind(1), strict=True))
        index, weight = corners(y, x, height, width)
        index = index + (bins.image[chosen] * height * width).view(-1, 1, 1, 1, 1)
        yield chosen, index.flatten(4), weight.flatten(4)

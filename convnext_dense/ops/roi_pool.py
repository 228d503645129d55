"""RoIPool: replacements for mmcv's two compiled ops.

torchvision's op of this name rounds boxes to whole cells first, which mmcv's does not, so it can't serve here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .common import to_full_precision


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``output`` (K, C, pooled_height, pooled_width) with the maxima of the cells that each bin touches.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image; x2 and y2 are part of the box.
        argmax: int, as large as the output; filled with the cell of each maximum, row * W + column, the first one of
            equal cells. It is -1, and the output 0, where a bin lies outside or the box has no extent.
        spatial_scale: feature cells per image pixel.
    """
    (features, rois), (height, width) = to_full_precision(input, rois), input.shape[2:]
    start, end = rois[:, 1:3] * spatial_scale, (rois[:, 3:] + 1) * spatial_scale
    extent = end - start
    top, bottom = _edges(start[:, 1], extent[:, 1], pooled_height, height)
    left, right = _edges(start[:, 0], extent[:, 0], pooled_width, width)
    tall, wide = ((last - first).amax(1).clamp(min=0).tolist() for first, last in ((top, bottom), (left, right)))
    output.zero_()
    argmax.fill_(-1)
    for k, (image, positive) in enumerate(zip(rois[:, 0].int().tolist(), (extent > 0).all(1).tolist(), strict=True)):
        if not (positive and tall[k] and wide[k]):
            continue
        row = top[k, :, None] + torch.arange(tall[k], device=rois.device)  # (bins, cells)
        column = left[k, :, None] + torch.arange(wide[k], device=rois.device)
        inside = (row < bottom[k, :, None])[:, :, None, None] & (column < right[k, :, None])
        cells = features[image][
            :, row.clamp(max=height - 1)[:, :, None, None], column.clamp(max=width - 1)
        ].masked_fill(~inside, -torch.inf)
        greatest, which = cells.transpose(2, 3).flatten(3).max(dim=3)
        found = inside.any(3).any(1)
        position = (top[k, :, None] + which // wide[k]) * width + left[k] + which % wide[k]
        output[k] = torch.where(found, greatest, 0).to(output.dtype)
        argmax[k] = torch.where(found, position, -1).to(argmax.dtype)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill ``grad_input`` (N, C, H, W); the other arguments are as in :func:`roi_pool_forward`."""
    (gradient,) = to_full_precision(grad_output)
    _, channels, height, width = grad_input.shape
    channel = torch.arange(channels, device=rois.device)
    plane = (rois[:, :1].long() * channels + channel)[:, :, None, None] * (height * width)
    total = gradient.new_zeros(grad_input.numel())
    total.index_add_(0, (plane + argmax.clamp(min=0)).flatten(), torch.where(argmax >= 0, gradient, 0).flatten())
    grad_input.copy_(total.view_as(grad_input))


def _edges(start: Tensor, extent: Tensor, bins: int, cells: int) -> tuple[Tensor, Tensor]:
    """Return the first cell of each bin and the one after its last, (K, bins)."""
    size, index = extent[:, None] / bins, torch.arange(bins, device=start.device)
    first = (index * size + start[:, None]).floor()
    last = ((index + 1) * size + start[:, None]).ceil()
    return first.clamp(0, cells).long(), last.clamp(0, cells).long()

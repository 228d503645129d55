"""RoIAlign with average and maximum pooling: replacements for mmcv's two compiled ops."""

from __future__ import annotations

import torch
from torch import Tensor

from .bilinear import CHUNK, alike, along, bins_of, corners, rows
from .common import to_full_precision

MAXIMUM = 0


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (K, C, aligned_height, aligned_width) with the means or maxima of bilinear samples.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
        argmax_y, argmax_x: for the maximum only, and as large as the output. They are filled with the number of the
            greatest sample in its bin, down and across, for the backward. mmcv's own op puts its coordinates there,
            which float16 would round to another cell. Both are -1 in a bin without samples, whose maximum is 0.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes one per feature cell of the bin.
        pool_mode: 1 for the average, 0 for the maximum.
        aligned: shift by half a cell, so that cell centers are at integer coordinates.
    """
    wide, rois = to_full_precision(input, rois)
    size = (aligned_height, aligned_width)
    if pool_mode == MAXIMUM:
        _maximum(wide, rois, output, argmax_y, argmax_x, size, spatial_scale, sampling_ratio, aligned)
    else:
        shape = (float(spatial_scale), *size)
        output.copy_(torch.ops.torchvision.roi_align(wide, rois, *shape, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (N, C, H, W); the other arguments are as in :func:`roi_align_forward`."""
    wide, rois = to_full_precision(grad_output, rois)
    size = (aligned_height, aligned_width)
    if pool_mode == MAXIMUM:
        argmax = torch.stack([argmax_y, argmax_x])
        grad_input.copy_(_of_maximum(wide, rois, argmax, grad_input.shape, spatial_scale, sampling_ratio, aligned))
    else:
        shape = (float(spatial_scale), *size, *grad_input.shape)
        backward = torch.ops.torchvision._roi_align_backward
        grad_input.copy_(backward(wide, rois, *shape, sampling_ratio, aligned))


def _maximum(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    _, channels, height, width = features.shape
    cells = rows(features)
    bins = bins_of(rois, scale, size, sampling_ratio, aligned)
    output.zero_()
    argmax_y.fill_(-1)
    argmax_x.fill_(-1)
    for chosen, down, across in alike(bins, 2 * size[0] * size[1] * channels):
        if not down * across:
            continue
        start, extent = bins.start[chosen], bins.extent[chosen]
        y = along(start[:, 0], extent[:, 0], size[0], down)[:, :, None, :, None]
        x = along(start[:, 1], extent[:, 1], size[1], across)[:, None, :, None, :]
        y, x = torch.broadcast_tensors(y, x)
        index, weight = corners(y, x, height, width)
        index = index.flatten(4) + (bins.image[chosen] * height * width)[:, None, None, None]
        samples = torch.zeros((), device=cells.device, dtype=cells.dtype)
        for one_index, one_weight in zip(index, weight.flatten(4), strict=True):
            samples = samples + cells[one_index] * one_weight[..., None]
        greatest, which = (t.permute(0, 3, 1, 2) for t in samples.max(dim=3))
        output[chosen] = greatest.to(output.dtype)
        argmax_y[chosen] = (which // across).to(argmax_y.dtype)
        argmax_x[chosen] = (which % across).to(argmax_x.dtype)


def _of_maximum(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    shape: torch.Size,
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Return the gradient by the features: each bin's gradient goes to the cells around its greatest sample."""
    _, channels, height, width = shape
    size = grad_output.shape[2:]
    bins = bins_of(rois, scale, (size[0], size[1]), sampling_ratio, aligned)
    gradient = grad_output.new_zeros(shape)
    channel = torch.arange(channels, device=rois.device)
    boxes = torch.arange(len(rois), device=rois.device)
    for chosen in boxes.split(max(1, CHUNK // (8 * max(1, grad_output[:1].numel())))):
        found = argmax[0, chosen] >= 0
        position = []
        for axis, side in enumerate(size):
            shifted = torch.arange(side, device=rois.device).to(rois).view([side, 1] if axis == 0 else [1, side])
            in_bin = (argmax[axis, chosen].to(rois) + 0.5) / bins.samples[chosen, axis].view(-1, 1, 1, 1)
            extent, start = (t[chosen, axis].view(-1, 1, 1, 1) for t in (bins.extent, bins.start))
            position.append(start + (shifted + in_bin) * extent / side)
        index, weight = corners(position[0], position[1], height, width)
        plane = (bins.image[chosen, None] * channels + channel)[..., None, None]
        values = torch.where(found, grad_output[chosen], 0) * weight
        gradient.view(-1).index_add_(0, (index + plane * height * width).flatten(), values.flatten())
    return gradient

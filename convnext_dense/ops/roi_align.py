"""RoIAlign with average pooling: replacements for mmcv's two compiled ops."""

import torch
from torch import Tensor

from .common import not_available, to_full_precision


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
    """Fill ``output`` (K, C, aligned_height, aligned_width) with the means of bilinear samples.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
        argmax_y, argmax_x: for maximum pooling only.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes one per feature cell of the bin.
        pool_mode: 1 for the average; 0, the maximum, is not available.
        aligned: shift by half a cell, so that cell centers are at integer coordinates.

    Raises:
        NotImplementedError: for maximum pooling.
    """
    if pool_mode != 1:
        raise not_available("roi_align_forward (pool_mode='max')")
    wide, rois = to_full_precision(input, rois)
    shape = (float(spatial_scale), aligned_height, aligned_width)
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
    if pool_mode != 1:
        raise not_available("roi_align_backward (pool_mode='max')")
    wide, rois = to_full_precision(grad_output, rois)
    shape = (float(spatial_scale), aligned_height, aligned_width, *grad_input.shape)
    backward = torch.ops.torchvision._roi_align_backward
    grad_input.copy_(backward(wide, rois, *shape, sampling_ratio, aligned))

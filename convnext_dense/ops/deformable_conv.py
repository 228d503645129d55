"""Deformable convolution, plain and modulated: replacements for mmcv's five compiled ops, by torchvision's.

Both libraries lay out offsets alike: for each group of channels and each tap of the kernel, y and then x.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .common import to_full_precision


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill ``output`` (N, O, H', W') with the convolution at moved positions.

    Args:
        input: (N, C, H, W).
        weight: (O, C / group, kH, kW).
        offset: (N, deformable_group * kH * kW * 2, H', W'), y and x of each tap, in cells.
        columns: where the backward keeps the weight's gradient; see :func:`deform_conv_backward_input`.
        ones, im2col_step: not needed.
        kW, kH: size of the kernel; dW, dH its stride, padW, padH the padding, dilationW, dilationH the dilation.
        group: groups of channels; `deformable_group` are those with offsets of their own.
    """
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    output.copy_(_convolve(input, weight, offset, None, None, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill the gradients by the input and by the offsets; the other arguments are as in the forward.

    The gradient by the weight, which torchvision computes at the same time, goes into `columns`, where mmcv's own op
    keeps what it shares with :func:`deform_conv_backward_parameters`.
    """
    geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
    of_input, of_weight, of_offset, _, _ = _gradients(gradOutput, input, weight, offset, None, None, geometry)
    gradInput.copy_(of_input)
    gradOffset.copy_(of_offset)
    columns.resize_(weight.shape).copy_(of_weight)


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add `scale` times the gradient by the weight to ``gradWeight``; the other arguments are as in the forward."""
    if columns.numel():
        of_weight = columns
    else:  # neither the input nor the offsets need a gradient
        geometry = (dH, dW, padH, padW, dilationH, dilationW, group, deformable_group)
        # the weight's own gradient does not depend on its values
        of_weight = _gradients(gradOutput, input, gradWeight, offset, None, None, geometry)[1]
    gradWeight.add_(of_weight.to(gradWeight.dtype), alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill ``output`` (N, O, H', W') with the convolution at moved positions, each tap weighted by the mask.

    Args:
        input: (N, C, H, W).
        weight: (O, C / group, kernel_h, kernel_w).
        bias: (O,), used if `with_bias`.
        ones, columns: not needed.
        offset: (N, deformable_group * kernel_h * kernel_w * 2, H', W'), y and x of each tap, in cells; one with more
            places is read as mmcv's op reads it, see :func:`_as_read`.
        mask: (N, deformable_group * kernel_h * kernel_w, H', W'), factors of the taps; likewise.
        group: groups of channels; `deformable_group` are those with offsets and masks of their own.
        with_bias: add the bias.
    """
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    offset, mask = (_as_read(taps, output.shape[2:]) for taps in (offset, mask))
    output.copy_(_convolve(input, weight, offset, mask, bias if with_bias else None, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill the five gradients; the other arguments are as in :func:`modulated_deform_conv_forward`."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group)
    given = bias if with_bias else None
    offset, mask = (_as_read(taps, grad_output.shape[2:]) for taps in (offset, mask))
    of_input, of_weight, of_offset, of_mask, of_bias = _gradients(
        grad_output, input, weight, offset, mask, given, geometry
    )
    grad_input.copy_(of_input)
    grad_weight.copy_(of_weight)
    for filled, gradient in ((grad_offset, of_offset), (grad_mask, of_mask)):
        unread = filled[0].numel() - gradient[0].numel()
        filled.copy_(F.pad(gradient.flatten(1), (0, unread)).view(filled.shape))
    if with_bias:
        grad_bias.copy_(of_bias)


def _convolve(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor | None, bias: Tensor | None, geometry: tuple[int, ...]
) -> Tensor:
    tensors = to_full_precision(input, weight, offset, *_given(input, weight, mask, bias))
    return torch.ops.torchvision.deform_conv2d(*tensors, *geometry, mask is not None)


def _gradients(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients by input, weight, offset, mask and bias."""
    tensors = to_full_precision(grad_output, input, weight, offset, *_given(input, weight, mask, bias))
    backward = torch.ops.torchvision._deform_conv2d_backward
    of_input, of_weight, of_offset, of_mask, of_bias = backward(*tensors, *geometry, mask is not None)
    of_offset *= _touches(tensors[3], input.shape, weight.shape, geometry)
    return of_input, of_weight, of_offset, of_mask, of_bias


def _as_read(taps: Tensor, places: torch.Size) -> Tensor:
    """Return the offsets or masks of an output of this size, (N, ..., H', W').

    mmcv's modulated op does not look at their own size, and takes the numbers of each image one after the other.
    mmdet's DyHead relies on it: it convolves a coarser level with the offsets of a finer one.
    """
    numbers = taps.shape[1] * places.numel()
    if taps.shape[2:] == places or taps.shape[1:].numel() < numbers:
        return taps
    return taps.flatten(1)[:, :numbers].unflatten(1, (-1, *places))


def _given(input: Tensor, weight: Tensor, mask: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mask and bias, or what torchvision wants in their place."""
    return (
        input.new_zeros(len(input), 1) if mask is None else mask,
        weight.new_zeros(len(weight)) if bias is None else bias,
    )


def _touches(offset: Tensor, input_shape: torch.Size, weight_shape: torch.Size, geometry: tuple[int, ...]) -> Tensor:
    """Return where a tap is less than a cell outside, as 0 or 1 for each offset.

    A tap exactly one cell above or left of the map, as the padding's are before any offset is learnt, has two
    one-sided derivatives. mmcv takes 0, the outer one, and torchvision the inner one.
    """
    (down, across), (height, width) = weight_shape[2:], offset.shape[2:]
    by_tap = offset.view(len(offset), -1, down, across, 2, height, width)
    stride, pad, dilation = geometry[0:2], geometry[2:4], geometry[4:6]
    inside = []
    for axis, (taps, places) in enumerate(((down, height), (across, width))):
        tap = torch.arange(taps, device=offset.device) * dilation[axis]
        place = torch.arange(places, device=offset.device) * stride[axis] - pad[axis]
        tap = tap[:, None, None, None] if axis == 0 else tap[:, None, None]
        place = place[:, None] if axis == 0 else place
        inside.append(by_tap[:, :, :, :, axis] + (tap + place) > -1)
    return (inside[0] & inside[1])[:, :, :, :, None].expand_as(by_tap).reshape(offset.shape)

"""Multi-scale deformable attention: replacements for mmcv's two compiled ops, which it calls on a GPU.

On a CPU mmcv computes the same with torch; see ``mmcv.ops.multi_scale_deform_attn``. Here a GPU does so as well, with
more memory than a compiled op takes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .common import to_full_precision


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Return the sums of bilinear samples, (N, Q, H * C).

    Args:
        value: (N, S, H, C), the cells of all L levels.
        value_spatial_shapes: (L, 2), height and width of the levels.
        value_level_start_index: (L,), not needed.
        sampling_locations: (N, Q, H, L, P, 2), x and y in [0, 1].
        attention_weights: (N, Q, H, L, P).
        im2col_step: not needed.
    """
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    cells, locations, weights = to_full_precision(value, sampling_locations, attention_weights)
    return multi_scale_deformable_attn_pytorch(cells, value_spatial_shapes, locations, weights).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Fill the three gradients; the other arguments are as in :func:`ms_deform_attn_forward`."""
    inputs = [tensor.detach().requires_grad_() for tensor in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        cells, locations, weights = inputs
        output = ms_deform_attn_forward(
            cells, value_spatial_shapes, value_level_start_index, locations, weights, im2col_step
        )
    gradients = torch.autograd.grad(output, inputs, grad_output)
    for filled, gradient in zip((grad_value, grad_sampling_loc, grad_attn_weight), gradients, strict=True):
        filled.copy_(gradient)

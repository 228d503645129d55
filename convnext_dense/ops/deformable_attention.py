"""Multi-scale deformable attention: replacements for mmcv's two compiled ops, which it calls on a GPU.

On a CPU mmcv computes the same with torch; see ``mmcv.ops.multi_scale_deform_attn``. Here a GPU does so as well, one
level at a time, with the samples of that level in memory, which a compiled op never stores.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
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
    cells, locations, weights = to_full_precision(value, sampling_locations, attention_weights)
    total = cells.new_zeros(())
    for of_level, level in _levels(cells, value_spatial_shapes):
        sampled = _samples(of_level, locations[:, :, :, level])
        total = total + (sampled * _by_head(weights[:, :, :, level])[:, None]).sum(-1)
    return total.unflatten(0, value.shape[::2]).flatten(1, 2).transpose(1, 2).contiguous().to(value.dtype)


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
    cells, locations, weights, gradient = to_full_precision(value, sampling_locations, attention_weights, grad_output)
    heads = value.shape[2]
    outer = gradient.unflatten(2, (heads, -1)).permute(0, 2, 3, 1).flatten(0, 1)[..., None]  # (N * H, C, Q, 1)
    start = 0
    for of_level, level in _levels(cells, value_spatial_shapes):
        with torch.enable_grad():
            inputs = [of_level.detach().requires_grad_(), locations[:, :, :, level].detach().requires_grad_()]
            sampled = _samples(*inputs)
        of_weight = (sampled.detach() * outer).sum(1)
        grad_attn_weight[:, :, :, level] = of_weight.unflatten(0, (-1, heads)).transpose(1, 2)
        of_samples = outer * _by_head(weights[:, :, :, level])[:, None]
        of_cells, of_locations = torch.autograd.grad(sampled, inputs, of_samples)
        of_cells = of_cells.flatten(2).unflatten(0, (-1, heads)).permute(0, 3, 1, 2)
        grad_value[:, start : start + of_cells.shape[1]] = of_cells
        grad_sampling_loc[:, :, :, level] = of_locations
        start += of_cells.shape[1]


def _levels(value: Tensor, shapes: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Yield the cells of each level, (N * H, C, height, width), and its index."""
    sizes = shapes.tolist()
    for level, cells in enumerate(value.split([height * width for height, width in sizes], dim=1)):
        yield cells.permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, sizes[level]), level


def _samples(cells: Tensor, locations: Tensor) -> Tensor:
    """Return the bilinear samples of one level, (N * H, C, Q, P)."""
    return F.grid_sample(cells, 2 * _by_head(locations) - 1, align_corners=False)


def _by_head(tensor: Tensor) -> Tensor:  # (N, Q, H, ...) to (N * H, Q, ...)
    return tensor.transpose(1, 2).flatten(0, 1)

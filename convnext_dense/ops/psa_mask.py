"""Masks of PSANet's point-wise spatial attention: replacements for mmcv's two compiled ops.

Each place of the map has a mask of its own, which is centered there and cut to the map. Paper: "PSANet: Point-wise
Spatial Attention Network for Scene Parsing" (ECCV 2018). One row of places is computed at a time.
"""

from __future__ import annotations

import torch
from torch import Tensor

COLLECT = 0


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill ``output`` (N, H * W, H, W) with what the masks say of the map; 0 where they do not reach.

    Args:
        input: (N, h_mask * w_mask, H, W), the mask of each place.
        psa_type: 0 to collect, where the last two axes are the places and H * W what their masks cover; 1 to
            distribute, the other way round.
        num_, h_feature, w_feature: N, H and W.
        h_mask, w_mask: size of the masks.
        half_h_mask, half_w_mask: rows and columns of a mask before its center.
    """
    masks = input.view(num_, h_mask, w_mask, h_feature, w_feature)
    covered = _covered(output, psa_type, h_feature, w_feature)
    place = torch.arange(w_feature, device=input.device)
    row, row_inside = _index(-1, h_feature, h_feature, h_mask, half_h_mask, input)
    column, column_inside = _index(-1, w_feature, w_feature, w_mask, half_w_mask, input)
    for i in range(h_feature):
        inside = row_inside[i, :, None] & column_inside[:, None]
        picked = masks[:, :, :, i][:, row[i, :, None], column[:, None], place[:, None, None]]  # (N, W, H, W)
        covered[:, i] = torch.where(inside, picked, 0)


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Fill ``grad_input``; the other arguments are as in :func:`psamask_forward`."""
    masks = grad_input.view(num_, h_mask, w_mask, h_feature, w_feature)
    covered = _covered(grad_output, psa_type, h_feature, w_feature)
    place = torch.arange(w_feature, device=grad_output.device)
    row, row_inside = _index(1, h_feature, h_mask, h_feature, half_h_mask, grad_output)
    column, column_inside = _index(1, w_feature, w_mask, w_feature, half_w_mask, grad_output)
    for i in range(h_feature):
        inside = row_inside[i, :, None] & column_inside[:, None]
        picked = covered[:, i][:, place[:, None, None], row[i, :, None], column[:, None]]  # (N, W, h_mask, w_mask)
        masks[:, :, :, i] = torch.where(inside, picked, 0).permute(0, 2, 3, 1)


def _covered(output: Tensor, psa_type: int, height: int, width: int) -> Tensor:
    """Return the output as (N, place's row, its column, row, column)."""
    by_axis = output.view(-1, height, width, height, width)
    return by_axis.permute(0, 3, 4, 1, 2) if psa_type == COLLECT else by_axis


def _index(sign: int, places: int, wanted: int, size: int, half: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each place of an axis and each wanted cell, (places, wanted), the cell on the other side.

    Args:
        sign: -1 from the map to the mask, 1 from the mask to the map.
        places: cells of the map.
        wanted: cells that are wanted.
        size: cells on the other side.
        half: cells of the mask before its center.
        like: a tensor on the device.

    Returns:
        The cells, and whether there are such.
    """
    place, cell = (torch.arange(n, device=like.device) for n in (places, wanted))
    index = cell + sign * (place[:, None] - half)
    return index.clamp(0, size - 1), (index >= 0) & (index < size)

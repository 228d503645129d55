"""Convolution at some places only: replacements for mmcv's two compiled ops, for one image and in prediction."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Fill ``col`` (C * kernel_h * kernel_w, M) with what the kernel sees at M places; 0 beyond the borders.

    Args:
        im: (1, C, H, W).
        mask_h_idx, mask_w_idx: (M,), rows and columns of the output.
        kernel_h, kernel_w: size of the kernel.
        pad_h, pad_w: padding on both sides of the axes.
    """
    padded = F.pad(im[0], (pad_w, kernel_w, pad_h, kernel_h))
    row = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    column = mask_w_idx + torch.arange(kernel_w, device=im.device)[:, None]
    col.copy_(padded[:, row, column].reshape(col.shape))


def masked_col2im_forward(
    col: Tensor, mask_h_idx: Tensor, mask_w_idx: Tensor, im: Tensor, height: int, width: int, channels: int
) -> None:
    """Put the columns of ``col`` (channels, M) to M places of ``im`` (1, channels, height, width)."""
    im[0, :, mask_h_idx, mask_w_idx] = col.to(im.dtype)

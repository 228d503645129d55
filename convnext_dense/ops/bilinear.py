"""Bilinear samples as sums of four cells, and the samples that RoI ops take in the bins of a box."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Numbers that a chunk of boxes may put into one tensor: 64 MiB of float32.
CHUNK = 2**24


def corners(y: Tensor, x: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the four cells around each position, and their weights, which are differentiable by `y` and `x`.

    Cell centers are at integer coordinates. A position within a cell of the border is moved onto the border; the
    weights of one farther outside, or of one that is NaN, are 0.

    Args:
        y, x: positions of any one shape.
        height, width: cells of the map.

    Returns:
        The cells' indices in the flattened map, and their weights: both (4, *shape of y).
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y = torch.where(inside, y, 0).clamp(0, height - 1)
    x = torch.where(inside, x, 0).clamp(0, width - 1)
    top, left = y.detach().floor(), x.detach().floor()
    bottom, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    down, across = y - top, x - left
    weights = torch.stack(
        [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across],
    )
    cells = torch.stack([top * width + left, top * width + right, bottom * width + left, bottom * width + right])
    return cells.long(), weights * inside


class Bins(NamedTuple):
    """Boxes on a feature map, cut into bins: rows of (y, x) in feature cells."""

    image: Tensor  # (K,)
    start: Tensor  # (K, 2)
    extent: Tensor  # (K, 2)
    samples: Tensor  # (K, 2), per bin


def bins_of(
    rois: Tensor, spatial_scale: float, size: tuple[int, int], sampling_ratio: int, aligned: bool = True
) -> Bins:
    """Return the bins of boxes, as RoIAlign cuts them.

    Args:
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
        spatial_scale: feature cells per image pixel.
        size: bins per box, (height, width).
        sampling_ratio: samples per bin and axis; 0 takes one per feature cell of the bin.
        aligned: shift by half a cell; without it, a box has at least one cell.
    """
    box = rois[:, 1:] * spatial_scale - 0.5 * aligned
    start, end = box[:, [1, 0]], box[:, [3, 2]]
    extent = end - start if aligned else (end - start).clamp(min=1)
    if sampling_ratio > 0:
        samples = torch.full_like(extent, sampling_ratio)
    else:
        samples = (extent / extent.new_tensor(size)).ceil().clamp(min=0)
    return Bins(rois[:, 0].long(), start, extent, samples.long())


def alike(bins: Bins, numbers_per_sample: int) -> Iterator[tuple[Tensor, int, int]]:
    """Yield the boxes whose bins have the same samples: their indices, and the samples per bin down and across.

    Args:
        bins: the boxes.
        numbers_per_sample: numbers that one sample of each bin of a box takes; a group never takes more than `CHUNK`
            of them, unless one box does.
    """
    kinds, kind_of = bins.samples.unique(dim=0, return_inverse=True)
    for kind, (down, across) in enumerate(kinds.tolist()):
        boxes = (kind_of == kind).nonzero()[:, 0]
        for chosen in boxes.split(max(1, CHUNK // max(1, numbers_per_sample * down * across))):
            yield chosen, down, across


def along(start: Tensor, extent: Tensor, bins: int, samples: int) -> Tensor:
    """Return the positions of samples along an axis, (k, bins, samples), of boxes that start and extend so, (k,)."""
    bin_index = torch.arange(bins, device=start.device).to(start)[:, None]
    sample_index = torch.arange(samples, device=start.device).to(start)
    return start[:, None, None] + (bin_index + (sample_index + 0.5) / max(samples, 1)) * extent[:, None, None] / bins


def rows(features: Tensor) -> Tensor:
    """Return the cells of all images as rows, (N * H * W, C)."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])

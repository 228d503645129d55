"""Images of which a network sees some patches of 32 x 32 pixels, as in masked pre-training (arXiv 2301.00808).

Only positions of visible patches exist for the network, as in a sparse network: a depthwise convolution finds zeros in
place of the others, a downsample layer never crosses a patch, all other layers see one position at a time, and GRN
takes its norms over the visible positions of an image. Two ways of computing it have the same results up to rounding:

- :class:`Stacked`: the visible patches of an image, one below the other, are an image of their own, 2.5 times as small
  where 60% are hidden. Every layer runs on it as it is, but depthwise convolutions, for which the patches are put in
  their places.
- :class:`Zeroed`: all positions are computed, and those of hidden patches set to zero where others would see them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE as PATCH
from ..io.image_size import ImageSize


class VisiblePatches(NamedTuple):
    """Patches of images that a network sees.

    Attributes:
        indices: int64 (N, V), for each image the numbers of V different patches, which count along the rows.
        stacked: True for :class:`Stacked`, False for :class:`Zeroed`.
    """

    indices: Tensor
    stacked: bool = True


def patch_grid(height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of patches in an image.

    Raises:
        UserError: if a side is not a multiple of 32.
    """
    if height % PATCH or width % PATCH or not height or not width:
        fitting = ImageSize(*(max(PATCH, side // PATCH * PATCH) for side in (height, width)))
        raise UserError(
            f'images of {ImageSize(height, width)} pixels do not divide into patches of {PATCH}: '
            f'resize or crop them to sides divisible by {PATCH}, such as {fitting}'
        )
    return height // PATCH, width // PATCH


def places_of(visible: VisiblePatches, stage: int, height: int, width: int) -> Stacked | Zeroed:
    """Find the positions of visible patches in the maps of a stage.

    Args:
        visible: the patches.
        stage: 0 to 3.
        height, width: of the images.
    """
    rows, columns = patch_grid(height, width)
    side = PATCH // (4 << stage)
    return (Stacked if visible.stacked else Zeroed)(visible.indices, rows, columns, side)


def convolve(conv: nn.Module, x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    """Run a depthwise convolution, where ``places`` is None on all of (N, C, H, W)."""
    return conv(x) if places is None else places.convolve(conv, x)


def hide(x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    """Set the hidden positions of (N, H, W, C) to zero, if there are any."""
    return x if places is None else places.hide(x)


class Stacked:
    """Places of a stage's visible positions, for maps (N, C, V * side, side) of an image's V patches in a column.

    Args:
        indices: see :class:`VisiblePatches`.
        rows, columns: of the grid of patches.
        side: positions a side of a patch.
    """

    def __init__(self, indices: Tensor, rows: int, columns: int, side: int) -> None:
        self.images, self.height, self.width, self.side = len(indices), rows * side, columns * side, side
        inside = torch.arange(side, device=indices.device)
        y = (indices // columns)[:, :, None, None] * side + inside[:, None]
        x = (indices % columns)[:, :, None, None] * side + inside
        image = torch.arange(self.images, device=indices.device)[:, None, None, None]
        self.places = ((image * self.height + y) * self.width + x).flatten()

    def convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Run a depthwise convolution with the patches in their places, among zeros."""
        return self.stack(conv(self.spread(x)))

    def hide(self, x: Tensor) -> Tensor:
        """Return x, in which there is nothing to hide."""
        return x

    def stack(self, x: Tensor) -> Tensor:
        """Take the visible positions out of (N, C, H, W)."""
        positions = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        return positions.index_select(0, self.places).view(self.images, -1, self.side, x.shape[1]).permute(0, 3, 1, 2)

    def spread(self, x: Tensor) -> Tensor:
        """Put the visible positions in their places, among zeros, in (N, C, H, W)."""
        positions = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        empty = positions.new_zeros(self.images * self.height * self.width, x.shape[1])
        spread = torch.index_copy(empty, 0, self.places, positions)
        return spread.view(self.images, self.height, self.width, x.shape[1]).permute(0, 3, 1, 2)


class Zeroed:
    """The same for maps (N, C, H, W) of all positions, which are zero where a patch is hidden."""

    def __init__(self, indices: Tensor, rows: int, columns: int, side: int) -> None:
        visible = torch.zeros(len(indices), rows * columns, device=indices.device).scatter_(1, indices, 1.0)
        visible = visible.view(-1, rows, 1, columns, 1).expand(-1, -1, side, -1, side)
        self.visible = visible.reshape(-1, rows * side, columns * side, 1)  # (N, H, W, 1)

    def convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Run a depthwise convolution; what it gives at hidden positions stays there until they are hidden."""
        return conv(x)

    def hide(self, x: Tensor) -> Tensor:
        """Set the hidden positions of (N, H, W, C) to zero."""
        return x * self.visible.to(x.dtype)

    def stack(self, x: Tensor) -> Tensor:
        """Set the hidden positions of (N, C, H, W) to zero."""
        return x * self.visible.permute(0, 3, 1, 2).to(x.dtype)

    def spread(self, x: Tensor) -> Tensor:
        """Return x, whose positions are in their places."""
        return x


def cut_patches(images: Tensor, indices: Tensor) -> Tensor:
    """Cut the visible patches out of images (N, C, H, W), one below the other: (N, C, V * 32, 32)."""
    rows, columns = patch_grid(*images.shape[2:])
    patches = images.unflatten(3, (columns, PATCH)).unflatten(2, (rows, PATCH))  # (N, C, rows, 32, columns, 32)
    image = torch.arange(len(images), device=images.device)[:, None]
    cut = patches[image, :, indices // columns, :, indices % columns]  # (N, V, C, 32, 32)
    return cut.transpose(1, 2).flatten(2, 3)

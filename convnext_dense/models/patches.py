"""Patches of 32 x 32 pixels: which of them are hidden, and images cut into them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE as PATCH
from .visible import patch_grid


def visible_count(patches: int, mask_ratio: float) -> int:
    """Return how many patches of an image stay visible: ``int(patches * (1 - mask_ratio))``, 19 of 49 at 0.6.

    Raises:
        UserError: if none would.
    """
    visible = int(patches * (1 - mask_ratio) + 1e-9)  # 10 * (1 - 0.9) is a little less than 1
    if visible < 1:
        smallest = next(side for side in range(1, 1000) if int(side * side * (1 - mask_ratio) + 1e-9)) * PATCH
        raise UserError(
            f'with a mask ratio of {mask_ratio:g} none of {patches} patches stays visible: '
            f'take images of {smallest} pixels or more, or a smaller mask ratio'
        )
    return visible


def draw_visible(images: int, patches: int, visible: int) -> Tensor:
    """Draw the visible patches of each image at random, from torch's generator on the CPU.

    Args:
        images: N, the number of images.
        patches: P, the number of patches of an image.
        visible: V, the number of visible ones.

    Returns:
        int64 (N, V), in [0, P), ascending for each image.
    """
    return _lowest(torch.rand(images, patches), visible)


def seeded_visible(seeds: Sequence[int], patches: int, visible: int) -> Tensor:
    """Draw the visible patches of each image by a seed of its own, whatever else is drawn, and in which process.

    Args:
        seeds: N seeds, 0 or more, such as those that the augmentation of the images has. The draws are independent of
            others that start from the same seeds.
        patches, visible: as in :func:`draw_visible`.

    Returns:
        int64 (N, V), as from :func:`draw_visible`. Torch's own generator does not change.
    """
    own = [int(np.random.SeedSequence([seed, PATCH]).generate_state(1)[0]) for seed in seeds]
    return _lowest(_noise(own, patches), visible)


def fixed_visible(names: Sequence[str], patches: int, visible: int) -> Tensor:
    """Choose visible patches that depend only on the names of the images' files, without their folders.

    Args:
        names: N names.
        patches, visible: as in :func:`draw_visible`.

    Returns:
        int64 (N, V), as from :func:`draw_visible`. Torch's own generator does not change.
    """
    seeds = (zlib.crc32(PurePath(name).name.encode(errors='surrogateescape')) for name in names)
    return _lowest(_noise(seeds, patches), visible)


def _noise(seeds: Iterable[int], patches: int) -> Tensor:
    return torch.stack([torch.rand(patches, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def _lowest(noise: Tensor, count: int) -> Tensor:
    """Return where the lowest values of each row are, in the order of the row."""
    return noise.argsort(dim=1, stable=True)[:, :count].sort(dim=1).values


def hidden_mask(visible: Tensor, rows: int, columns: int) -> Tensor:
    """Return a boolean mask (N, rows, columns), True where a patch is hidden.

    Args:
        visible: int64 (N, V), the numbers of the visible patches along the rows.
        rows, columns: of the grid of patches.
    """
    hidden = torch.ones(len(visible), rows * columns, dtype=torch.bool, device=visible.device)
    return hidden.scatter_(1, visible, False).view(-1, rows, columns)


def to_patches(images: Tensor) -> Tensor:
    """Cut images (N, C, H, W) into patches (N, P, 32 * 32 * C), along the rows; in one, the channels of a pixel follow
    each other, and the pixels along its rows."""
    rows, columns = patch_grid(*images.shape[2:])
    patches = images.unflatten(3, (columns, PATCH)).unflatten(2, (rows, PATCH))  # (N, C, rows, 32, columns, 32)
    return patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def to_images(patches: Tensor, rows: int, columns: int) -> Tensor:
    """Compose images (N, C, H, W) of patches (N, P, 32 * 32 * C): the inverse of :func:`to_patches`."""
    pixels = patches.unflatten(2, (PATCH, PATCH, -1)).unflatten(1, (rows, columns))
    return pixels.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)

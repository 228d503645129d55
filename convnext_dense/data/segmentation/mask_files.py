"""Read the pixels of a mask file, as numbers or as colors."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...io.color_masks import LOSSY, LOSSY_FORMATS, BadLabels, read_colors, unreadable_mask
from ...io.images import open_file, open_image
from ...io.mask_windows import cropped, read_numbers
from ...io.opening import OF_ANY_SIZE
from ...io.window import Window

CHANNELS = 'with several channels'
FRACTIONS = 'with fractions, which are no labels'

GRAY_STEPS = {'L;2': 85, 'L;4': 17}
"""Factors by which Pillow brightens PNG files of 2 and 4 bits, whose numbers are the labels."""


def read_mask(path: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
    """Read the numbers of a mask, of any depth from 1 to 16 bits; in a palette image the indices.

    GIF files have a palette in any case, which programs sort as they like: of these, the gray levels are read.

    Args:
        path: the mask's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
        window: the part that is read; None for all of it.

    Returns:
        Integers (H, W), or (H, W, C) if the mask has several channels.

    Raises:
        BadLabels: if it is a JPEG, or holds fractions.
        UserError: if the mask can't be read or decoded.
    """
    numbers = None if window is None else read_numbers(path, window)
    if numbers is not None:
        return numbers
    try:
        with open_image(path, retry_missing, OF_ANY_SIZE) as mask:
            kind, tiles = mask.format, getattr(mask, 'tile', None)  # known before decoding alone
            part = mask if window is None else cropped(mask, window)
            labels = np.asarray(part.convert('RGB') if kind == 'GIF' and isinstance(part, Image.Image) else part)
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise unreadable_mask(path, error) from None
    if kind in LOSSY_FORMATS:
        raise BadLabels(path, LOSSY, 'JPEG')
    if labels.dtype == bool:
        return labels.astype(np.uint8)
    if labels.dtype.kind == 'f':
        return _whole_numbers(path, labels)
    step = GRAY_STEPS.get(str(tiles[0][3])) if tiles else None
    return labels // step if step else labels


def palette_colors(path: str) -> dict[int, int] | None:
    """Return the color of each index that occurs in a mask with a palette, as :func:`read_colors`; None without one.

    Raises:
        UserError: if the mask can't be read or decoded.
    """
    try:
        with open_image(path, opening=OF_ANY_SIZE) as mask:
            if mask.mode != 'P' or mask.format == 'GIF':
                return None
            indices = np.asarray(mask)
    except Exception as error:
        raise unreadable_mask(path, error) from None
    _, places = np.unique(indices, return_index=True)
    colors = read_colors(path).ravel()
    return {int(indices.ravel()[place]): int(colors[place]) for place in places}


def is_single_channel(path: str) -> bool | None:
    """Check whether a mask has one channel, or is a GIF of gray levels; None if it can't be opened."""
    try:
        with open(path, 'rb') as file, open_file(file, OF_ANY_SIZE) as mask:
            return are_equal(np.asarray(mask.convert('RGB'))) if mask.format == 'GIF' else len(mask.getbands()) == 1
    except Exception:  # reported when it is read
        return None


def are_equal(channels: np.ndarray) -> bool:
    """Check whether all channels (H, W, C) show the same, but an opacity that is everywhere the same."""
    count = channels.shape[2]
    colors = channels[..., : count - (count in (2, 4))]
    opacity = channels[..., colors.shape[2] :]
    return bool((colors == colors[..., :1]).all() and (opacity == opacity.max(initial=0)).all())


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """Count the pixels of each label that occurs in a mask (H, W)."""
    if labels.dtype == np.uint8:
        counts = np.bincount(labels.ravel(), minlength=256)
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    flat = labels.ravel()  # pixels in a row are mostly equal, and sorting all of them is slow
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])) if flat.size else np.zeros(0, int)
    values, places = np.unique(flat[starts], return_inverse=True)
    numbers = np.bincount(places, np.diff(np.append(starts, flat.size)), len(values)).astype(int)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


def _whole_numbers(path: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all() or (values != np.floor(values)).any() or np.abs(values).max(initial=0) > 1 << 30:
        raise BadLabels(path, FRACTIONS)
    return values.astype(np.int32)

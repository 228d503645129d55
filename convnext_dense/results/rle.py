"""COCO's run-length encoding (RLE) of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from ..errors import UserError
from ..io.coco_format import Polygons, RunLengths
from ..io.image_size import ImageSize
from ..tiling.tile_objects import MaskCrop

MOST_PIXELS = (1 << 32) - 1
"""Pixels of the largest image whose masks pycocotools can hold: the lengths of its runs have 32 bits."""


def encode_masks(masks: np.ndarray) -> list[RunLengths]:
    """Compress masks, bool (N, H, W); same bytes as ``pycocotools.mask.encode``, but faster."""
    size = list(masks.shape[1:])
    starts = np.empty(size, np.uint8)  # reused for all masks, since allocating it takes longer than filling it
    runs = [{'size': size, 'counts': _run_lengths(mask, starts)} for mask in np.asarray(masks).view(np.uint8)]
    encoded = coco_mask.frPyObjects(runs, *size) if runs else []
    return [{'size': mask['size'], 'counts': mask['counts'].decode('ascii')} for mask in encoded]


def encode_crops(crops: Sequence[MaskCrop], size: ImageSize) -> list[RunLengths]:
    """Compress cropped masks of an image of this size like :func:`encode_masks`, without making the whole masks.

    Raises:
        UserError: see :func:`check_encodable`.
    """
    check_encodable(size)
    runs = [{'size': list(size), 'counts': _run_lengths_of_crop(crop, size)} for crop in crops]
    encoded = coco_mask.frPyObjects(runs, *size) if runs else []
    return [{'size': mask['size'], 'counts': mask['counts'].decode('ascii')} for mask in encoded]


def check_encodable(size: ImageSize) -> None:
    """Check that masks of an image of this size can be run-length encoded.

    Raises:
        UserError: if it has more than :data:`MOST_PIXELS`.
    """
    if size.height * size.width > MOST_PIXELS:
        raise UserError(
            f'the image has {size} pixels, and masks in the format of COCO are of {MOST_PIXELS:,} at most: cut it in '
            'parts, or take a detector of boxes'
        )


def decode_mask(mask: Polygons | RunLengths, size: ImageSize) -> np.ndarray:
    """Convert the ``segmentation`` of a COCO annotation to a mask.

    Args:
        mask: polygons, or a compressed or uncompressed RLE.
        size: height and width of the image.

    Returns:
        bool (H, W).
    """
    if isinstance(mask, list) or isinstance(mask['counts'], list):
        mask = coco_mask.frPyObjects(mask, *size)
    return coco_mask.decode(coco_mask.merge(mask) if isinstance(mask, list) else mask).astype(bool)


def _run_lengths(mask: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the lengths of the runs of 0, 1, 0, ... down the columns of a mask; the first may be 0.

    The starts of runs are searched row by row, the mask's order in memory, and then sorted by column.

    Args:
        mask: uint8 (H, W).
        starts: uint8 (H, W), overwritten.
    """
    height, width = mask.shape
    np.bitwise_xor(mask[1:], mask[:-1], out=starts[1:])
    np.bitwise_xor(mask[0, 1:], mask[-1, :-1], out=starts[0, 1:])  # the next column continues the run
    starts[0, 0] = mask[0, 0]
    rows, columns = np.divmod(np.flatnonzero(starts.view(bool)), width)
    return np.diff(np.concatenate([[0], np.sort(columns * height + rows), [mask.size]]))


def _run_lengths_of_crop(crop: MaskCrop, size: ImageSize) -> np.ndarray:
    """Return the lengths of the runs of 0, 1, 0, ... down the columns of the whole mask; the first may be 0."""
    changes = np.diff(crop.pixels.T.astype(np.int8), prepend=0, append=0)  # (w, h + 1): 1 starts a run, -1 ends one
    (columns, starts), (_, ends) = np.nonzero(changes > 0), np.nonzero(changes < 0)
    above = (columns + crop.left) * size.height + crop.top
    edges = np.stack([above + starts, above + ends], axis=1).ravel()
    goes_on = np.flatnonzero(edges[1:-1:2] == edges[2::2])  # from the last row into the next column
    edges = np.delete(edges, np.concatenate([2 * goes_on + 1, 2 * goes_on + 2]))
    lengths = np.diff(np.concatenate([[0], edges, [size.height * size.width]]))
    return lengths if lengths[-1] or len(lengths) == 1 else lengths[:-1]

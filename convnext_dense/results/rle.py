"""COCO's run-length encoding (RLE) of masks."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from ..io.coco_format import Polygons, RunLengths
from ..io.image_size import ImageSize


def encode_masks(masks: np.ndarray) -> list[RunLengths]:
    """Compress masks, bool (N, H, W); same bytes as ``pycocotools.mask.encode``, but faster."""
    size = list(masks.shape[1:])
    starts = np.empty(size, np.uint8)  # reused for all masks, since allocating it takes longer than filling it
    runs = [{'size': size, 'counts': _run_lengths(mask, starts)} for mask in np.asarray(masks).view(np.uint8)]
    encoded = coco_mask.frPyObjects(runs, *size) if runs else []
    return [{'size': mask['size'], 'counts': mask['counts'].decode('ascii')} for mask in encoded]


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

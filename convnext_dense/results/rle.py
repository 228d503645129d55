"""COCO's run-length encoding (RLE) of masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
from pycocotools import mask as coco_mask


class RLE(TypedDict):
    """A compressed RLE: height and width of the mask, and its runs in COCO's text form."""

    size: list[int]
    counts: str


def encode_masks(masks: np.ndarray) -> list[RLE]:
    """Compress masks, bool (N, H, W); equal to ``pycocotools.mask.encode`` to the byte, and faster."""
    size = list(masks.shape[1:])
    starts = np.empty(size, np.uint8)  # one for all masks: fresh memory takes longer than what is done in it
    runs = [{'size': size, 'counts': _run_lengths(mask, starts)} for mask in np.asarray(masks).view(np.uint8)]
    encoded = coco_mask.frPyObjects(runs, *size) if runs else []
    return [{'size': mask['size'], 'counts': mask['counts'].decode('ascii')} for mask in encoded]


def decode_mask(mask: list | Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Convert the ``segmentation`` of a COCO annotation to a mask.

    Args:
        mask: polygons, or an RLE whose counts are a list, a text or bytes.
        size: height and width of the image in pixels.

    Returns:
        bool (H, W).
    """
    if isinstance(mask, list) or isinstance(mask['counts'], list):
        mask = coco_mask.frPyObjects(mask, *size)
    return coco_mask.decode(coco_mask.merge(mask) if isinstance(mask, list) else mask).astype(bool)


def _run_lengths(mask: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The lengths of the runs of 0, 1, 0, ... down the columns of a mask; the first may be 0.

    Pixels that differ from the one before are searched along the rows, as the mask lies in memory; those few are then
    put in order.

    Args:
        mask, starts: uint8 (H, W); the latter is overwritten.
    """
    height, width = mask.shape
    np.bitwise_xor(mask[1:], mask[:-1], out=starts[1:])
    np.bitwise_xor(mask[0, 1:], mask[-1, :-1], out=starts[0, 1:])  # a column goes on at the top of the next one
    starts[0, 0] = mask[0, 0]
    rows, columns = np.divmod(np.flatnonzero(starts.view(bool)), width)
    return np.diff(np.concatenate([[0], np.sort(columns * height + rows), [mask.size]]))
